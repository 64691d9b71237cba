"""Asks the script of `page_watch.js` in the page: what is clickable when, and what appeared as the answer.

The script is given to documents of the site's own origin only, and is asked there only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from playwright.async_api import ElementHandle, JSHandle, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import has_moved_on
from bridge.sites.guarded_page import held
from bridge.sites.learning.observation import Element
from bridge.sites.learning.selectors import is_weak, selectors

SCRIPT = files("bridge.sites.learning").joinpath("page_watch.js").read_text("utf-8").rstrip()
CALL = "([script, name, given]) => script.guard() ? script[name](...given) : null"
MOST_TRIED = 40
KEPT = 3
"""How many selectors of an element are kept."""
VISIBLE = " >> visible=true"


class Look(NamedTuple):
    """How something that can be clicked looked, and in which phases of the chat."""

    element: Element
    number: int
    """Tells elements apart: one may have several looks."""
    distance: int
    """Pixels from the text box."""
    is_disabled: bool
    phases: frozenset[str]


class PageWatch:
    """Watches one page of the site at `origin`; made anew for each document."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self._origin = origin
        self._script: JSHandle | None = None

    async def ask(self, name: str, *given: object) -> Any:
        """Call a function of the script; in a new document, where the page moved on meanwhile."""
        for _ in range(3):
            try:
                return await self.page.evaluate(CALL, [await self._known(), name, list(given)])
            except PlaywrightError as error:
                if not has_moved_on(error):
                    raise
                self._script = None
        return None

    async def element(self, name: str, *given: object) -> ElementHandle | None:
        """Return the element that a function of the script finds, to be `held`."""
        handle = await self.page.evaluate_handle(CALL, [await self._known(), name, list(given)])
        return handle.as_element()

    async def elements(self, name: str) -> list[ElementHandle]:
        """Return the elements that a function of the script finds."""
        handle = await self.page.evaluate_handle(CALL, [await self._known(), name, []])
        async with held(handle):
            found = await handle.get_properties()
        return [element for one in found.values() if (element := one.as_element())]

    async def described(self, element: ElementHandle) -> Element:
        """Return what can be said of an element."""
        return element_of(await self.page.evaluate(CALL, [await self._known(), "describe", [element]]))

    async def looks(self) -> list[Look]:
        """Return the looks of all that can be clicked."""
        found = await self.ask("looks") or []
        return [
            Look(element_of(one), one["number"], one["distance"], one["isDisabled"], frozenset(one["phases"]))
            for one in found
        ]

    async def lasting(self, element: ElementHandle) -> tuple[str, ...]:
        """Return the selectors that fit this element alone among the visible ones, the most lasting first."""
        fitting: list[str] = []
        for selector in selectors(await self.described(element))[:MOST_TRIED]:
            if len(fitting) < KEPT and await self.is_only(selector, element):
                fitting.append(selector)
        strong = [one for one in fitting if not is_weak(one)]
        return tuple(strong or fitting[:1])

    async def is_only(self, selector: str, element: ElementHandle) -> bool:
        """Tell whether a selector has one visible element, and that is this one."""
        found = await self.page.query_selector_all(selector + VISIBLE)
        return len(found) == 1 and bool(await found[0].evaluate("(one, other) => one === other", element))

    async def count(self, selector: str) -> int:
        """Return how many visible elements a selector has."""
        return len(await self.page.query_selector_all(selector + VISIBLE))

    async def _known(self) -> JSHandle:
        if self._script is None:
            self._script = await self.page.evaluate_handle(f"({SCRIPT})({self._origin!r})")
        return self._script


def element_of(said: Mapping[str, Any]) -> Element:
    """Return what the page said of an element."""
    above = tuple(element_of(one) for one in _list(said.get("above")))
    return Element(
        str(said["tag"]), str(said.get("id") or ""), tuple(map(str, _list(said.get("classes")))),
        {str(name): str(value) for name, value in (said.get("attributes") or {}).items()},
        str(said.get("text") or ""), str(said.get("drawing") or ""), above,
    )  # fmt: skip


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
