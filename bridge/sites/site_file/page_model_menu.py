"""Chooses a model in the page's menu; an entry is matched by its whole name, since one may begin like another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playwright.async_api import ElementHandle

from bridge.errors import SiteChanged
from bridge.sites.guarded_page import QUICK, held, retried
from bridge.sites.site_file.native_list import native_list, set_native_list
from bridge.sites.site_file.page_elements import COVERED, VISIBLE, PageElements, filled, lacking, waited
from bridge.sites.site_file.page_menus import close_menu, open_menu
from bridge.sites.site_file.page_schema import Menu
from bridge.sites.site_file.page_switches import shows

MODEL = "{model}"
MOST = 100
"""The most entries of a menu that are read."""


class PageModelMenu:
    """The page's choice of a model."""

    def __init__(self, page: PageElements, menu: Menu) -> None:
        self._page = page
        self._menu = menu

    async def choose(self, *wanted: str) -> bool:
        """Choose the model that the page calls one of `wanted`; tell whether anything was clicked.

        Raises `SiteChanged` if the menu has none of these names, or does not accept the choice.
        """
        if (is_set := await retried(lambda: self._set_native(wanted))) is not None:
            return is_set
        if await self._is_chosen(wanted):
            return False
        if not self._menu.entry:
            raise lacking("model_menu.entry", self._menu.open)
        entries = {filled(raw, {"model": name}): raw for name in wanted for raw in self._menu.entry}
        await open_menu(self._page, self._menu.open, tuple(entries), "model_menu")
        try:
            is_clicked = await self._choose(wanted, entries)
        finally:
            await close_menu(self._page, self._menu.open, self._menu.close, tuple(entries))
        if self._menu.shown_by and not await waited(lambda: self._is_chosen(wanted), QUICK):
            raise SiteChanged(f"The page's menu does not accept the model {_quoted(wanted)}.")
        return is_clicked

    async def _set_native(self, wanted: Sequence[str]) -> bool | None:
        """Choose the model in a native list; tell whether the choice changed; None if the menu is not a native list."""
        if (element := await self._page.find(self._menu.open, field="model_menu.open")) is None:
            return None
        async with held(element):
            if (found := await native_list(element)) is None:
                return None
            if found.chosen in wanted:
                return False
            name = next((name for name in wanted if name in found.names), None)
            if name is None:
                there = ", ".join(filter(None, found.names)) or "no entry"
                raise SiteChanged(f"The page's menu has no model {_quoted(wanted)}; it has {there}.")
            self._page.require_site()
            await set_native_list(element, name, QUICK)
        return True

    async def _is_chosen(self, wanted: Sequence[str]) -> bool:
        texts = await self._page.texts(self._menu.shown_by)
        return any(ends_with(text, name) for text in texts for name in wanted)

    async def _choose(self, wanted: Sequence[str], entries: Mapping[str, str]) -> bool:
        """Click the model's entry: the only one that a selector with `{model}` finds, else the one with its name.

        `entries` maps selectors to the entries of the site file from which they were made.
        """
        names: list[str] = []
        is_covered = False
        for selector, raw in entries.items():
            elements = (await self._page.page.query_selector_all(selector + VISIBLE))[:MOST]
            is_sure = MODEL in raw and len(elements) == 1
            for element in elements:
                async with held(element):
                    names.append(await self._name_of(element))
                    if is_sure or names[-1] in wanted:
                        if (is_clicked := await self._click(element)) is not None:
                            return is_clicked
                        is_covered = True
        if is_covered:
            raise SiteChanged(f"The page's menu has the model {_quoted(wanted)}, but something covers it. {COVERED}")
        there = ", ".join(dict.fromkeys(names)) or "no visible entry"
        raise SiteChanged(f"The page's menu has no model {_quoted(wanted)}; it has {there}.")

    async def _click(self, element: ElementHandle) -> bool | None:
        """Click the entry unless it is chosen already; tell whether it was clicked; None if something covers it."""
        if self._menu.state is not None and await shows(self._page, element, self._menu.state):
            return False
        return await self._page.click_element(element) or None

    async def _name_of(self, element: ElementHandle) -> str:
        """Return the name of an entry: the text of its part `name`, or all of its text."""
        if not self._menu.name:
            return await self._page.text_of(element)
        if (part := await element.query_selector(self._menu.name)) is None:
            return ""
        async with held(part):
            return await self._page.text_of(part)


def _quoted(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def ends_with(text: str, name: str) -> bool:
    """Tell whether a text is the name, or ends with it as a separate word."""
    before = text[: -len(name)] if text.endswith(name) else None
    return before is not None and (not before or (not before[-1].isalnum() and before[-1] not in "-._"))
