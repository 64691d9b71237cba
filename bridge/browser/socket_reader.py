"""Reads incoming messages of the page's WebSockets, each as a whole.

The sockets are the page's own and unchanged. Most are older than the turn; earlier messages belong to no turn.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from bridge.browser.answer_channel import AnswerChannel
from bridge.browser.arrival_order import ArrivalOrder
from bridge.browser.channels import Channels
from bridge.browser.exchange import Chunk, Exchange, ResponseEnded
from bridge.browser.page_messages import PageResponse
from bridge.browser.tab_session import TabSession

SWITCHING_PROTOCOLS = 101
"""The HTTP status of a connected WebSocket."""
TEXT, BINARY = 1, 2
"""Opcodes of data messages; the others are control frames."""


class SocketReader:
    """A reader that passes the messages of the site's WebSockets to the running turn."""

    def __init__(
        self,
        session: TabSession,
        channels: Channels,
        turn: Callable[[], Exchange | None],
        next_number: Callable[[], int],
        order: ArrivalOrder | None = None,
    ) -> None:
        self.signs = 0
        """Messages so far, as signs of life."""
        self._session = session
        self._channels = channels
        self._turn = turn
        self._next_number = next_number
        self._order = order or ArrivalOrder()
        self._sockets: dict[str, AnswerChannel] = {}
        self._connected: set[str] = set()
        self._has_tried = False
        """Whether the document has opened a socket."""
        self._polls = any(path in channels.paths for path in channels.sockets)
        """Whether the page gets the same messages by polling while there is no socket."""

    def start(self) -> None:
        """Start listening."""
        self._session.on("Network.webSocketCreated", self._on_created)
        self._session.on("Network.webSocketHandshakeResponseReceived", self._on_connected)
        self._session.on("Network.webSocketFrameReceived", self._on_frame)
        self._session.on("Network.webSocketClosed", self._on_closed)

    def on_document(self) -> None:
        """Forget the sockets of the previous document; Chromium does not report their end."""
        self._sockets.clear()
        self._connected.clear()
        self._has_tried = False

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the page has opened sockets and none is connected, so that it can neither send nor receive."""
        return self._has_tried and not self._connected and not self._polls

    @property
    def is_connecting(self) -> bool:
        """Tell whether a socket that alone carries the answers is not connected yet."""
        return not self._polls and any(socket not in self._connected for socket in self._sockets)

    def _on_created(self, event: dict[str, Any]) -> None:
        if self._channels.has_socket(event["url"]):
            channel = AnswerChannel(self._turn, self._next_number(), self._order)
            channel.open(PageResponse(event["url"], SWITCHING_PROTOCOLS))
            self._sockets[event["requestId"]] = channel
            self._has_tried = True

    def _on_connected(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._sockets and event["response"]["status"] == SWITCHING_PROTOCOLS:
            self._connected.add(event["requestId"])

    def _on_frame(self, event: dict[str, Any]) -> None:
        self.signs += 1
        channel, frame = self._sockets.get(event["requestId"]), event["response"]
        if channel is None or frame["opcode"] not in (TEXT, BINARY):
            return
        if (turn := self._turn()) is not None:
            turn.on_chunk(event["timestamp"])
        payload: str = frame["payloadData"]
        channel.put(Chunk(base64.b64decode(payload) if frame["opcode"] == BINARY else payload.encode()))

    def _on_closed(self, event: dict[str, Any]) -> None:
        """End the turn with its socket, as messages sent meanwhile are lost.

        A page that polls continues without a socket that has delivered nothing.
        """
        self._connected.discard(event["requestId"])
        channel = self._sockets.pop(event["requestId"], None)
        if channel is not None and (channel.has_given or not (self._sockets or self._polls)):
            channel.put(ResponseEnded(is_final=True))
