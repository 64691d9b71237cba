"""A test's person who teaches the bridge a site, and records what the bridge says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.login.site_learning import LearnedSite, Lesson, learn_site
from bridge.sites.learning.draft import Finding
from bridge.sites.site_file.schema import SiteFile, load_site_file
from bridge.storage.profiles import Profile
from tests.support.live import settings_for


class Teacher:
    """See `Operator`; unless the person sends the prompt, the bridge does."""

    def __init__(self, *, wants_sending: bool = True) -> None:
        self.wants_sending = wants_sending
        self.prompt = ""
        self.said: list[str] = []
        self.found: Sequence[Finding] = ()
        self.proofs: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        """Record the line."""
        self.said.append(text)

    def hand_over(self, _: Page, prompt: str) -> None:
        """Record the prompt."""
        self.prompt = prompt

    def no_text_box(self) -> None:
        """Raise: nobody signs in."""
        raise SetupError("The page shows no text box.")

    def take_back(self) -> None:
        """Do nothing."""

    page_closes = take_back

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Record the fields."""
        self.found = findings

    def show_proof(self, name: str, failure: str) -> None:
        """Record the outcome of a chat."""
        self.proofs.append((name, failure))


async def learned(chromium: Chromium, folder: Path, url: str, state: dict[str, Any]) -> tuple[LearnedSite, SiteFile]:
    """Learn a page without a person, and return the outcome and the site file that was written."""
    out = folder / "learned.toml"
    profile = Profile(name="me", site=str(out), url=url, storage_state=state)
    site = await learn_site(chromium, settings_for(folder).pages, Lesson(url, "learned", out), profile, Teacher())
    return site, await asyncio.to_thread(load_site_file, out)
