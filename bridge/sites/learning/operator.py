"""The contract with the person who teaches the bridge a site, at a terminal or in the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from playwright.async_api import Page

from bridge.sites.learning.draft import Finding


class Operator(Protocol):
    """A person who follows and helps the learning of one site; every method returns at once."""

    wants_sending: bool
    """Whether the bridge sends the first prompt, too; read repeatedly until it is sent."""

    def say(self, text: str) -> None:
        """Show a line about the current step; it contains no text of the chat."""
        ...

    def hand_over(self, page: Page, prompt: str) -> None:
        """Hand the page over to the person, who signs in there and sends exactly this prompt."""
        ...

    def no_text_box(self) -> None:
        """Report that the bridge cannot send the prompt, because the page shows no text box.

        Clears `wants_sending`, so that the person continues, or raises a `BridgeError` if there is no person.
        """
        ...

    def take_back(self) -> None:
        """Take the page back, if it was handed over; the person may watch it until `page_closes`."""
        ...

    def page_closes(self) -> None:
        """Report that the page is being closed."""
        ...

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show the fields of the site file, which is now written."""
        ...

    def show_proof(self, name: str, failure: str) -> None:
        """Show the result of one chat with the site file; `failure` is empty if it succeeded."""
        ...
