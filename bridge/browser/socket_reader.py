"""Reads what comes by the page's WebSockets, each message as a whole.

The sockets are the page's own and are left as they are. Most are older than the turn: what came before is of no turn.
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
"""The HTTP status of a WebSocket that is connected."""
TEXT, BINARY = 1, 2
"""Kinds of messages; the others are the protocol's own."""


class SocketReader:
    """Gives the messages of the site's WebSockets to the turn that runs."""

    def __init__(
        self,
        session: TabSession,
        channels: Channels,
        turn: Callable[[], Exchange | None],
        next_number: Callable[[], int],
        order: ArrivalOrder | None = None,
    ) -> None:
        self.signs = 0
        """How many messages have come: signs of life."""
        self._session = session
        self._channels = channels
        self._turn = turn
        self._next_number = next_number
        self._order = order or ArrivalOrder()
        self._sockets: dict[str, AnswerChannel] = {}
        self._connected: set[str] = set()
        self._has_tried = False
        """Whether the document has asked for a socket."""
        self._polls = any(path in channels.paths for path in channels.sockets)
        """Whether the page has the same messages by polling as long as there is no socket."""

    def start(self) -> None:
        """Begin to listen."""
        self._session.on("Network.webSocketCreated", self._on_created)
        self._session.on("Network.webSocketHandshakeResponseReceived", self._on_connected)
        self._session.on("Network.webSocketFrameReceived", self._on_frame)
        self._session.on("Network.webSocketClosed", self._on_closed)

    def on_document(self) -> None:
        """Forget the sockets of the document that is gone; Chromium does not report their end."""
        self._sockets.clear()
        self._connected.clear()
        self._has_tried = False

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the page has asked for sockets and has none: it can neither send nor get anything by them."""
        return self._has_tried and not self._connected and not self._polls

    @property
    def is_connecting(self) -> bool:
        """Tell whether a socket is not there yet that alone can bring what the site says."""
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
        """End the turn with its socket: what the site sent while there was none is lost.

        A page that polls goes on without a socket that has brought nothing.
        """
        self._connected.discard(event["requestId"])
        channel = self._sockets.pop(event["requestId"], None)
        if channel is not None and (channel.has_given or not (self._sockets or self._polls)):
            channel.put(ResponseEnded(is_final=True))
