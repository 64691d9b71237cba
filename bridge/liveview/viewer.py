"""One viewer of a view: checks the messages that it sends, and executes them if it holds the controls."""

from __future__ import annotations

from typing import Any, Protocol

from bridge.browser.page_calls import within
from bridge.chat.operator_visit import Visit
from bridge.chat.viewer_channel import ViewerMoved, ViewerRefused
from bridge.errors import BridgeError
from bridge.liveview.address_line import target
from bridge.liveview.page_dialogs import PageDialogs
from bridge.liveview.screencast import Frame
from bridge.liveview.shown_tab import ShownTab
from bridge.liveview.tabs import Tabs
from bridge.liveview.view_target import MOVED
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

RATE = (600, 0.004)
"""Size of a burst of messages, and seconds per further message; a fast mouse sends more than a hundred a second."""
GO_LIMIT = 30.0


class ViewControls(Protocol):
    """The part of `View` that a viewer uses."""

    @property
    def holder(self) -> Viewer | None:
        """Return the viewer that holds the controls."""
        ...

    @property
    def visit(self) -> Visit | None:
        """Return the visit of the holder, while the holder has the page."""
        ...

    @property
    def dialogs(self) -> PageDialogs | None:
        """Return the dialogs of the page, while a person has it."""
        ...

    @property
    def tabs(self) -> Tabs | None:
        """Return the tabs of the page, while it is open."""
        ...

    @property
    def shown(self) -> ShownTab | None:
        """Return the tab that is shown."""
        ...

    def changed(self) -> None:
        """Schedule an update of all viewers."""
        ...

    def take(self, viewer: Viewer, *, force: bool) -> None:
        """Give a viewer the controls; take them from another viewer only with `force`."""
        ...

    def release(self, viewer: Viewer) -> None:
        """Release the controls if this viewer holds them."""
        ...

    def note_activity(self) -> None:
        """Note activity of the holder."""
        ...


class Viewer:
    """One connected viewer; implements `ViewerChannel`."""

    def __init__(self, name: str, view: ViewControls) -> None:
        self.name = name
        self.outbox = Outbox()
        self.window: tuple[int, int] | None = None
        """Width and height of the viewer's window in pixels, or None while it shows nothing."""
        self.wants_first = True
        """Whether the viewer has no frame yet."""
        self._view = view
        self._state: dict[str, Any] = {}
        self._rate = Throttle(*RATE)
        self._tasks = Tasks()

    async def next(self) -> bytes | str:
        """Return what to send next; see `ViewerChannel.next`."""
        return await self.outbox.next()

    async def close(self) -> None:
        """Cancel the viewer's running actions."""
        await self._tasks.close()

    def show(self, frame: Frame) -> None:
        """Send a frame, if the viewer shows the page."""
        if self.window is not None:
            self.wants_first = False
            self.outbox.show(frame)

    def send_state(self, state: dict[str, Any]) -> None:
        """Send the view's state unless the viewer has it; disconnect it if the account has moved to another node."""
        if state["about"]["state"] == MOVED:
            self.outbox.end(ViewerMoved("The account is moving to another node."))
        elif state != self._state:
            self._state = state
            self.outbox.state(state)

    def notice(self, level: str, text: str) -> None:
        """Send a notice for the person; `level` is `ok` or `warn`."""
        self.outbox.send("notice", level=level, text=text)

    async def receive(self, message: str) -> None:
        """Handle a message; see `ViewerChannel.receive`."""
        if self._rate.take():
            raise ViewerRefused("The viewer sent too many messages at once.")
        self._do(parse(message))

    async def receive_file(self, piece: bytes) -> None:
        """Pass on the next bytes of an upload."""
        if self._has_controls and self._view.dialogs is not None:
            self._view.note_activity()
            self._view.dialogs.receive(piece)

    @property
    def _has_controls(self) -> bool:
        visit = self._view.visit
        return self._view.holder is self and visit is not None and visit.may_act()

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
                self._view.release(self)
            case _ if self._has_controls:
                self._view.note_activity()
                self._work(message)

    def _work(self, message: Message) -> None:
        view = self._view
        match message:
            case Answer() if view.dialogs is not None:
                view.dialogs.answer(message)
            case Upload() if view.dialogs is not None:
                view.dialogs.begin_upload(message)
            case SelectTab() if view.tabs is not None and message.close:
                self._tasks.start(view.tabs.close_tab(message.id))
            case SelectTab() if view.tabs is not None:
                view.tabs.select(message.id)
            case Go():
                self._tasks.start(self._go(message))
            case Mouse() | Wheel() | KeyPress() | Typed() | Composing() | Copy() | Choose():
                if view.shown is not None and view.visit is not None:
                    view.shown.relay.send(message, view.visit.may_act)

    async def _go(self, go: Go) -> None:
        """Navigate the page; send a notice if that is refused or fails."""
        view = self._view
        if view.shown is None or view.tabs is None:
            return
        page, (site, hosts) = view.shown.tab.page, view.tabs.session.places
        try:
            async with within(GO_LIMIT, "The page did not load"):
                match go.where:
                    case "back":
                        await page.go_back(wait_until="commit")
                    case "forward":
                        await page.go_forward(wait_until="commit")
                    case "reload":
                        await page.reload(wait_until="commit")
                    case "address":
                        await page.goto(target(go.address, site, hosts), wait_until="commit")
        except BridgeError as error:
            self.notice("warn", error.message)
        view.changed()
