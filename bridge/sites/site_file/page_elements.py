"""Finds the elements that a site file names, and clicks them with the mouse.

A selector is Playwright's, so it reaches into open shadow roots; only its visible matches count, because pages keep
hidden twins of their controls. A selector may contain `{name}`, a placeholder for text that is known only at run time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from loguru import logger
from playwright.async_api import ElementHandle
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.errors import SetupError, SiteChanged
from bridge.printable import as_line
from bridge.sites.guarded_page import QUICK, GuardedPage, held, retried
from bridge.sites.site_file.click_spot import spot_of

VISIBLE = " >> visible=true"
LOOK_EVERY = 0.05
"""The shortest pause between two checks of a page, in seconds."""
LONGEST_PAUSE = 0.25
"""The longest pause, in seconds."""
WAITED_SHARE = 0.1
"""The pause as a share of the time waited so far, within these bounds: a page that is late anyway is checked less
often, since each check costs processor time here and in the page."""
LONGEST_TEXT = 2_000
"""Characters of an element's text that are read."""
HOVERS = 3
"""How often the mouse is moved over an element: a menu that is still moving ignores the first time."""
HOVER_LIMIT = 700
"""Milliseconds that an element has to show its menu on hover."""
COVER_LIMIT = QUICK / 4
"""Milliseconds in which a cover over an element may disappear before the click is given up."""
MOST_TWINS = 20
"""The most elements of one selector that are tried if the first is covered."""
NO_SELECTOR = re.compile(r"while parsing|Unknown engine|Unexpected token|is not a valid selector", re.IGNORECASE)
ADVICE = "If the page has changed, `bridge sites heal` shows what has moved, and `bridge learn` describes it again."
"""What to do about a control that is not there."""
COVERED = "If that is a message or an advertisement, a [[dialogs]] of the site file closes it."
"""What to do about a control that is covered."""
TEXT = "(element, most) => (element.innerText || element.textContent || '').slice(0, most)"

T = TypeVar("T")
Names = Mapping[str, str]
NO_NAMES: Names = {}


class Located(NamedTuple):
    """A visible element, which the caller must dispose of (`held`), and the selector that found it."""

    element: ElementHandle
    selector: str
    has_moved: bool = False
    """Whether the selector is a replacement, not one of the site file."""


