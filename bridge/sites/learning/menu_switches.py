"""Finds the switches in a menu beside the page's text box, and opens that menu again."""

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
"""Milliseconds that a clicked control or menu has to show an effect."""


class Way(NamedTuple):
    """How to open and close the menu of a switch; `open` is empty for a switch outside menus."""

    open: tuple[str, ...] = ()
    close: Literal["", "escape", "trigger"] = ""


class MenuSwitches:
    """The menus of one page."""

    def __init__(self, watch: PageWatch, page: PageElements) -> None:
        self._watch, self._page = watch, page

    async def find(self, name: str) -> tuple[Control, tuple[str, ...]] | None:
        """Open the menus beside the text box until one has the switch; return it, and the selectors of its menu."""
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
        """Close the open menu, and return the way to it; an empty one if the menu does not close."""
        if await self._is_closed_by_escape(selectors):
            return Way(trigger, "escape")
        await self._page.click(trigger)
        return Way(trigger, "trigger") if await waited(lambda: self._is_gone(selectors), EFFECT) else Way()

    async def show(self, way: Way, selectors: Sequence[str]) -> None:
        """Open the menu of a switch, unless the page shows the switch already."""
        if way.open and not await self._page.has(selectors):
            await self._page.click(way.open)
            await self._page.wait_for(selectors, EFFECT)

    async def close(self, way: Way, selectors: Sequence[str]) -> None:
        """Close the menu of a switch, if the page shows the switch."""
        if await self._page.has(selectors):
            await close_menu(self._page, way.open, way.close, selectors)

    async def _is_closed_by_escape(self, selectors: Sequence[str]) -> bool:
        await self._page.press("Escape")
        return bool(await waited(lambda: self._is_gone(selectors), EFFECT))

    async def _is_gone(self, selectors: Sequence[str]) -> bool:
        return not await self._page.has(selectors)
