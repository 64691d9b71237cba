"""One page under the eyes of people: who watches, who has the controls, and which window is shown.

Whatever changes sets `_changed`, and one task brings everything into line with how things stand then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import Error as PlaywrightError

from bridge.chat.visit import Visit
from bridge.errors import BridgeError
from bridge.liveview.input_relay import Hands
from bridge.liveview.interface import ViewerRefused
from bridge.liveview.page_dialogs import Asks
from bridge.liveview.screencast import Cast, Picture
from bridge.liveview.stage import Stage
from bridge.liveview.tabs import Tab, Tabs
from bridge.liveview.viewer import Seat
from bridge.tasks import Tasks, first, surviving

MOST_VIEWERS = 8
GRACE = 6.0
"""Seconds that somebody whose connection broke keeps the controls."""
IDLE = 600.0
"""Seconds after which the controls are taken back from somebody who does nothing."""
HELD_PAUSE, WATCHED_PAUSE = 1 / 30, 1 / 25
"""Least seconds from one picture to the next, for somebody who works the page and for those who only look on."""
BUSY_WIDTH = 704
"""Pixels that pictures are wide at most while a chat runs: larger ones keep its page from its work."""
LOOK_EVERY = 2.0
"""Seconds between two looks at titles, of whose changes nothing tells."""


class Shown:
    """The window that is shown now, and what pictures and works it."""

    def __init__(self, tab: Tab, cast: Cast, hands: Hands) -> None:
        self.tab = tab
        self.cast = cast
        self.hands = hands

    async def close(self) -> None:
        """Let go of the window."""
        await self.hands.close()
        await self.cast.close()


class View:
    """The people at one page."""

    def __init__(self, stage: Stage, on_deserted: Callable[[View], None], idle: float = IDLE) -> None:
        self.stage = stage
        self._on_deserted = on_deserted
        self._idle_limit = idle
        self.visit: Visit | None = None
        """The visit of the holder, while the page is theirs."""
        self.holder: Seat | None = None
        self.asks: Asks | None = None
        self.tabs: Tabs | None = None
        self.shown: Shown | None = None
        self._seats: dict[str, Seat] = {}
        self._picture: Picture | None = None
        self._changed = asyncio.Event()
        self._released = asyncio.Event()
        self._is_held = False
        """Whether the page is somebody's, or was until now and is not given back yet."""
        self._worked_at = 0.0
        self._tasks = Tasks()
        self._tasks.start(self._direct())

    @property
    def is_deserted(self) -> bool:
        """Tell whether nobody is there, nor has the page."""
        return not self._seats and not self._is_held

    @asynccontextmanager
    async def viewer(self, name: str) -> AsyncGenerator[Seat]:
        """Let somebody in, who is `name`; one who was there before takes the old place."""
        before = self._seats.get(name)
        if before is None and len(self._seats) >= MOST_VIEWERS:
            raise ViewerRefused("Too many are watching already.")
        seat = self._seats[name] = Seat(name, self)
        if before is not None:
            before.outbox.end("This view was opened again.")
        if self.holder is not None and self.holder.name == name:
            self.holder = seat
        self.changed()
        try:
            yield seat
        finally:
            if self._seats.get(name) is seat:
                del self._seats[name]
            self._tasks.start(self._missed(seat))
            self.changed()
            await seat.close()

    def changed(self) -> None:
        """Have everything brought into line with how things stand now."""
        self._changed.set()

    def take(self, seat: Seat, *, force: bool) -> None:
        """Give somebody the controls; from somebody else only by `force`."""
        before = self.holder
        if before is None:
            self.holder = seat
            self._released.clear()  # here, because they may be given back before the task runs
            self._have_held()
        elif before is not seat and force:
            before.notice("warn", "Somebody else has taken the controls; you can still watch.")
            self.holder = seat
        elif before is not seat:
            seat.outbox.tell("taken", idle=int(time.monotonic() - self._worked_at))
        self.worked()
        self.changed()

    def leave(self, seat: Seat) -> None:
        """Take the controls back from whoever gives them back; somebody else may take them at once."""
        if self.holder is seat:
            self._release()
            self._released.set()

    def worked(self) -> None:
        """Note that the holder has done something."""
        self._worked_at = time.monotonic()

    def tell_holder(self, kind: str, /, **more: Any) -> None:
        """Send a message to whoever has the controls."""
        if self.holder is not None:
            self.holder.outbox.tell(kind, **more)

    async def close(self, reason: str) -> None:
        """End the view, and with it whatever somebody does in it."""
        for seat in self._seats.values():
            seat.outbox.end(reason)
        await self._tasks.close()
        await self._stop_asking()
        await self._unshow()

    async def _missed(self, seat: Seat) -> None:
        """Take the controls back from somebody who does not come back."""
        await asyncio.sleep(GRACE)
        self.leave(seat)

    def _release(self) -> None:
        """Have nobody hold the controls: whoever takes them while the page is still being given back has it next."""
        self.holder = self.visit = None
        self.changed()

    def _have_held(self) -> None:
        if not self._is_held:
            self._is_held = True
            self._tasks.start(self._hold())

    async def _hold(self) -> None:
        """Have the page for a person, as long as one has the controls, and again for one who took them meanwhile."""
        try:
            while self.holder is not None:
                await self._hold_once()
        finally:
            self._is_held = False
            self._release()

    async def _hold_once(self) -> None:
        try:
            await first(self._in_page(), self._released.wait(), self._idle())
        except BridgeError as error:
            self._tell_all("warn", error.message)
            self._release()

    async def _in_page(self) -> None:
        async with self.stage.held() as visit:
            self.visit = visit
            self.changed()
            try:
                await visit.ended.wait()
                self._release()
            finally:
                self.visit = None
                await self._stop_asking()
        if visit.is_solved:
            self._tell_all("ok", "Solved: the account takes chats again, and the controls are given back.")
        elif visit.failure is not None:
            self._tell_all("warn", visit.failure.message)

    async def _idle(self) -> None:
        while (left := self._worked_at + self._idle_limit - time.monotonic()) > 0:
            await asyncio.sleep(left)
        minutes = f"{self._idle_limit / 60:.3g} minutes"
        self._tell_all("warn", f"Nothing was done for {minutes}, so the controls were given back.")
        self._release()

    def _tell_all(self, level: str, text: str) -> None:
        for seat in self._seats.values():
            seat.notice(level, text)

    async def _direct(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY if self._seats else None):
                    await self._changed.wait()
            self._changed.clear()
            with surviving("while a live view was brought into line"), suppress(PlaywrightError):
                await self._follow()
                self._ask()
                await self._cast()
                self._publish()
            if self.is_deserted:
                self._on_deserted(self)
                return

    async def _follow(self) -> None:
        """Show the window that is to be shown, of the page that is open now."""
        session = self.stage.session
        if self.tabs is not None and self.tabs.session is not session:
            await self._stop_asking()
            await self._unshow()
        if session is None:
            return
        if self.tabs is None:
            self.tabs = Tabs(session, self.changed)
        await self.tabs.refresh()
        tab = self.tabs.active
        if self.shown is not None and self.shown.tab is not tab:
            await self.shown.close()
            self.shown = self._picture = None
        if self.shown is None and tab is not None:
            cast = Cast(tab.line, self._show, self._pause)
            self.shown = Shown(tab, cast, Hands(tab.page, tab.line, self.tell_holder))

    async def _unshow(self) -> None:
        shown, tabs = self.shown, self.tabs
        self.shown = self.tabs = self._picture = None
        if shown is not None:
            await shown.close()
        if tabs is not None:
            await tabs.close()

    def _ask(self) -> None:
        """Take the page's questions while a person is there to answer them."""
        if self.asks is None and self.visit is not None and self.tabs is not None:
            self.asks = Asks(self.tabs.session.context, self.changed, self.tell_holder)

    async def _stop_asking(self) -> None:
        asks, self.asks = self.asks, None
        if asks is not None:
            await asks.close()

    async def _cast(self) -> None:
        """Make pictures as long as somebody looks, of the size that the largest window needs."""
        if self.shown is None:
            return
        windows = [seat.window for seat in self._seats.values() if seat.window is not None]
        if windows:
            width, height = max(width for width, _ in windows), max(height for _, height in windows)
            if self.stage.about().get("busy"):
                width = min(width, BUSY_WIDTH)
            await self.shown.cast.begin(width, height)
        elif self.shown.cast.size != (0, 0):
            await self.shown.cast.pause()

    def _show(self, picture: Picture) -> None:
        self._picture = picture
        for seat in self._seats.values():
            seat.show(picture)

    def _pause(self) -> float:
        return WATCHED_PAUSE if self.visit is None else HELD_PAUSE

    def _publish(self) -> None:
        """Tell everybody how things stand, who does not know it yet."""
        tabs = self.tabs.describe() if self.tabs is not None else []
        address = self.shown.tab.page.url[:2000] if self.shown is not None else ""
        common = {
            "about": self.stage.about(),
            "page": "open" if self.shown is not None else "closed",
            "tabs": tabs,
            "address": address,
            "viewers": len(self._seats),
        }
        question = self.asks.first if self.asks is not None else None
        for seat in self._seats.values():
            is_holder = seat is self.holder
            controls = "none" if self.holder is None else "other" if not is_holder else "you" if self.visit else "wait"
            seat.tell_state({**common, "controls": controls, "ask": question if is_holder and self.visit else None})
            if self._picture is not None and seat.wants_first:
                seat.show(self._picture)
