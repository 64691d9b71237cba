"""The view of one page: its viewers, the one that holds the controls, and the tab that is shown.

Every change sets one event, and one task (`_reconcile`) then updates tabs, dialogs, screencast and the viewers' state,
so that no two changes interleave.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_window import PageWindow
from bridge.chat.operator_visit import Visit
from bridge.chat.viewer_channel import ViewerMoved, ViewerRefused
from bridge.errors import BridgeError
from bridge.liveview.input_relay import InputRelay
from bridge.liveview.page_dialogs import PageDialogs
from bridge.liveview.screencast import Frame, Screencast
from bridge.liveview.shown_tab import ShownTab
from bridge.liveview.tabs import Tabs
from bridge.liveview.view_target import ViewTarget
from bridge.liveview.viewer import Viewer
from bridge.tasks import Tasks, errors_logged, first

MOST_VIEWERS = 8
GRACE = 6.0
"""Seconds for which a disconnected viewer keeps the controls, enough for a reload."""
IDLE = 600.0
"""Seconds without input after which the holder loses the controls, so that the account takes chats again."""
HELD_PAUSE, WATCHED_PAUSE = 1 / 30, 1 / 25
"""Least seconds between two frames: while a viewer has the page, and while all only watch."""
BUSY_WIDTH = 704
"""Greatest width of a frame in pixels while a chat runs: encoding larger ones slows down the chat's page."""
LOOK_EVERY = 2.0
"""Seconds between two reads of the tabs' titles; Chromium sends no event when one changes."""


