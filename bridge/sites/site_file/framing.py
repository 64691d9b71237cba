"""Cuts the bytes of a response into the payloads of its frames, wherever the network has cut them."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge.sites.site_file.connect_frames import END_OF_STREAM, ConnectReader
from bridge.sites.site_file.socket_packets import EventReader
from bridge.sse import SSEDecoder

LONGEST_BODY = 1 << 24
"""Bytes of a body that is read as one document; what comes behind them is not read."""
STREAM_END = "end of stream\n"
"""The name of the event that a stream's own last frame has; no server-sent event has one that breaks the line."""


class Payload(NamedTuple):
    """What one frame holds, and the name of its event."""

    text: str
    event: str = "message"


class Framing(ABC):
    """Takes the bytes of one response; `feed` and `end` return the payloads that they complete."""

    @abstractmethod
    def feed(self, data: bytes) -> list[Payload]:
        """Take the next bytes, cut anywhere; of a WebSocket one message."""

    def end(self) -> list[Payload]:
        """Take the end of the response."""
        return []


class EventStream(Framing):
    """Server-sent events. One that the end cuts off is read like the others: pages that use `fetch` do so."""

    def __init__(self) -> None:
        self._decoder = SSEDecoder()

    def feed(self, data: bytes) -> list[Payload]:
        """Return the events."""
        return [Payload(data, name) for name, data, _ in self._decoder.feed(data)]

    def end(self) -> list[Payload]:
        """Return the event that no empty line has ended."""
        return self.feed(b"\n\n")


class Lines(Framing):
    """A JSON document a line."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> list[Payload]:
        """Return the lines that are not empty."""
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._rest.append(tail)
            return []
        lines = b"".join([*self._rest, head]).split(b"\n")
        self._rest = [tail]
        return [Payload(text) for line in lines if (text := _text(line).strip())]

    def end(self) -> list[Payload]:
        """Return the last line."""
        return self.feed(b"\n")


class ConnectStream(Framing):
    """Frames of the Connect protocol."""

    def __init__(self) -> None:
        self._reader = ConnectReader()

    def feed(self, data: bytes) -> list[Payload]:
        """Return the payloads of the frames."""
        frames = self._reader.feed(data)
        return [Payload(_text(one.payload), STREAM_END if one.flags & END_OF_STREAM else "message") for one in frames]

    def end(self) -> list[Payload]:
        """Return nothing; raise what was no frame."""
        self._reader.end()
        return []


class Document(Framing):
    """A body that is one document."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Payload]:
        """Return nothing yet."""
        if (room := LONGEST_BODY - self._size) > 0:
            self._pieces.append(data[:room])
            self._size += len(data)
        return []

    def end(self) -> list[Payload]:
        """Return the body."""
        return [Payload(_text(b"".join(self._pieces)))] if self._pieces else []


class Packets(Document):
    """The events of socket.io: of a message of a WebSocket at once, of a body of long polling at its end."""

    def __init__(self, *, is_socket: bool) -> None:
        super().__init__()
        self._is_socket = is_socket
        self._reader = EventReader()

    def feed(self, data: bytes) -> list[Payload]:
        """Return the document of the event that a message completes."""
        if not self._is_socket:
            return super().feed(data)
        document = self._reader.take(data)
        return [] if document is None else [Payload(document)]

    def end(self) -> list[Payload]:
        """Return the documents of the events in a body."""
        return [Payload(event) for body in super().end() for event in self._reader.take_body(body.text)]


class Messages(Framing):
    """Messages of a WebSocket, each of which is a frame."""

    def feed(self, data: bytes) -> list[Payload]:
        """Return the message."""
        return [Payload(_text(data))]


class PlainText(Framing):
    """Text that is the answer itself, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> list[Payload]:
        """Return the characters that are whole."""
        return _unless_empty(self._decoder.decode(data))

    def end(self) -> list[Payload]:
        """Return what is left of a character that was cut off."""
        return _unless_empty(self._decoder.decode(b"", final=True))


_FRAMINGS: Mapping[str, Callable[[], Framing]] = {
    "sse": EventStream,
    "ndjson": Lines,
    "connect": ConnectStream,
    "json": Document,
    "websocket": Messages,
    "text": PlainText,
}


def framing_of(name: str, *, is_socket: bool) -> Framing:
    """Return a fresh framing, by its name in a site file."""
    return Packets(is_socket=is_socket) if name == "socketio" else _FRAMINGS[name]()


def _unless_empty(text: str) -> list[Payload]:
    return [Payload(text)] if text else []


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
