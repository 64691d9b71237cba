"""Sends a prompt from the page's composer: presses until the page accepts it, because the first press may be lost.

A page that is still rendering ignores keys and clicks, and a dialog may swallow the first one. The text box shows the
progress: the prompt is still there, or it is gone and the page shows that it was accepted, or it is gone without a
trace and is inserted again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from playwright.async_api import ElementHandle

from bridge.errors import RequestError, SiteChanged
from bridge.sites.guarded_page import QUICK, held, retried
from bridge.sites.prompt_text import is_altered
from bridge.sites.send_limits import GONE_AFTER, MOST_ENTERS
from bridge.sites.site_file.composer_box import ComposerBox
from bridge.sites.site_file.moved_controls import MovedControls
from bridge.sites.site_file.page_elements import PageElements, waited
from bridge.sites.site_file.page_schema import Composer

DOCUMENT = "() => performance.timeOrigin"
"""Distinguishes two documents at the same address."""
MISFILLS = 4
"""The number of failed attempts to insert the prompt after which the page cannot merely be still rendering."""
PATIENCE = 3.0
"""Seconds without a send button, while the box holds the prompt, after which it is looked for elsewhere."""
PROBE = "Hello"


class Mark(NamedTuple):
    """What changes when the page accepts a prompt."""

    address: str
    messages: int


@dataclass(slots=True)
class Sending:
    """The progress of the page with the prompt of one turn."""

    before: Mark | None = None
    """The page when the prompt was first inserted."""
    presses: int = 0
    pressed_at: float = 0.0
    pressed_in: float = 0.0
    """The document of the last press."""
    misfills: int = 0
    unseen_at: float = 0.0
    """When the send button was first found missing; infinity once it was looked for elsewhere."""
    is_taken: bool = False
    old_notices: list[str] = field(default_factory=list)


class ComposerSend:
    """The composer of one page."""

    def __init__(self, page: PageElements, composer: Composer, moved: MovedControls) -> None:
        self._page = page
        self._moved = moved
        self._composer = composer
        self._box = ComposerBox(page, composer.fill)
        self.sending = Sending()

    def begin(self, old_notices: list[str]) -> None:
        """Begin a turn; `old_notices` are the messages that the page shows already."""
        self.sending = Sending(old_notices=old_notices)

    async def submit(self, prompt: str) -> bool:
        """Insert the prompt unless the page has accepted it, and press send; tell whether the page is processing it."""
        return await retried(lambda: self._submit(prompt))

    @property
    def shows_work(self) -> bool:
        """Tell whether the site file names an element that shows that the site is answering."""
        return bool(self._composer.stop_button or self._composer.busy)

    async def is_busy(self) -> bool:
        """Tell whether the page shows that the site is answering."""
        stop, busy = self._composer.stop_button, self._composer.busy
        return await self._page.has(stop, field="composer.stop_button") or await self._page.has(busy)

    async def clear(self) -> None:
        """Empty the text box, if there is one."""
        if (box := await self._page.find(self._composer.box)) is not None:
            async with held(box):
                await self._box.clear(box)

    async def mark(self) -> Mark:
        """Return the current mark of the page."""
        return Mark(self._page.page.url, await self._page.count(self._composer.messages))

    async def _submit(self, prompt: str) -> bool:
        sending = self.sending
        if (box := await self._page.find(self._composer.box, field="composer.box")) is None:
            return await self._is_at_work()
        async with held(box):
            seen = await self._box.read(box, prompt)
            if seen["is"] == "empty" and sending.before is not None:
                if await self._is_at_work():
                    return True
                if time.monotonic() < sending.pressed_at + GONE_AFTER:
                    return False
            sending.before = sending.before or await self.mark()
            if seen["is"] != "there" and not self._is_filled(await self._box.fill(box, prompt), prompt):
                return False
            sending.pressed_in = (await self._box.read(box, prompt, "focus"))["document"]
            await self._press(box, prompt)
        return False

    def _is_filled(self, seen: Mapping[str, Any], prompt: str) -> bool:
        """Tell whether the box holds the prompt; after `MISFILLS` failures raise the reason."""
        if seen["is"] == "there":
            return True
        self.sending.misfills += 1
        if self.sending.misfills < MISFILLS:
            return False
        message = f"The page's text box holds {seen['length']} characters, or other ones, of the {len(prompt)} given"
        if is_altered(seen["other"], prompt):
            raise RequestError(f"{message}: it alters this prompt, which was not sent. Change its wording.")
        raise SiteChanged(f"{message}; it may need another value of composer.fill.")

    async def is_replaced(self) -> bool:
        """Tell whether the page has reloaded since the last press."""
        return float(await retried(lambda: self._page.page.evaluate(DOCUMENT))) != self.sending.pressed_in

    async def _is_at_work(self) -> bool:
        """Tell whether the page accepted the prompt, which is no longer in the box.

        A document loaded after the press has an empty box as well: there only the prompt's own trace counts, not
        the busy look of a page that is still rendering.
        """
        sending = self.sending
        if sending.before is None:
            return await self.is_busy()
        if not sending.is_taken:
            now = await self.mark()
            is_traced = now.address != sending.before.address or now.messages > sending.before.messages
            sending.is_taken = is_traced or (not await self.is_replaced() and await self.is_busy())
        return sending.is_taken

    async def _press(self, box: ElementHandle, prompt: str) -> None:
        sending, composer = self.sending, self._composer
        is_futile = sending.presses >= MOST_ENTERS and sending.presses % 3 == 0
        if composer.send == "button" or (is_futile and composer.send_button):
            # a missing or disabled button appears, or is enabled, once there is text
            is_pressed = await self._page.click(composer.send_button, field="composer.send_button")
            if not is_pressed and self._page.cover_of(composer.send_button) is None:
                await self._look_elsewhere(box, prompt)
        else:
            await self._page.press("Enter")
            is_pressed = True
        sending.presses += is_pressed
        sending.pressed_at = time.monotonic()

    async def _look_elsewhere(self, box: ElementHandle, prompt: str) -> None:
        """Look elsewhere, once in a turn, for a send button that does not appear; the next attempt presses it."""
        sending, now = self.sending, time.monotonic()
        sending.unseen_at = sending.unseen_at or now
        if now >= sending.unseen_at + PATIENCE:
            sending.unseen_at = math.inf
            await self._find_send_button(box, prompt)

    async def _find_send_button(self, box: ElementHandle, text: str) -> None:
        await self._moved.find_send_button(box, lambda: self._box.clear(box), lambda: self._box.fill(box, text))

    async def look_for_send_button(self) -> None:
        """Put a word into the box, since some buttons appear only then, look for the send button, and clear the box."""
        button = self._composer.send_button
        if not button or (box := await self._page.find(self._composer.box)) is None:
            return
        async with held(box):
            await self._box.fill(box, PROBE)
            if not await self._page.wait_for(button, QUICK):
                await self._find_send_button(box, PROBE)
            await self._box.clear(box)

    async def stop(self) -> bool:
        """Press the stop button, where the site file says or elsewhere; tell whether there was one.

        If this page has shown it before and it is missing now, the answer is over.
        """
        button, field = self._composer.stop_button, "composer.stop_button"
        if not button:
            return False
        if await waited(lambda: self._page.click(button, field=field), QUICK):
            return True
        if field in self._page.found:
            return False
        if await self._moved.find_stop_button() and await self._page.click(button, field=field):
            return True
        self._moved.note_missing(field)
        return False
