"""Reads and sets a native list (`<select>`): the browser draws it itself, so nothing in it can be clicked."""

from __future__ import annotations

from typing import NamedTuple

from playwright.async_api import ElementHandle
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import REPLACED
from bridge.printable import as_line

MOST = 100
"""The most entries of a list that are read."""
READ = """(element, most) => element.localName !== "select" ? null : {
  names: [...element.options].slice(0, most).map(one => one.disabled ? "" : one.label.slice(0, 200)),
  chosen: element.selectedOptions[0]?.label.slice(0, 200) ?? "",
}"""


class NativeList(NamedTuple):
    """The entries of a list, and the chosen one; a disabled entry has an empty name."""

    names: tuple[str, ...]
    chosen: str


async def native_list(element: ElementHandle) -> NativeList | None:
    """Return the entries of an element; None if it is not a native list."""
    seen = await element.evaluate(READ, MOST)
    return seen and NativeList(tuple(map(_line, seen["names"])), _line(seen["chosen"]))


async def set_native_list(element: ElementHandle, name: str, limit: float) -> None:
    """Choose the entry with that name, within `limit` milliseconds, and dispatch the browser's own events.

    If the page has just redrawn the list without it, the error is the one of a replaced element, which is retried.
    """
    names = (await native_list(element) or NativeList((), "")).names
    if name not in names:
        raise PlaywrightError(REPLACED)
    await element.select_option(index=names.index(name), timeout=limit)


def _line(text: object) -> str:
    return as_line(" ".join(str(text).split()))
