"""Relays a viewer's input to one page: mouse, wheel, keys and texts, in the order in which they arrive.

An event that the page does not acknowledge (because a click has opened a dialog) does not block later ones. Input is
never logged: it holds passwords.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import within
from bridge.errors import BridgeError, BrowserError
from bridge.liveview.key_events import ALT, event_of
from bridge.liveview.native_controls import (
    LIMIT,
    Control,
    active_control,
    control_at,
    opened_control,
    selected_text,
)
from bridge.liveview.viewer_messages import Choose, Composing, Copy, KeyPress, Mouse, Typed, Wheel
from bridge.tasks import Tasks

PATIENCE = 0.25
"""Seconds that the relay waits for the page to acknowledge an event before it sends the next one."""
MOST = 500
"""Most events that wait for the page; further ones are dropped."""
OPENERS = (" ", "Enter", "F4", "ArrowDown")
"""Keys that may open the popup of a native control; see `_opens`."""
LOOKS = (0.0, 0.4)
"""Seconds after a click and after the first check at which the relay checks for a native control opened by script."""

MayAct = Callable[[], bool]
Look = Callable[[Page], Awaitable[Control | None]]
InputEvent = Mouse | Wheel | KeyPress | Typed | Composing | Copy | Choose


class InputRelay:
    """Sends input to one page; `tell` sends messages to the viewer, such as the description of a native control.

    `find_opened` finds the native control that the page's script has opened.
    """

    def __init__(
        self, page: Page, session: CDPSession, to_viewer: Callable[..., None], find_opened: Look = opened_control
    ) -> None:
        self._page = page
        self._session = session
        self._to_viewer = to_viewer
        self._find_opened = find_opened
        self._waiting: deque[tuple[InputEvent, MayAct]] = deque()
        self._may_act: MayAct = lambda: True
        self._more = asyncio.Event()
        self._control: Control | None = None
        self._number = 0
        self._holds_back = False
        """Whether the button was pressed on a native control, so that the page gets neither press nor release."""
        self._looking: asyncio.Task[None] | None = None
        self._tasks = Tasks()
        self._tasks.keep(self._work)

    def send(self, act: InputEvent, may_act: MayAct) -> None:
        """Queue an event; a move of the mouse replaces one that still waits.

        `may_act` is checked right before the page gets the event: it is dropped if another node has the account then.
        """
        last = self._waiting[-1][0] if self._waiting else None
        if _is_move(act) and _is_move(last):
            self._waiting[-1] = act, may_act
        elif len(self._waiting) < MOST:
            self._waiting.append((act, may_act))
        self._more.set()

    async def close(self) -> None:
        """Drop the waiting events."""
        await self._tasks.close()

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            act, self._may_act = self._waiting.popleft()
            with suppress(PlaywrightError, BrowserError):  # the page navigated or closed
                if self._may_act():
                    await self._act(act)

    async def _act(self, act: InputEvent) -> None:
        match act:
            case Mouse():
                await self._mouse(act)
            case Wheel():
                spot = {"x": act.x, "y": act.y, "modifiers": act.mods}
                await self._dispatch("Mouse", type="mouseWheel", deltaX=act.dx, deltaY=act.dy, **spot)
            case KeyPress():
                await self._key(act)
            case Typed():
                await self._send("Input.insertText", text=act.text)
            case Composing():
                end = len(act.text.encode("utf-16-le")) // 2
                await self._send("Input.imeSetComposition", text=act.text, selectionStart=end, selectionEnd=end)
            case Copy():
                await self._copy(cut=act.cut)
            case Choose():
                await self._choose(act)

    async def _mouse(self, act: Mouse) -> None:
        if act.kind == "down" and act.button == "left":
            self._holds_back = await self._show_control(control_at(self._page, act.x, act.y))
        if self._holds_back and act.kind != "move":
            self._holds_back = act.kind == "down"
            return
        if act.kind == "up":
            self._stop_looking()
        kind = {"move": "mouseMoved", "down": "mousePressed", "up": "mouseReleased"}[act.kind]
        spot = {"x": act.x, "y": act.y, "modifiers": act.mods, "buttons": act.buttons}
        await self._dispatch("Mouse", type=kind, button=act.button, clickCount=act.clicks, **spot)
        if act.kind == "up":
            self._looking = self._tasks.start(self._look_for_opened())

    async def _key(self, act: KeyPress) -> None:
        is_opener = act.kind == "down" and act.key in OPENERS
        if is_opener and await self._show_control(active_control(self._page), lambda kind: _opens(act, kind)):
            return
        is_opening = act.kind == "up" and act.key in OPENERS
        if is_opening:
            self._stop_looking()
        await self._dispatch("Key", **event_of(act))
        if is_opening:
            self._looking = self._tasks.start(self._look_for_opened())

    def _stop_looking(self) -> None:
        """Cancel the check after an earlier click: a control that is shown twice loses the viewer's choice."""
        if self._looking is not None:
            self._looking.cancel()

    async def _look_for_opened(self) -> None:
        """Show the native control that the page's script opens after a click."""
        for pause in LOOKS:
            await asyncio.sleep(pause)
            if await self._show_control(self._find_opened(self._page)):
                return

    async def _show_control(
        self, looking: Awaitable[Control | None], wanted: Callable[[str], bool] = lambda _: True
    ) -> bool:
        """Show the viewer the native control that `looking` finds, if its kind is `wanted`; return whether it did."""
        control = None
        with suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(LIMIT):
                control = await looking
        if control is None or not wanted(control.about["kind"]):
            return False
        self._control = control
        self._number += 1
        self._to_viewer("control", id=str(self._number), **control.about)
        self._tasks.start(_focus(control))
        return True

    async def _choose(self, choice: Choose) -> None:
        control, self._control = self._control, None
        if control is None or choice.id != str(self._number):
            return
        try:
            await control.set(choice.options, choice.value)
        except BridgeError:
            self._to_viewer("notice", level="warn", text="The page did not accept this choice.")

    async def _copy(self, *, cut: bool) -> None:
        async with within(LIMIT, "The page did not return the selection"):
            text = await selected_text(self._page)
        self._to_viewer("clipboard", text=text)
        if cut and text:
            for kind in ("rawKeyDown", "keyUp"):
                await self._dispatch("Key", type=kind, key="Delete", code="Delete", windowsVirtualKeyCode=46)

    async def _dispatch(self, what: str, **event: Any) -> None:
        await self._send(f"Input.dispatch{what}Event", **event)

    async def _send(self, method: str, **event: Any) -> None:
        sending = self._tasks.start(self._sent(method, event))
        await asyncio.wait({sending}, timeout=PATIENCE)

    async def _sent(self, method: str, event: dict[str, Any]) -> None:
        if self._may_act():  # checked again, because a check of the page before this may have taken long
            with suppress(PlaywrightError):
                await self._session.send(method, event)


def _is_move(act: InputEvent | None) -> bool:
    return isinstance(act, Mouse) and act.kind == "move"


def _opens(press: KeyPress, kind: str) -> bool:
    """Tell whether a key opens the popup of a control of that kind, instead of typing into the control."""
    if kind == "list":
        return press.key == "ArrowDown"
    return press.key != "ArrowDown" or press.mods == ALT


async def _focus(control: Control) -> None:
    with suppress(PlaywrightError, BrowserError):
        await control.take_keyboard()
