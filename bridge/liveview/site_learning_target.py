"""Site learning through a live view: a person signs in to the page and chats once, the bridge does the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from playwright.async_api import BrowserContext, Page

from bridge.browser.browser import Chromium
from bridge.browser.page_window import PageWindow
from bridge.chat.operator_visit import Visit
from bridge.errors import AccountConflict, BridgeError
from bridge.liveview.interface import LearnedField, Learning, ProofChat
from bridge.login.interactive_login import EMPTY
from bridge.login.site_learning import UNNAMED, Lesson, learn_site
from bridge.origins import origin_of
from bridge.printable import as_line
from bridge.settings import PageSettings
from bridge.sites.learning.draft import Finding
from bridge.storage.profiles import Profile

LEARNING_LIMIT = 3600.0
"""Seconds for the whole learning: the person's 15 minutes, and up to fifteen chats by the bridge."""
LONGEST = 500
"""Most characters of a message or a failure, which may quote the page."""
ENDED = ("learned", "unproven", "failed")
NO_BOX = "The page shows no text box for a prompt. Sign in first, then let the bridge send it."


@dataclass(frozen=True, slots=True)
class LearnedPage:
    """The `ShownPage` of a learning; its address line opens only the site's own pages."""

    page: Page
    context: BrowserContext
    places: tuple[str, Sequence[str]]
    window: PageWindow | None = None


class SiteLearningTarget:
    """One site that is being learned: the `ViewTarget` of its view, and the learning engine's `Operator`."""

    def __init__(
        self,
        id: str,  # noqa: A002
        lesson: Lesson,
        chromium: Chromium,
        settings: PageSettings,
        changed: Callable[[], None],
        limit: float = LEARNING_LIMIT,
    ) -> None:
        self.lesson = lesson
        self.ended_at: float | None = None
        self.wants_sending = False
        self._chromium = chromium
        self._settings = settings
        self._changed = changed
        self._limit = limit
        self._shown: LearnedPage | None = None
        self._visit = Visit()
        self._now = Learning(id, lesson.name, lesson.url, "opening", "The bridge is opening the page.")

    @property
    def session(self) -> LearnedPage | None:
        """Return the page, from when it is handed over until it is closed."""
        return self._shown

    def about(self) -> dict[str, Any]:
        """Return the state of the learning for its viewers."""
        return {"kind": "learning", "reason": self._now.message, **asdict(self._now)}

    def learning(self) -> Learning:
        """Return the state of the learning for the HTTP side."""
        return self._now

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[Visit]:
        """Give the page to a person until the prompt is sent."""
        if self._visit.over.is_set():
            raise AccountConflict("The bridge is using the page now; you can only watch.")
        yield self._visit

    async def run(self) -> None:
        """Learn the site; the end, good or bad, is in `learning()`."""
        profile = Profile(name=UNNAMED, site=self.lesson.name, url=origin_of(self.lesson.url), storage_state=EMPTY)
        try:
            async with asyncio.timeout(self._limit):
                site = await learn_site(self._chromium, self._settings, self.lesson, profile, self)
            self._end("learned" if site.is_proven else "unproven", LEARNED if site.is_proven else UNPROVEN)
        except TimeoutError:
            self._end("failed", f"It took more than {self._limit / 60:g} minutes. {self._left()}")
        except BridgeError as error:
            self._end("failed", f"{as_line(error.message)[:LONGEST]} {self._left()}")
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Mark the learning as given up; no effect if it has ended."""
        if self.ended_at is None:
            self._end("failed", f"The learning was given up. {self._left()}")

    def send(self) -> None:
        """Let the bridge send the prompt; raises `AccountConflict` if no prompt waits to be sent."""
        if self._now.state != "waiting":
            raise AccountConflict("There is no prompt to send now.")
        self.wants_sending = True
        self.say("The bridge is looking for a text box to send the prompt ...")

    def say(self, text: str) -> None:
        """Show a message; see `Operator`."""
        self._update(message=as_line(text)[:LONGEST])

    def hand_over(self, page: Page, prompt: str) -> None:
        """Show the page and the prompt; see `Operator`."""
        self._shown = LearnedPage(page, page.context, (origin_of(self.lesson.url), ()))
        message = "Sign in on the page, if it asks for it. Then send the prompt, or let the bridge send it."
        self._update(state="waiting", prompt=prompt, message=message)

    def no_text_box(self) -> None:
        """Leave the prompt to the person; see `Operator`."""
        self.wants_sending = False
        self.say(NO_BOX)

    def take_back(self) -> None:
        """Take the controls from the person; see `Operator`."""
        self._visit.end()
        self._update(state="chatting", prompt="")

    def page_closes(self) -> None:
        """Stop showing the page; see `Operator`."""
        self._visit.end()
        self._shown = None
        self._update(prompt="")

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show the fields; see `Operator`."""
        fields = tuple(LearnedField(one.field, str(one.certainty), as_line(one.why)[:LONGEST]) for one in findings)
        self._update(state="proving", fields=fields, file=str(self.lesson.out))

    def show_proof(self, name: str, failure: str) -> None:
        """Show the result of a test chat; see `Operator`."""
        self._update(proofs=(*self._now.proofs, ProofChat(name, as_line(failure)[:LONGEST])))

    def _left(self) -> str:
        return f"The file {self._now.file} stays." if self._now.file else "No file was written."

    def _end(self, state: str, message: str) -> None:
        self.ended_at = time.monotonic()
        self._visit.end()
        self._shown = None
        self._update(state=state, message=message, prompt="")

    def _update(self, **changes: Any) -> None:
        self._now = replace(self._now, **changes)
        self._changed()


LEARNED = "The site is learned: all test chats succeeded. Log in an account on it to use it."
UNPROVEN = "The site file was written, but not all test chats succeeded. See what failed and which fields need you."
