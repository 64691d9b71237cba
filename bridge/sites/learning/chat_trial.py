"""Chats on a page without a site file, and records the text box, what sends, and what appears and disappears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from playwright.async_api import ElementHandle, Page
from playwright.async_api import Error as PlaywrightError

from bridge.errors import SiteChanged, SiteTimeout
from bridge.sites.guarded_page import held
from bridge.sites.learning.canary import Canary
from bridge.sites.learning.control_search import (
    AFTER,
    BEFORE,
    BUSY,
    MOST_STOPS,
    TYPED,
    UNSURE,
    closes,
    message_selectors,
    send_buttons,
    stop_selectors,
)
from bridge.sites.learning.letters import letters
from bridge.sites.learning.network_watch import NetworkWatch
from bridge.sites.learning.observation import SeenTurn
from bridge.sites.learning.page_watch import PageWatch, element_of
from bridge.sites.learning.selectors import is_weak, selectors
from bridge.sites.learning.text_boxes import text_boxes
from bridge.sites.site_file.composer_box import ComposerBox, Filling
from bridge.sites.site_file.page_elements import PageElements

BOX_LIMIT = 20.0
"""Seconds that a page has to show a text box."""
SEND_LIMIT = 4.0
"""Seconds until a sent prompt is seen in the network."""
FIRST_LIMIT = 60.0
ANSWER_LIMIT = 240.0
QUIET = 2.5
"""Seconds without a change of the page's text, and without data, after which an answer counts as over."""
QUIET_STOPPED = 1.0
"""The same if the known stop button is gone."""
SILENT = 8.0
"""Seconds without a change of the page's text after which it counts as over, whatever the network receives."""
LOOK_EVERY = 0.15
LEAST = 10
"""The least number of letters in an answer."""
MOST_DIALOGS = 4
CLOSERS = "button, [role=button], a, [class*=close i]"
FILLINGS: tuple[Filling, ...] = ("auto", "paste", "value")