class PageElements(GuardedPage):
    """The elements of one page of the site; `found` maps fields to the selector that last found their control."""

    def __init__(self, page: Any, origin: str) -> None:
        super().__init__(page, origin)
        self.found: dict[str, str] = {}
        self.moved: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Replacement selectors of moved controls, by those of the site file, after which they are tried."""
        self._covered: dict[tuple[str, ...], str] = {}
        """What covered all elements of the selectors at the last attempt to click them."""

    async def find(self, selectors: Sequence[str], names: Names = NO_NAMES, *, field: str = "") -> ElementHandle | None:
        """Return the first visible element of the first selector that has one, or None; the caller disposes of it."""
        located = await self._locate(selectors, names, field)
        return located.element if located else None

    async def _locate(self, selectors: Sequence[str], names: Names = NO_NAMES, field: str = "") -> Located | None:
        for selector in selectors:
            if (element := await self._query(filled(selector, names) + VISIBLE)) is not None:
                return self._note(field, Located(element, selector))
        for selector in self.moved.get(tuple(selectors), ()):
            if (only := await self._query_only(selector + VISIBLE)) is not None:
                return self._note(field, Located(only, selector, has_moved=True))
        return None

    async def has(self, selectors: Sequence[str], names: Names = NO_NAMES, *, field: str = "") -> bool:
        """Tell whether one of the selectors has a visible element."""
        if (element := await self.find(selectors, names, field=field)) is None:
            return False
        async with held(element):
            return True

    async def found_by(self, selectors: Sequence[str]) -> str:
        """Return the selector by which `find` finds an element; an empty text if there is none."""
        if (located := await self._locate(selectors)) is None:
            return ""
        async with held(located.element):
            return located.selector

    async def count(self, selectors: Sequence[str]) -> int:
        """Return the number of elements of the first selector that has any."""
        for selector in selectors:
            if number := await retried(lambda chosen=selector: self.page.locator(chosen).count()):  # type: ignore[misc]
                return int(number)
        return 0

    async def texts(self, selectors: Sequence[str]) -> list[str]:
        """Return the texts of all visible elements of the selectors, each on one line and bounded."""
        found: list[str] = []
        for selector in selectors:
            for element in await self._query_all(selector + VISIBLE):
                async with held(element):
                    with suppress(PlaywrightError):  # it went away meanwhile
                        found.append(await self.text_of(element))
        return [text for text in found if text]

    async def text_of(self, element: ElementHandle) -> str:
        """Return the text of an element on one line."""
        return as_line(" ".join(str(await element.evaluate(TEXT, LONGEST_TEXT)).split()))

    async def wait_for(self, selectors: Sequence[str], limit: float, names: Names = NO_NAMES) -> bool:
        """Wait until one of the selectors has a visible element; tell whether one appeared in `limit` milliseconds."""
        return bool(await waited(lambda: self.has(selectors, names), limit))

    async def click(self, selectors: Sequence[str], names: Names = NO_NAMES, *, field: str = "") -> bool:
        """Click the first visible element of the selectors that is not covered; tell whether there was one."""
        return await retried(lambda: self._click(selectors, names, field))

    async def click_required(self, selectors: Sequence[str], field: str, names: Names = NO_NAMES) -> None:
        """Click an element, which may still have to appear; else raise a `SiteChanged` that names the field."""
        if not await waited(lambda: self.click(selectors, names, field=field), QUICK):
            raise self.not_clicked(field, selectors)

    def not_clicked(self, field: str, selectors: Sequence[str]) -> SiteChanged:
        """Return the error of a control that was not clicked, because it is covered or missing."""
        if (over := self.cover_of(selectors)) is None:
            return lacking(field, selectors)
        where = f"is covered by {over}" if over else "is outside the window"
        return SiteChanged(f"The page's control '{field}' {where}, and was not clicked. {COVERED}")

    def cover_of(self, selectors: Sequence[str]) -> str | None:
        """Return what covered the control at the last attempt to click it; None if it was clicked or missing."""
        return self._covered.get(tuple(selectors))

    async def _click(self, selectors: Sequence[str], names: Names, field: str) -> bool:
        self._covered.pop(tuple(selectors), None)
        if (located := await self._locate(selectors, names, field)) is None:
            return False
        async with held(located.element):
            if await self._click_clear(located.element):
                return True
            if located.has_moved:  # any other match may be another control
                return False
            if await self._click_twin(selectors, names, field) or await self._click_patiently(located.element):
                return True
            self._covered[tuple(selectors)] = (await spot_of(located.element, self.origin)).over
        return False

    async def _click_twin(self, selectors: Sequence[str], names: Names, field: str) -> bool:
        """Click the first of all matching elements that is not covered; tell whether there is one."""
        for selector in selectors:
            is_clicked = False
            for number, element in enumerate(await self._query_all(filled(selector, names) + VISIBLE)):
                async with held(element):
                    is_clicked = is_clicked or (number < MOST_TWINS and await self._click_clear(element))
            if is_clicked:
                self._found_by(field, selector)
                return True
        return False

    async def click_element(self, element: ElementHandle) -> bool:
        """Click an element as soon as it is not covered; tell whether it was clicked in time."""
        return await self._click_clear(element) or await self._click_patiently(element)

    async def _click_patiently(self, element: ElementHandle) -> bool:
        """Click through Playwright, which waits until the element is not covered and clicks nothing else."""
        self.require_site()
        try:
            await element.click(timeout=COVER_LIMIT)
        except PlaywrightTimeout:
            return await self._click_clear(element)  # if it is only disabled, a click reaches it without effect
        return True

    async def _click_clear(self, element: ElementHandle) -> bool:
        """Click the middle of an element unless that is covered; tell whether it was clicked."""
        spot = await spot_of(element, self.origin)
        if spot.is_clear:
            await self.click_at(spot.x, spot.y)
        return spot.is_clear

    async def hover(self, selectors: Sequence[str], shows: Callable[[], Awaitable[bool]]) -> bool:
        """Hover over an element until `shows` returns true; tell whether it did."""
        for _ in range(HOVERS):
            if (element := await self.find(selectors)) is None:
                return False
            async with held(element):
                self.require_site()
                with suppress(PlaywrightTimeout):
                    await element.hover(timeout=QUICK / 2)
            if await waited(shows, HOVER_LIMIT):
                return True
            await self.page.mouse.move(0, 0)
        return False

    async def stored(self, key: str) -> str:
        """Return an item of localStorage, empty if there is none."""
        script = "([origin, key]) => location.origin === origin ? localStorage.getItem(key) : null"
        return str(await retried(lambda: self.page.evaluate(script, [self.origin, key])) or "")

    async def query(self, selector: str) -> ElementHandle | None:
        """Return the first element of a selector, visible or not."""
        return await self._query(selector)

    async def _query(self, selector: str) -> ElementHandle | None:
        return await retried(lambda: _explained(self.page.query_selector(selector), selector))

    async def _query_all(self, selector: str) -> list[ElementHandle]:
        return await retried(lambda: _explained(self.page.query_selector_all(selector), selector))

    async def _query_only(self, selector: str) -> ElementHandle | None:
        """Return the element of a selector if it has exactly one."""
        found = await self._query_all(selector)
        if len(found) == 1:
            return found[0]
        for element in found:
            async with held(element):
                pass
        return None

    def _note(self, field: str, located: Located) -> Located:
        self._found_by(field, located.selector)
        return located

    def _found_by(self, field: str, selector: str) -> None:
        if field and self.found.get(field) != selector:
            self.found[field] = selector
            logger.debug("The page's {} was found by {}", field, selector)


async def waited(look: Callable[[], Awaitable[T]], limit: float) -> T | None:
    """Return the result of `look` as soon as it is truthy; None after `limit` milliseconds."""
    begun = time.monotonic()
    while not (found := await look()):
        taken = time.monotonic() - begun
        if taken > limit / 1000:
            return None
        await asyncio.sleep(min(max(LOOK_EVERY, taken * WAITED_SHARE), LONGEST_PAUSE))
    return found


def filled(selector: str, names: Names) -> str:
    """Return a selector with each `{name}` replaced; the text is escaped for use within quotes."""
    for name, text in names.items():
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
        selector = selector.replace(f"{{{name}}}", "".join(quoted.splitlines()))
    return selector


def lacking(field: str, selectors: Sequence[str]) -> SiteChanged:
    """Return the error of a page without any of a field's elements."""
    looked_for = as_line(" | ".join(selectors))
    return SiteChanged(f"The page's control '{field}' was not found (looked for {looked_for}). {ADVICE}")


async def _explained(asked: Awaitable[T], selector: str) -> T:
    try:
        return await asked
    except PlaywrightError as error:
        if NO_SELECTOR.search(str(error)):
            shown = as_line(selector.removesuffix(VISIBLE))
            raise SetupError(f"The site file has a selector that the browser cannot read: {shown}") from error
        raise
