"""Somebody who teaches the bridge a site in a test, and keeps what they are told."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.async_api import Page

from bridge.errors import SetupError
from bridge.sites.learning.draft import Finding


class Teacher:
    """See `Operator`; unless somebody sends the prompt, the bridge does."""

    def __init__(self, *, wants_sending: bool = True) -> None:
        self.wants_sending = wants_sending
        self.prompt = ""
        self.said: list[str] = []
        self.found: Sequence[Finding] = ()
        self.proofs: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        """Keep the line."""
        self.said.append(text)

    def hand_over(self, _: Page, prompt: str) -> None:
        """Keep the prompt."""
        self.prompt = prompt

    def no_text_box(self) -> None:
        """Raise: nobody signs in."""
        raise SetupError("The page shows no text box.")

    def take_back(self) -> None:
        """Do nothing."""

    page_closes = take_back

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Keep the fields."""
        self.found = findings

    def show_proof(self, name: str, failure: str) -> None:
        """Keep what came of a chat."""
        self.proofs.append((name, failure))