class View:
    """The viewers of one page; at most one of them holds the controls.

    `holder` is the viewer with the controls, and `visit` the period for which the pool gives the page to a person. The
    holder is set first: the visit begins once the running chat has ended, so `holder` without `visit` means waiting.
    Input reaches the page only while both are set.
    """

    def __init__(self, target: ViewTarget, on_unused: Callable[[View], None], idle: float = IDLE) -> None:
        self.target = target
        self._on_unused = on_unused
        self._idle_limit = idle
        self.visit: Visit | None = None
        self.holder: Viewer | None = None
        self.dialogs: PageDialogs | None = None
        self.tabs: Tabs | None = None
        self.shown: ShownTab | None = None
        self._viewers: dict[str, Viewer] = {}
        self._frame: Frame | None = None
        self._watched: PageWindow | None = None  # kept restored for the viewers
        self._change = asyncio.Event()
        self._released = asyncio.Event()
        self._is_held = False
        """Whether `_hold` runs, which is until the page is given back, even after the controls were released."""
        self._active_at = 0.0
        self._tasks = Tasks()
        self._tasks.start(self._reconcile())

    @property
    def is_unused(self) -> bool:
        """Tell whether there are no viewers and the page is given back."""
        return not self._viewers and not self._is_held

    @asynccontextmanager
    async def join(self, name: str) -> AsyncGenerator[Viewer]:
        """Add a viewer called `name`; it replaces one of the same name, and inherits its controls.

        Raises `ViewerRefused` if there are `MOST_VIEWERS` already.
        """
        before = self._viewers.get(name)
        if before is None and len(self._viewers) >= MOST_VIEWERS:
            raise ViewerRefused("This view has too many viewers already.")
        viewer = self._viewers[name] = Viewer(name, self)
        if before is not None:
            before.outbox.end(ViewerRefused("This view was opened again."))
        if self.holder is not None and self.holder.name == name:
            self.holder = viewer
        self.changed()
        try:
            yield viewer
        finally:
            if self._viewers.get(name) is viewer:
                del self._viewers[name]
            self._tasks.start(self._release_after_grace(viewer))
            self.changed()
            await viewer.close()

    def changed(self) -> None:
        """Schedule a run of `_reconcile`."""
        self._change.set()

    def take(self, viewer: Viewer, *, force: bool) -> None:
        """Give a viewer the controls; take them from another viewer only with `force`."""
        before = self.holder
        if before is None:
            self.holder = viewer
            self._released.clear()  # not in the task: the viewer may release the controls before that runs
            self._start_holding()
        elif before is not viewer and force:
            before.notice("warn", "Somebody else has taken the controls; you can still watch.")
            self.holder = viewer
        elif before is not viewer:
            viewer.outbox.send("taken", idle=int(time.monotonic() - self._active_at))
        self.note_activity()
        self.changed()

    def release(self, viewer: Viewer) -> None:
        """Release the controls if this viewer holds them; another one may take them at once."""
        if self.holder is viewer:
            self._free_controls()
            self._released.set()

    def note_activity(self) -> None:
        """Note activity of the holder, which restarts the idle time."""
        self._active_at = time.monotonic()

    def send_to_holder(self, kind: str, /, **more: Any) -> None:
        """Send a message to the viewer that holds the controls, if any."""
        if self.holder is not None:
            self.holder.outbox.send(kind, **more)

    async def close(self, why: ViewerRefused | ViewerMoved) -> None:
        """Disconnect all viewers, and give the page back."""
        for viewer in self._viewers.values():
            viewer.outbox.end(why)
        await self._tasks.close()
        await self._close_dialogs()
        await self._close_tabs()

    async def _release_after_grace(self, viewer: Viewer) -> None:
        """Release the controls of a viewer that has not reconnected in time; a newer viewer of its name keeps them."""
        await asyncio.sleep(GRACE)
        self.release(viewer)

    def _free_controls(self) -> None:
        """Clear the holder; a viewer that takes the controls before the page is given back gets the page next."""
        self.holder = self.visit = None
        self.changed()

    def _start_holding(self) -> None:
        if not self._is_held:
            self._is_held = True
            self._tasks.start(self._hold())

    async def _hold(self) -> None:
        """Borrow the page while a viewer holds the controls, and again for one that took them while it was returned."""
        try:
            while self.holder is not None:
                await self._hold_once()
        finally:
            self._is_held = False
            self._free_controls()

    async def _hold_once(self) -> None:
        # the first of these ends the visit: the pool, the holder's release, or the idle limit
        try:
            await first(self._in_page(), self._released.wait(), self._idle())
        except BridgeError as error:
            self._notice_all("warn", error.message)
            self._free_controls()

    async def _in_page(self) -> None:
        async with self.target.held() as visit:
            self.visit = visit
            self.changed()
            try:
                await visit.ended.wait()
                self._free_controls()
            finally:
                self.visit = None
                await self._close_dialogs()
        if visit.is_solved:
            self._notice_all("ok", "Solved: the account takes chats again, and the controls were released.")
        elif visit.failure is not None:
            self._notice_all("warn", visit.failure.message)

    async def _idle(self) -> None:
        while (left := self._active_at + self._idle_limit - time.monotonic()) > 0:
            await asyncio.sleep(left)
        minutes = f"{self._idle_limit / 60:.3g} minutes"
        self._notice_all("warn", f"The controls were released after {minutes} without input.")
        self._free_controls()

    def _notice_all(self, level: str, text: str) -> None:
        for viewer in self._viewers.values():
            viewer.notice(level, text)

    async def _reconcile(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY if self._viewers else None):
                    await self._change.wait()
            self._change.clear()
            with errors_logged("while a live view was updated"), suppress(PlaywrightError):
                await self._follow_active_tab()
                self._open_dialogs()
                await self._update_screencast()
                self._send_states()
            if self.is_unused:
                self._on_unused(self)
                return

    async def _follow_active_tab(self) -> None:
        """Show the active tab of the page that is open now, or nothing if none is open."""
        session = self.target.session
        if self.tabs is not None and self.tabs.session is not session:
            await self._close_dialogs()
            await self._close_tabs()
        if session is None:
            return
        if self.tabs is None:
            self.tabs = Tabs(session, self.changed)
        await self.tabs.refresh()
        tab = self.tabs.active
        if self.shown is not None and self.shown.tab is not tab:
            await self.shown.close()
            self.shown = self._frame = None
        if self.shown is None and tab is not None:
            screencast = Screencast(tab.line, self._show_frame, self._frame_pause)
            self.shown = ShownTab(tab, screencast, InputRelay(tab.page, tab.line, self.send_to_holder))

    async def _close_tabs(self) -> None:
        shown, tabs = self.shown, self.tabs
        self.shown = self.tabs = self._frame = None
        if shown is not None:
            await shown.close()
        if tabs is not None:
            await tabs.close()

    def _open_dialogs(self) -> None:
        """Collect the page's dialogs while a person has the page; at other times they are answered automatically."""
        if self.dialogs is None and self.visit is not None and self.tabs is not None:
            self.dialogs = PageDialogs(self.tabs.session.context, self.changed, self.send_to_holder)

    async def _close_dialogs(self) -> None:
        dialogs, self.dialogs = self.dialogs, None
        if dialogs is not None:
            await dialogs.close()

    async def _update_screencast(self) -> None:
        """Run the screencast while a viewer shows it, in the size of the largest window."""
        windows = [viewer.window for viewer in self._viewers.values() if viewer.window is not None]
        await self._watch(self.tabs.session.window if windows and self.tabs is not None else None)
        if self.shown is None:
            return
        if windows:
            width, height = max(width for width, _ in windows), max(height for _, height in windows)
            if self.target.about().get("busy"):
                width = min(width, BUSY_WIDTH)
            await self.shown.screencast.begin(width, height)
        elif self.shown.screencast.size != (0, 0):
            await self.shown.screencast.pause()

    async def _watch(self, window: PageWindow | None) -> None:
        """Keep this window restored instead of the previous one."""
        before, self._watched = self._watched, window
        if window is not before:
            if before is not None:
                before.leave()
            if window is not None:
                await window.use()

    def _show_frame(self, frame: Frame) -> None:
        self._frame = frame
        for viewer in self._viewers.values():
            viewer.show(frame)

    def _frame_pause(self) -> float:
        return WATCHED_PAUSE if self.visit is None else HELD_PAUSE

    def _send_states(self) -> None:
        """Send the view's state to all viewers that have an older one."""
        tabs = self.tabs.describe() if self.tabs is not None else []
        address = self.shown.tab.page.url[:2000] if self.shown is not None else ""
        common = {
            "about": self.target.about(),
            "page": "open" if self.shown is not None else "closed",
            "tabs": tabs,
            "address": address,
            "viewers": len(self._viewers),
        }
        question = self.dialogs.first if self.dialogs is not None else None
        for viewer in self._viewers.values():
            is_holder = viewer is self.holder
            controls = "none" if self.holder is None else "other" if not is_holder else "you" if self.visit else "wait"
            viewer.send_state({**common, "controls": controls, "ask": question if is_holder and self.visit else None})
            if self._frame is not None and viewer.wants_first:
                viewer.show(self._frame)
