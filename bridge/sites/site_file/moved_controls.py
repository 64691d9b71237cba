"""Finds controls that the selectors of a site file do not find: by role, by name, and by distance from the text box.

The result is kept as selectors, which `PageElements` tries after those of the file for as long as the page is open.
Nothing is clicked here, and every prompt is checked at the gate, whatever sent it. Nothing is guessed: if two text
boxes or buttons qualify, neither is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from loguru import logger
from playwright.async_api import ElementHandle

from bridge.printable import as_line
from bridge.sites.drift import Drift, MovedControl
from bridge.sites.guarded_page import QUICK, held
from bridge.sites.learning.moved_button_rules import begins_chat, is_specific, is_switch, sends, stops
from bridge.sites.learning.page_watch import PageWatch
from bridge.sites.learning.selectors import by_looks, is_weak, selectors
from bridge.sites.learning.text_boxes import text_boxes
from bridge.sites.site_file.page_elements import ADVICE, PageElements, waited
from bridge.sites.site_file.page_schema import Composer, Switch

ENABLING = 0.2
"""Seconds that a second button has to become enabled with the text as well."""
BY_ROLE, BY_NAME = "as the only text box for prompts", "by its name"
BY_TEXT = "by its name beside the text box, where a text enables it"


class MovedControls:
    """The moved controls of one page; `found` maps fields of the site file to them."""

    def __init__(self, page: PageElements, composer: Composer, drift: Drift) -> None:
        self._page = page
        self._composer = composer
        self._drift = drift
        self.found: dict[str, MovedControl] = {}
        self.missing: set[str] = set()
        """Fields of the site file whose control the last search did not find."""

    async def find_box(self) -> bool:
        """Look for the only text box for prompts; tell whether there is exactly one."""
        async with self._watch() as watch, AsyncExitStack() as stack:
            boxes = await text_boxes(watch)
            for box in boxes:
                await stack.enter_async_context(held(box.handle))
            fitting = [box.handle for box in boxes if box.takes_prompts]
            if len(fitting) != 1:
                return self._lacks("composer.box", len(fitting))
            tried = [one for one in await watch.lasting(fitting[0]) if not is_weak(one)]
            return self._keep("composer.box", self._composer.box, tried, BY_ROLE)

    async def find_send_button(
        self, box: ElementHandle, clear: Callable[[], Awaitable[object]], fill: Callable[[], Awaitable[object]]
    ) -> bool:
        """Look for the button that sends the text in the box: named so, and present or enabled only with a text.

        The text is removed from the box for that, and inserted again.
        """
        async with self._watch() as watch:
            await watch.ask("useBox", box)
            enabled = await waited(lambda: self._senders(watch), QUICK) or set()
            if not enabled:
                return self._lacks("composer.send_button", 0)
            await clear()
            was_disabled = await waited(lambda: self._fewer(watch, enabled), QUICK)
            without_text, documents = await self._senders(watch), watch.documents
            await fill()
            await waited(lambda: self._more(watch, without_text), QUICK)
            await asyncio.sleep(ENABLING)
            reenabled = (
                await self._more(watch, without_text) if was_disabled and watch.documents == documents else set()
            )
            return await self._keep_only(
                watch, "composer.send_button", self._composer.send_button, reenabled, BY_TEXT, "send"
            )

    async def find_stop_button(self) -> bool:
        """Look for the button that stops an answer; the site must be answering."""
        async with self._watch_box() as watch:
            found = {button.number for button in await watch.buttons() if stops(button)}
            wanted = self._composer.stop_button
            return await self._keep_only(watch, "composer.stop_button", wanted, found, BY_NAME, "stop")

    async def find_new_chat(self) -> bool:
        """Look for the button that begins a new chat."""
        async with self._watch_box() as watch:
            found = {button.number for button in await watch.buttons() if begins_chat(button, self._page.origin)}
            return await self._keep_only(watch, "composer.new_chat", self._composer.new_chat, found, BY_NAME)

    async def find_switch(self, name: str, switch: Switch) -> bool:
        """Look for a switch that shows its state as the site file says; one in a menu cannot be recognized."""
        attribute = switch.state.attribute
        if switch.open or not switch.control or attribute is None:
            return False
        async with self._watch_box() as watch:
            called = [button.number for button in await watch.buttons() if is_switch(button, name)]
            found = {number for number in called if await self._has_attribute(watch, number, attribute)}
            return await self._keep_only(watch, f"{name}.control", switch.control, found, BY_NAME)

    def note_missing(self, field: str) -> None:
        """Report a control that was not found and whose absence ends no chat."""
        self._drift.note("missing control", *field.split("."))
        logger.warning("The page's control {} was not found anywhere. {}", field, ADVICE)

    async def _senders(self, watch: PageWatch) -> set[int]:
        return {button.number for button in await watch.buttons() if sends(button)}

    async def _fewer(self, watch: PageWatch, enabled: set[int]) -> set[int]:
        return enabled - await self._senders(watch)

    async def _more(self, watch: PageWatch, without_text: set[int]) -> set[int]:
        return await self._senders(watch) - without_text

    async def _has_attribute(self, watch: PageWatch, number: int, name: str) -> bool:
        if (element := await watch.element("button", number)) is None:
            return False
        async with held(element):
            return await element.get_attribute(name) is not None

    async def _keep_only(
        self, watch: PageWatch, field: str, wanted: Sequence[str], found: Collection[int], by: str, kind: str = ""
    ) -> bool:
        """Keep the button that was found; tell whether there is exactly one, with selectors that match it alone."""
        element = await watch.element("button", *found) if len(found) == 1 else None
        if element is None:
            return self._lacks(field, len(found))
        async with held(element):
            said = replace(await watch.described(element), above=())
            tried = [one for one in (*selectors(said), *by_looks(said)) if is_specific(one, kind)]
            return self._keep(field, wanted, await watch.fitting(tried, element), by)

    def _lacks(self, field: str, number: int) -> bool:
        logger.debug("{} elements of the page may be its {}; exactly one is needed", number, field)
        self.missing.add(field)
        return False

    def _keep(self, field: str, wanted: Sequence[str], found: Sequence[str], by: str) -> bool:
        """Keep the selectors that were found for a field; tell whether there are any."""
        if not found:
            logger.debug("No lasting selector matches what may be the page's {}", field)
            self.missing.add(field)
            return False
        self.missing.discard(field)
        self._page.moved[tuple(wanted)] = tuple(found)
        self.found[field] = MovedControl(field, tuple(found), by)
        self._drift.note("moved control", *field.split("."))
        shown = as_line(" | ".join(found))
        logger.warning("The page's control {} has moved: found {} as {}; see `bridge sites heal`", field, by, shown)
        return True

    @asynccontextmanager
    async def _watch_box(self) -> AsyncGenerator[PageWatch]:
        """Open a watch that knows the page's text box, if there is one."""
        async with self._watch() as watch:
            if (box := await self._page.find(self._composer.box)) is not None:
                async with held(box):
                    await watch.ask("useBox", box)
                    yield watch
            else:
                yield watch

    @asynccontextmanager
    async def _watch(self) -> AsyncGenerator[PageWatch]:
        watch = PageWatch(self._page.page, self._page.origin)
        try:
            yield watch
        finally:
            await watch.end()
