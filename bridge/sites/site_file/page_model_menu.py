"""Chooses a model in the page's menu; an entry is known by its whole name, since one may begin like another."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.async_api import ElementHandle

from bridge.errors import SiteChanged
from bridge.sites.guarded_page import QUICK, held
from bridge.sites.site_file.page_elements import COVERED, VISIBLE, PageElements, filled, waited
from bridge.sites.site_file.page_menus import close_menu, open_menu
from bridge.sites.site_file.page_schema import Menu
from bridge.sites.site_file.page_switches import shows

MODEL = "{model}"
MOST = 100
"""Entries of a menu that are looked at."""


class PageModelMenu:
    """The page's choice of a model."""

    def __init__(self, page: PageElements, menu: Menu) -> None:
        self._page = page
        self._menu = menu

    async def choose(self, name: str) -> bool:
        """Choose the model that the page calls `name`; tell whether anything was clicked. Raises `SiteChanged`."""
        if await self._is_chosen(name):
            return False
        entries = tuple(filled(entry, {"model": name}) for entry in self._menu.entry)
        await open_menu(self._page, self._menu.open, entries, "model_menu")
        try:
            is_clicked = await self._choose(name, entries)
        finally:
            await close_menu(self._page, self._menu.open, self._menu.close, entries)
        if self._menu.shown_by and not await waited(lambda: self._is_chosen(name), QUICK):
            raise SiteChanged(f"The page's menu does not take the model '{name}'.")
        return is_clicked

    async def _is_chosen(self, name: str) -> bool:
        texts = await self._page.texts(self._menu.shown_by)
        return any(ends_with(text, name) for text in texts)

    async def _choose(self, name: str, entries: Sequence[str]) -> bool:
        """Click the entry of that name: the only one that a selector with `{model}` finds, else the one by its text."""
        names: list[str] = []
        is_covered = False
        for selector, raw in zip(entries, self._menu.entry, strict=True):
            elements = (await self._page.page.query_selector_all(selector + VISIBLE))[:MOST]
            is_sure = MODEL in raw and len(elements) == 1
            for element in elements:
                async with held(element):
                    names.append(await self._name_of(element))
                    if is_sure or names[-1] == name:
                        if (is_clicked := await self._click(element)) is not None:
                            return is_clicked
                        is_covered = True
        if is_covered:
            raise SiteChanged(f"The page's menu has the model '{name}', but something lies over it. {COVERED}")
        raise SiteChanged(
            f"The page's menu has no model '{name}'; it has {', '.join(names) or 'no entry that is seen'}."
        )

    async def _click(self, element: ElementHandle) -> bool | None:
        """Tell whether the entry was clicked, or was chosen already; None where something lies over it."""
        if self._menu.state is not None and await shows(self._page, element, self._menu.state):
            return False
        return await self._page.click_element(element) or None

    async def _name_of(self, element: ElementHandle) -> str:
        """Return the name of an entry: the text of its part that holds it, or all of it."""
        if not self._menu.name:
            return await self._page.text_of(element)
        if (part := await element.query_selector(self._menu.name)) is None:
            return ""
        async with held(part):
            return await self._page.text_of(part)


def ends_with(text: str, name: str) -> bool:
    """Tell whether a text is a name, or ends with it as a word of its own."""
    before = text[: -len(name)] if text.endswith(name) else None
    return before is not None and (not before or (not before[-1].isalnum() and before[-1] not in "-._"))
