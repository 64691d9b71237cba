"""Calls the script of `page_watch.js` in the page: what is clickable when, and what appeared as the answer.

The script runs only in documents of the site's own origin. The observed buttons are kept here, because a page may
reload at any time, which ends the script with its document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

from playwright.async_api import ElementHandle, JSHandle, Page
from playwright.async_api import Error as PlaywrightError

from bridge.sites.guarded_page import held, retried
from bridge.sites.learning.observation import Button, Control, Element, MenuEntry
from bridge.sites.learning.selectors import is_weak, selectors

SCRIPT = files("bridge.sites.learning").joinpath("page_watch.js").read_text("utf-8").rstrip()
CALL = "([script, name, given]) => script.guard() ? script[name](...given) : null"
MOST_TRIED = 40
KEPT = 3
"""The most selectors that are kept for an element."""
VISIBLE = " >> visible=true"
IDLE = "idle"
"""The phase before the first chat."""
DOCUMENT = 100_000
"""The range of numbers for the elements and looks of one document."""
MOST_LOOKS = 10_000
T = TypeVar("T")


class Look(NamedTuple):
    """One appearance of a clickable element, and the phases of the turns in which it was seen."""

    element: Element
    number: int
    """Identifies the element, which may have several looks."""
    distance: int
    """Pixels from the text box."""
    is_disabled: bool
    turns: Mapping[int, frozenset[str]]
    """The phases of each turn in which it was there."""

    @property
    def phases(self) -> frozenset[str]:
        """Return the phases of all turns."""
        return frozenset().union(*self.turns.values())


class PageWatch:
    """The watch on one page of the site at `origin`; its script is compiled again for each document."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self._origin = origin
        self._script: JSHandle | None = None
        self._documents = 0
        self._phase = IDLE
        self._looks: dict[int, Look] = {}

    @property
    def documents(self) -> int:
        """Return the number of documents watched."""
        return self._documents

    async def ask(self, name: str, *given: object) -> Any:
        """Call a function of the script; call it again in the new document if the page navigated meanwhile."""
        return await self._retried(partial(self._ask, name, given))

    async def mark(self, turn: int, *phases: str) -> None:
        """Begin phases of a turn, one after the other; the clickable elements are recorded in each of them."""
        self._phase = f"{turn}:{phases[-1]}"
        await self.ask("mark", *(f"{turn}:{phase}" for phase in phases))

    async def element(self, name: str, *given: object) -> ElementHandle | None:
        """Return the element that a function of the script finds, or None; the caller disposes of it (`held`)."""
        return (await self._retried(partial(self._find, name, given))).as_element()

    async def elements(self, name: str) -> list[ElementHandle]:
        """Return the elements that a function of the script finds."""
        return await self._retried(partial(self._find_all, name))

    async def looks(self) -> list[Look]:
        """Return all looks of clickable elements, in this document and the previous ones."""
        fresh = await self.ask("freshLooks") or []
        for one in fresh[: MOST_LOOKS - len(self._looks)]:
            self._looks[one["key"]] = Look(
                element_of(one), one["number"], one["distance"], one["isDisabled"], _turns(one["phases"])
            )
        return list(self._looks.values())

    async def buttons(self) -> list[Button]:
        """Return the clickable elements, and their relation to the text box."""
        return [_button(one) for one in await self.ask("buttons") or []]

    async def switches(self) -> list[Control]:
        """Return the clickable elements that show a state."""
        return [Control(_button(one), _texts(one["state"])) for one in await self.ask("switches") or []]

    async def menus(self) -> list[Control]:
        """Return the elements that may open a menu, or are a list to choose from."""
        found = await self.ask("menus") or []
        return [Control(_button(one), popup=str(one["popup"]), radios=int(one["radios"])) for one in found]

    async def entries(self) -> list[MenuEntry]:
        """Return the entries of the menu that was opened since `beforeMenu`, or of the group of `inGroup`."""
        return [
            MenuEntry(element_of(one), one["number"], str(one["name"]), _texts(one["state"]))
            for one in await self.ask("entries") or []
        ]

    async def described(self, element: ElementHandle) -> Element:
        """Return the description of an element."""
        return element_of(await self.page.evaluate(CALL, [await self._known(), "describe", [element]]))

    async def lasting(self, element: ElementHandle) -> tuple[str, ...]:
        """Return the selectors that match only this element among the visible ones, the most lasting first."""
        fitting = await self.fitting(selectors(await self.described(element)), element)
        strong = [one for one in fitting if not is_weak(one)]
        return tuple(strong or fitting[:1])

    async def fitting(self, tried: Sequence[str], element: ElementHandle) -> tuple[str, ...]:
        """Return up to `KEPT` of the selectors that match only this element among the visible ones."""
        found: list[str] = []
        for selector in tried[:MOST_TRIED]:
            if len(found) < KEPT and await self.is_only(selector, element):
                found.append(selector)
        return tuple(found)

    async def is_only(self, selector: str, element: ElementHandle) -> bool:
        """Tell whether this element is the only visible match of a selector."""
        found = await self.page.query_selector_all(selector + VISIBLE)
        return len(found) == 1 and bool(await found[0].evaluate("(one, other) => one === other", element))

    async def count(self, selector: str) -> int:
        """Return the number of visible matches of a selector."""
        return len(await retried(lambda: self.page.query_selector_all(selector + VISIBLE)))

    async def _ask(self, name: str, given: Sequence[object]) -> Any:
        return await self.page.evaluate(CALL, [await self._known(), name, list(given)])

    async def _find(self, name: str, given: Sequence[object] = ()) -> JSHandle:
        return await self.page.evaluate_handle(CALL, [await self._known(), name, list(given)])

    async def _find_all(self, name: str) -> list[ElementHandle]:
        handle = await self._find(name)
        async with held(handle):
            found = await handle.get_properties()
        return [element for one in found.values() if (element := one.as_element())]

    async def _retried(self, act: Callable[[], Awaitable[T]]) -> T:
        return await retried(act, self._forget)

    def _forget(self) -> None:
        self._script = None

    async def end(self) -> None:
        """Stop the script, if its document is still there."""
        script, self._script = self._script, None
        if script is not None:
            async with held(script):
                with suppress(PlaywrightError):  # the document is gone, and the script with it
                    await self.page.evaluate(CALL, [script, "end", []])

    async def _known(self) -> JSHandle:
        if self._script is None:
            self._documents += 1
            given = self._origin, self._documents * DOCUMENT, self._phase
            self._script = await self.page.evaluate_handle(
                f"([origin, base, phase]) => ({SCRIPT})(origin, base, phase)", given
            )
        return self._script


def _turns(phases: Sequence[str]) -> dict[int, frozenset[str]]:
    """Return the phases by turn, from names as in `PageWatch.mark`."""
    turns: dict[int, frozenset[str]] = {}
    for turn, _, phase in (one.rpartition(":") for one in phases):
        turns[int(turn or 0)] = turns.get(int(turn or 0), frozenset()) | {phase}
    return turns


def _button(said: Mapping[str, Any]) -> Button:
    return Button(
        element_of(said["element"]), said["number"], tuple(map(str, said["labels"])), str(said["link"]),
        said["distance"], said["isOn"], said["isBeside"], said["isPlain"],
    )  # fmt: skip


def _texts(said: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in said.items()}


def element_of(said: Mapping[str, Any]) -> Element:
    """Return an element from the script's description of it."""
    above = tuple(element_of(one) for one in _list(said.get("above")))
    return Element(
        str(said["tag"]), str(said.get("id") or ""), tuple(map(str, _list(said.get("classes")))),
        {str(name): str(value) for name, value in (said.get("attributes") or {}).items()},
        str(said.get("text") or ""), str(said.get("drawing") or ""), above,
    )  # fmt: skip


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
