"""One viewer of a view: what it sends is checked, and done where it has the controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.browser.page_calls import within
from bridge.errors import BridgeError
from bridge.liveview.address_line import target
from bridge.liveview.interface import ViewerRefused
from bridge.liveview.screencast import Picture
from bridge.liveview.viewer_messages import (
    Answer,
    Choose,
    Composing,
    Copy,
    Drawn,
    Go,
    KeyPress,
    Leave,
    Message,
    Mouse,
    SelectTab,
    Take,
    Typed,
    Upload,
    Wheel,
    Window,
    parse,
)
from bridge.liveview.viewer_outbox import Outbox
from bridge.tasks import Tasks
from bridge.throttle import Throttle

if TYPE_CHECKING:
    from bridge.liveview.view import View

RATE = (600, 0.004)
"""Messages that may come at once, and the seconds until one more: a quick hand makes some hundred a second."""
GO_LIMIT = 30.0


class Seat:
    """A viewer; see `types.Viewer`."""

    def __init__(self, name: str, view: View) -> None:
        self.name = name
        self.outbox = Outbox()
        self.window: tuple[int, int] | None = None
        """How large the picture is drawn, or None where nothing is."""
        self.wants_first = True
        """Whether no picture was sent yet."""
        self._view = view
        self._state: dict[str, Any] = {}
        self._rate = Throttle(*RATE)
        self._tasks = Tasks()

    async def next(self) -> bytes | str:
        """Return what to send next; see `Viewer.next`."""
        return await self.outbox.next()

    async def close(self) -> None:
        """Do nothing more."""
        await self._tasks.close()

    def show(self, picture: Picture) -> None:
        """Send a picture, if the viewer looks."""
        if self.window is not None:
            self.wants_first = False
            self.outbox.show(picture)

    def tell_state(self, state: dict[str, Any]) -> None:
        """Send how the view stands, where that is another way than the viewer knows."""
        if state != self._state:
            self._state = state
            self.outbox.state(state)

    def notice(self, level: str, text: str) -> None:
        """Send words for the person."""
        self.outbox.tell("notice", level=level, text=text)

    def receive(self, message: str) -> None:
        """Take a message; see `Viewer.receive`."""
        if self._rate.take():
            raise ViewerRefused("Too many messages came at once.")
        self._do(parse(message))

    def receive_file(self, piece: bytes) -> None:
        """Take the next bytes of files that the page asked for."""
        if self._has_controls and self._view.asks is not None:
            self._view.worked()
            self._view.asks.receive(piece)

    @property
    def _has_controls(self) -> bool:
        return self._view.holder is self and self._view.visit is not None

    def _do(self, message: Message) -> None:
        match message:
            case Window():
                self.window = (message.width, message.height) if message.visible else None
                self.wants_first = self.wants_first or not message.visible
                self._view.changed()
            case Drawn():
                self.outbox.drawn(message.frame)
            case Take():
                self._view.take(self, force=message.force)
            case Leave():
                self._view.leave(self)
            case _ if self._has_controls:
                self._view.worked()
                self._work(message)

    def _work(self, message: Message) -> None:
        view = self._view
        match message:
            case Answer() if view.asks is not None:
                view.asks.answer(message)
            case Upload() if view.asks is not None:
                view.asks.begin_upload(message)
            case SelectTab() if view.tabs is not None and message.close:
                self._tasks.start(view.tabs.close_tab(message.id))
            case SelectTab() if view.tabs is not None:
                view.tabs.select(message.id)
            case Go():
                self._tasks.start(self._go(message))
            case Mouse() | Wheel() | KeyPress() | Typed() | Composing() | Copy() | Choose() if view.shown is not None:
                view.shown.hands.do(message)

    async def _go(self, wish: Go) -> None:
        """Send the page somewhere; where that cannot be, the person is told."""
        view = self._view
        if view.shown is None or view.tabs is None:
            return
        page, driver = view.shown.tab.page, view.tabs.session.driver
        try:
            async with within(GO_LIMIT, "The page did not come"):
                match wish.where:
                    case "back":
                        await page.go_back(wait_until="commit")
                    case "forward":
                        await page.go_forward(wait_until="commit")
                    case "reload":
                        await page.reload(wait_until="commit")
                    case "address":
                        await page.goto(target(wish.address, driver.url, driver.hosts), wait_until="commit")
        except BridgeError as error:
            self.notice("warn", error.message)
        view.changed()
