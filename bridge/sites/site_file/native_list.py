"""A list that the browser itself draws (`<select>`): nothing in it can be clicked, so an entry is set, as by a key."""

from __future__ import annotations

from typing import NamedTuple

from playwright.async_api import ElementHandle
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import REPLACED
from bridge.printable import as_line

MOST = 100
"""Entries of a list that are looked at."""
READ = """(element, most) => element.localName !== "select" ? null : {
  names: [...element.options].slice(0, most).map(one => one.disabled ? "" : one.label.slice(0, 200)),
  chosen: element.selectedOptions[0]?.label.slice(0, 200) ?? "",
}"""


class NativeList(NamedTuple):
    """What a list offers, and what is chosen in it; an entry that cannot be chosen has no name."""

    names: tuple[str, ...]
    chosen: str


async def native_list(element: ElementHandle) -> NativeList | None:
    """Return the list that an element is; None where it is none."""
    seen = await element.evaluate(READ, MOST)
    return seen and NativeList(tuple(map(_line, seen["names"])), _line(seen["chosen"]))


async def set_native_list(element: ElementHandle, name: str, limit: float) -> None:
    """Choose the entry of a name, within `limit` milliseconds, and tell the page as the browser does.

    A list that has just been drawn again without it is raised as the move of the page that it is.
    """
    names = (await native_list(element) or NativeList((), "")).names
    if name not in names:
        raise PlaywrightError(REPLACED)
    await element.select_option(index=names.index(name), timeout=limit)


def _line(text: object) -> str:
    return as_line(" ".join(str(text).split()))
