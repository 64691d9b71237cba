"""The contract with who teaches the bridge a site: a person at a terminal, or one in the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from playwright.async_api import Page

from bridge.sites.learning.draft import Finding


class Operator(Protocol):
    """Follows the learning of one site, and has a part in it; every method returns at once."""

    wants_sending: bool
    """Whether the bridge is to send the first prompt, too; read again and again until it is sent."""

    def say(self, text: str) -> None:
        """Take a line about what is done now; it has no text of the chat."""
        ...

    def hand_over(self, page: Page, prompt: str) -> None:
        """Give the page to the person, who signs in there and sends exactly this prompt."""
        ...

    def no_text_box(self) -> None:
        """Note that the bridge cannot send the prompt: the page shows no text box.

        Clears `wants_sending`, so that a person goes on, or raises a `BridgeError` where there is none.
        """
        ...

    def take_back(self) -> None:
        """Take the page from the person, who may watch it until `page_closes`; also where it was never handed over."""
        ...

    def page_closes(self) -> None:
        """Note that the page is closed now."""
        ...

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Take the fields of the site file, which is written now."""
        ...

    def show_proof(self, name: str, failure: str) -> None:
        """Take what came of one chat by the file; `failure` is empty where it went well."""
        ...