@dataclass(slots=True)
class Learned:
    """What was learned about the page so far."""

    box: tuple[str, ...] = ()
    filling: Filling = "auto"
    sends_by_enter: bool | None = None
    send_button: tuple[str, ...] = ()
    dialogs: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Selectors of each dialog that covered the page, and of what closed it."""
    stops: list[str] = field(default_factory=list)
    """Selectors of what was there only while the site answered, in at least one turn."""
    stop_button: tuple[str, ...] = ()
    messages: dict[str, list[int]] = field(default_factory=dict)
    """Selectors that may match messages, and the number of matches after each turn."""


class ChatTrial:
    """One page, operated by mouse and keyboard; `turns` and `learned` hold the results."""

    def __init__(
        self, page: Page, origin: str, network: NetworkWatch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.watch = PageWatch(page, origin)
        self.elements = PageElements(page, origin)
        self.turns: list[SeenTurn] = []
        self.learned = Learned()
        self._network = network
        self._clock = clock

    async def wait_for_box(self, limit: float = BOX_LIMIT) -> ElementHandle | None:
        """Return the text box as soon as there is one and the page is quiet; None if none appears."""
        end = self._clock() + limit
        while self._clock() < end:
            if float(await self.watch.ask("quiet") or 0.0) > 0.6 and (box := await self._box()) is not None:
                return box
            await asyncio.sleep(LOOK_EVERY)
        return await self._box()

    async def chat(self, canary: Canary) -> None:
        """Type a prompt, send it, and record the turn until the page is quiet."""
        box = await self.wait_for_box()
        if box is None:
            raise SiteChanged("The page has no text box for a prompt.")
        async with held(box):
            await self._know(box)
            began, before = self._clock(), self.watch.page.url
            await self._fill(box, canary.prompt)
            await self._mark(TYPED)
            await asyncio.sleep(3 * LOOK_EVERY)
            await self._mark(TYPED)
            for _ in range(MOST_DIALOGS):
                if await self._send(box, canary):
                    break
                if not await self._close_dialog():
                    raise SiteChanged(
                        "Neither Enter nor any button sent the prompt. Some pages send nothing before you sign in."
                    )
        await self.finish(canary, began, before)

    def other_fillings(self) -> list[Filling]:
        """Return the ways to fill the text box other than the current one."""
        return [one for one in FILLINGS if one != self.learned.filling]

    async def notice_typing(self, canary: Canary) -> bool:
        """Learn the text box into which a person has typed the prompt; tell whether one holds it."""
        box = await self.watch.element("holding", canary.nonce)
        if box is None:
            return False
        async with held(box):
            await self._know(box)
        await self._mark(TYPED, UNSURE)
        return True

    async def notice_sending(self) -> None:
        """Learn how a person has just sent the prompt."""
        by = await self.watch.ask("sender")
        await self._mark(BUSY)
        self.learned.sends_by_enter = by == "enter" if by else None
        if isinstance(by, dict):
            fitting = [one for one in selectors(element_of(by)) if await self.watch.page.locator(one).count() == 1]
            self.learned.send_button = tuple(fitting[:3])

    async def shows_nothing(self) -> bool:
        """Count the possible messages; tell whether there are none."""
        await self._note_messages()
        steady = [counts for counts in self.learned.messages.values() if counts[0] > 0]
        return not steady or any(counts[-1] == 0 for counts in steady)

    async def finish(self, canary: Canary, began: float, before: str) -> None:
        """Wait for the end of an answer, and record the turn."""
        await self._answered(canary)
        await self._mark(AFTER)
        looks = await self.watch.looks()
        visible = str(await self.watch.ask("answer", canary.prompt, canary.wanted) or "")
        calls = self._network.calls()
        self.turns.append(SeenTurn(canary.prompt, began, calls, visible, canary.wanted, before, self.watch.page.url))
        await self._note_messages()
        await self._note_stops(stop_selectors(looks, len(self.turns)))

    async def _mark(self, *phases: str) -> None:
        await self.watch.mark(len(self.turns) + 1, *phases)

    async def _box(self) -> ElementHandle | None:
        """Return the likeliest text box: the known one, else the lowest of the large ones."""
        if self.learned.box:
            return await self.elements.find(self.learned.box)
        return next((box.handle for box in await text_boxes(self.watch)), None)

    async def _know(self, box: ElementHandle) -> None:
        """Learn the selectors of the text box, and begin to watch around it."""
        if not self.learned.box:
            self.learned.box = await self.watch.lasting(box)
        await self.watch.ask("useBox", box)
        await self.watch.ask("remember")
        await self._mark(BEFORE)

    async def _fill(self, box: ElementHandle, prompt: str) -> None:
        ways = dict.fromkeys((self.learned.filling, *FILLINGS))
        for filling in ways:
            seen = await ComposerBox(self.elements, filling).fill(box, prompt)
            if seen["is"] == "there":
                self.learned.filling = filling
                return
        raise SiteChanged("The page's text box does not keep the inserted text.")

    async def _send(self, box: ElementHandle, canary: Canary) -> bool:
        """Press Enter, then click likely send buttons until the page sends the prompt; tell whether it did."""
        began = self._clock()
        buttons = send_buttons(await self.watch.looks())
        known = await self._button_selectors([look.number for look in buttons])
        await self._mark(BUSY)
        if self.learned.sends_by_enter is not False:
            await box.focus()
            await self.elements.press("Enter")
            self.learned.sends_by_enter = await self._is_sent(canary, began)
            if self.learned.sends_by_enter:
                self.learned.send_button = self.learned.send_button or (known[0] if known else ())
                return True
            await self._fill(box, canary.prompt)
        for button in [self.learned.send_button, *known]:
            if button and await self.elements.click(button) and await self._is_sent(canary, began):
                self.learned.send_button = button
                return True
        return False

    async def _close_dialog(self) -> bool:
        """Close what covers the page by a button named so; tell whether there was one."""
        if (dialog := await self.watch.element("overlay")) is None:
            return False
        async with held(dialog):
            selectors = await self.watch.lasting(dialog)
            for button in (await dialog.query_selector_all(CLOSERS))[:20]:
                if closes(await self.watch.described(button)) and selectors:
                    closers = await self.watch.lasting(button)
                    if await self.elements.click_element(button):
                        self.learned.dialogs.append((selectors[0], closers))
                        return True
        return False

    async def _button_selectors(self, numbers: Sequence[int]) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for number in numbers:
            if (element := await self.watch.element("element", number)) is not None:
                async with held(element):
                    found.append(await self.watch.lasting(element))
        return [one for one in found if one]

    async def _is_sent(self, canary: Canary, since: float) -> bool:
        end = self._clock() + SEND_LIMIT
        while not self.is_sent(canary, since):
            if self._clock() > end:
                return False
            await asyncio.sleep(LOOK_EVERY / 3)
        return True

    def is_sent(self, canary: Canary, since: float) -> bool:
        """Tell whether a request contained the prompt."""
        return self._network.has_sent(canary.nonce.encode(), since)

    async def _answered(self, canary: Canary) -> None:
        """Wait until the answer is over; raise `SiteTimeout` after `ANSWER_LIMIT` seconds."""
        began = changed = self._clock()
        length = -1
        while True:
            await self.watch.looks()  # collected now, because the page may reload before the end
            now, current = self._clock(), int(await self.watch.ask("length") or 0)
            if current != length:
                length, changed = current, now
            since = now - max(changed, self._network.last_data)
            quiet = since > QUIET or now - changed > SILENT or (since > QUIET_STOPPED and await self._has_stopped())
            if quiet and (now - began > FIRST_LIMIT or await self._has_answer(canary)):
                return
            if now - began > ANSWER_LIMIT:
                raise SiteTimeout(f"The page did not finish its answer within {ANSWER_LIMIT:g} seconds.")
            await asyncio.sleep(LOOK_EVERY)

    async def _has_stopped(self) -> bool:
        """Tell whether the stop button is known, and is gone."""
        known = self.learned.stop_button
        return bool(known) and not any([await self.watch.count(one) for one in known])

    async def _has_answer(self, canary: Canary) -> bool:
        return len(letters(str(await self.watch.ask("answer", canary.prompt, canary.wanted) or ""))) >= LEAST

    async def _note_messages(self) -> None:
        """Count the possible messages; a selector that matches all of them has twice as many after the second turn."""
        if not self.learned.messages:
            chains = [[element_of(one) for one in chain] for chain in await self.watch.ask("messages") or []]
            self.learned.messages = {one: [] for one in message_selectors(chains)}
        for selector, counts in self.learned.messages.items():
            counts.append(await self.watch.page.locator(selector).count())

    async def _note_stops(self, found: Sequence[str]) -> None:
        """Choose as the stop button what was there only during the answer, in this turn and in an earlier one."""
        if self.learned.stop_button:
            return
        again = [one for one in found if one in self.learned.stops and await self.watch.count(one) == 0]
        if again:
            self.learned.stop_button = tuple([one for one in again if not is_weak(one)][:3] or again[:1])
        self.learned.stops = list(dict.fromkeys([*found, *self.learned.stops]))[:MOST_STOPS]


async def loaded(page: Page, url: str, limit: float) -> None:
    """Load a page and wait until its network is idle, at most five seconds."""
    await page.goto(url, wait_until="domcontentloaded", timeout=limit * 1000)
    try:
        await page.wait_for_load_state("networkidle", timeout=5_000)
    except PlaywrightError:
        return
