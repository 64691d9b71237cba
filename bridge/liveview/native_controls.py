"""Native controls (lists, dates, colours), whose popups a screencast does not show, so the viewer shows them itself.

The description of a control is untrusted text of the page: the script cuts it, and the viewer shows it as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from playwright.async_api import ElementHandle, Frame, Page

from bridge.browser.page_calls import within

SCRIPT = (
    files("bridge.liveview").joinpath("native_controls.js").read_text("utf-8").partition("\n")[2].rstrip().rstrip(";")
)
FIND = f"([name, given]) => ({SCRIPT})[name](given)"
DESCRIBE = f"element => ({SCRIPT}).describe(element)"
FOCUS = f"element => ({SCRIPT}).focus(element)"
SELECTION = f"() => ({SCRIPT}).selection()"
DEEPEST = 6
"""Levels of nested frames that are searched."""
LIMIT = 2.0
"""Seconds that the page has to return the control at a point; afterwards it gets the click itself."""
SET_LIMIT = 5.0
LONGEST_COPY = 1_000_000


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a page, and its description for the viewer."""

    element: ElementHandle
    about: dict[str, Any]

    async def set(self, options: Sequence[int] | None, value: str | None) -> None:
        """Set the viewer's choice; the page gets the same events as from its user."""
        async with within(SET_LIMIT, "The page did not accept the choice"):
            if options is not None and self.about["kind"] == "select":
                await self.element.select_option(index=list(options), timeout=SET_LIMIT * 1000)
            elif value is not None and self.about["kind"] != "select":
                await self.element.fill(value, timeout=SET_LIMIT * 1000)

    async def take_keyboard(self) -> None:
        """Focus the control without opening its popup."""
        async with within(LIMIT, "The page did not focus the control"):
            await self.element.evaluate(FOCUS)


async def control_at(page: Page, x: float, y: float) -> Control | None:
    """Return the native control at a point of the page, in CSS pixels."""
    return await _found(page.main_frame, "at", (x, y))


async def active_control(page: Page) -> Control | None:
    """Return the native control that has the focus."""
    return await _found(page.main_frame, "active", None)


async def opened_control(page: Page) -> Control | None:
    """Return the native control that the page's script has opened."""
    return await _found(page.main_frame, "opened", None)


async def selected_text(page: Page) -> str:
    """Return the selected text of the focused frame."""
    frame: Frame | None = page.main_frame
    for _ in range(DEEPEST):
        if frame is None:
            break
        element = (await frame.evaluate_handle(FIND, ["active", None])).as_element()
        inner = await element.content_frame() if element is not None else None
        if inner is None:
            return str(await frame.evaluate(SELECTION))[:LONGEST_COPY]
        frame = inner
    return ""


async def _found(frame: Frame | None, way: str, point: tuple[float, float] | None) -> Control | None:
    left = top = 0.0
    for _ in range(DEEPEST):
        if frame is None:
            return None
        given = None if point is None else [point[0] - left, point[1] - top]
        element = (await frame.evaluate_handle(FIND, [way, given])).as_element()
        about = await element.evaluate(DESCRIBE) if element is not None else None
        if element is None or not isinstance(about, dict):
            return None
        left, top = left + float(about["x"]), top + float(about["y"])
        if about["kind"] != "frame":
            return Control(element, {**about, "x": left, "y": top})
        frame = await element.content_frame()
    return None
