"""Finds the switches of a page that stand in a menu beside its text box, and brings them up again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bridge.sites.guarded_page import held
from bridge.sites.learning.control_rules import openers, switches_in_menu
from bridge.sites.learning.observation import Control
from bridge.sites.learning.page_watch import PageWatch
from bridge.sites.site_file.page_elements import PageElements, waited
from bridge.sites.site_file.page_menus import close_menu

EFFECT = 1_500
"""Milliseconds until a control or a menu that was clicked shows it."""


class Way(NamedTuple):
    """How the menu is opened and closed in which a switch stands; without `open` it stands in none."""

    open: tuple[str, ...] = ()
    close: Literal["", "escape", "trigger"] = ""


class MenuSwitches:
    """The menus of one page."""

    def __init__(self, watch: PageWatch, page: PageElements) -> None:
        self._watch, self._page = watch, page

    async def find(self, name: str) -> tuple[Control, tuple[str, ...]] | None:
        """Open the menus beside the text box until one has the switch; return it, and what has opened its menu."""
        for menu in openers(await self._watch.menus()):
            if (element := await self._watch.element("control", menu.button.number)) is None:
                continue
            async with held(element):
                trigger = (await self._watch.lasting(element))[:1]
            known = {one.button.number for one in await self._watch.switches()}
            if not trigger or not await self._page.click(trigger):
                continue

            async def look(known: set[int] = known) -> Control | None:
                return switches_in_menu(await self._watch.switches(), known).get(name)

            if (control := await waited(look, EFFECT)) is not None:
                return control, trigger
            await self._page.press("Escape")
        return None

    async def way(self, trigger: tuple[str, ...], selectors: Sequence[str]) -> Way:
        """Close the open menu, and return how that is done; without a way where it stays open."""
        if await self._is_closed_by_escape(selectors):
            return Way(trigger, "escape")
        await self._page.click(trigger)
        return Way(trigger, "trigger") if await waited(lambda: self._is_gone(selectors), EFFECT) else Way()

    async def bring_up(self, way: Way, selectors: Sequence[str]) -> None:
        """Open the menu of a switch, unless the page shows it."""
        if way.open and not await self._page.has(selectors):
            await self._page.click(way.open)
            await self._page.wait_for(selectors, EFFECT)

    async def close(self, way: Way, selectors: Sequence[str]) -> None:
        """Close the menu of a switch."""
        if await self._page.has(selectors):
            await close_menu(self._page, way.open, way.close, selectors)

    async def _is_closed_by_escape(self, selectors: Sequence[str]) -> bool:
        await self._page.press("Escape")
        return bool(await waited(lambda: self._is_gone(selectors), EFFECT))

    async def _is_gone(self, selectors: Sequence[str]) -> bool:
        return not await self._page.has(selectors)
