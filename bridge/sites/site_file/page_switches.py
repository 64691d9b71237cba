"""Sets the page's switches for thinking and search, and reads each back, since a click may be lost."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.async_api import ElementHandle

from bridge.errors import SiteChanged
from bridge.sites.guarded_page import QUICK, held, retried
from bridge.sites.site_file.moved_controls import MovedControls
from bridge.sites.site_file.page_elements import NO_NAMES, Names, PageElements, waited
from bridge.sites.site_file.page_menus import close_menu, open_menu
from bridge.sites.site_file.page_schema import State, Switch

TURNS = 2
"""Attempts for each switch: a page that is still loading may ignore the first click, or undo it."""


class PageSwitch:
    """One switch of the page."""

    def __init__(self, page: PageElements, name: str, switch: Switch, moved: MovedControls) -> None:
        self._page = page
        self._moved = moved
        self._name = name
        self._switch = switch
        self._shown_by = switch.shown_by or switch.control or switch.on

    async def set(self, wanted: bool) -> None:
        """Set the switch; a missing one matters only if it must be on, since the request is checked as well."""
        for _ in range(TURNS):
            if await self.is_on() is wanted:
                return
            is_there = await self._turn(wanted)
            if not is_there and not wanted:
                return
            if await waited(lambda: self._is_set(wanted), QUICK):
                return
        if wanted:
            raise SiteChanged(f"The page's switch '{self._name}' is not on after it was turned on {TURNS} times.")

    async def is_on(self) -> bool | None:
        """Return whether the switch is on; None if the page does not show it now."""
        return await state_of(self._page, self._switch.state, self._shown_by)

    async def _is_set(self, wanted: bool) -> bool:
        return await self.is_on() in (wanted, None)

    async def _turn(self, wanted: bool) -> bool:
        """Click the switch, or the entry of its menu; tell whether it is there."""
        switch = self._switch
        target = switch.control or (switch.on if wanted else switch.off)
        if switch.open:
            await open_menu(self._page, switch.open, target, self._name)
        try:
            if switch.control and await self.is_on() is wanted:  # the opened menu shows that it is set already
                return True
            if wanted:
                return await self._click(target)
            return await self._page.click(target)
        finally:
            await close_menu(self._page, switch.open, switch.close, target)

    async def _click(self, target: Sequence[str]) -> bool:
        """Click a required element; if it has moved, click it there unless it is on already; raise if it is missing."""
        if await waited(lambda: self._page.click(target), QUICK):
            return True
        is_covered = self._page.cover_of(target) is not None
        if is_covered or not await self._moved.find_switch(self._name, self._switch):
            raise self._page.not_clicked(f"{self._name}.{'control' if self._switch.control else 'on'}", target)
        return await self.is_on() is True or await self._page.click(target)


async def state_of(page: PageElements, state: State, shown_by: Sequence[str], names: Names = NO_NAMES) -> bool | None:
    """Return whether an element, or an item of localStorage, shows the state on; None if it is not there."""
    if state.storage is not None:
        return await page.stored(state.storage) == state.on

    async def look() -> bool | None:
        if (element := await page.find(shown_by, names)) is None:
            return False if state.present else None
        async with held(element):
            return await shows(page, element, state)

    return await retried(look)


async def shows(page: PageElements, element: ElementHandle, state: State) -> bool:
    """Tell whether an element shows the state on."""
    if state.present is not None:
        return state.present
    if state.attribute is not None:
        return await element.get_attribute(state.attribute) == state.on
    if state.has_class is not None:
        return state.has_class in (await element.get_attribute("class") or "").split()
    return re.search(state.text or "", await page.text_of(element)) is not None
