"""Splits the bytes of a response into the payloads of its frames, however the network has split them."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge.sites.site_file.connect_frames import END_OF_STREAM, ConnectReader
from bridge.sites.site_file.socket_packets import EventReader
from bridge.sse import SSEDecoder

LONGEST_BODY = 1 << 24
"""The most bytes of a body that is read as one document; any further ones are ignored."""
STREAM_END = "end of stream\n"
"""The event name of a stream's own last frame; no server-sent event has a name with a line break."""


class Payload(NamedTuple):
    """The text of one frame, and the name of its event."""

    text: str
    event: str = "message"


class Framing(ABC):
    """A parser of the bytes of one response; `feed` and `end` return the payloads that they complete."""

    @abstractmethod
    def feed(self, data: bytes) -> list[Payload]:
        """Parse the next bytes, split anywhere; on a WebSocket, one message."""

    def end(self) -> list[Payload]:
        """Handle the end of the response."""
        return []


class EventStream(Framing):
    """Server-sent events. A last one without an empty line is read, too, as pages that use `fetch` do."""

    def __init__(self) -> None:
        self._decoder = SSEDecoder()

    def feed(self, data: bytes) -> list[Payload]:
        """Return the events."""
        return [Payload(data, name) for name, data, _ in self._decoder.feed(data)]

    def end(self) -> list[Payload]:
        """Return an event that no empty line has ended."""
        return self.feed(b"\n\n")


class Lines(Framing):
    """One JSON document per line."""

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
        """Return nothing; raise the error of an invalid frame."""
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
    """Events of socket.io: returned for each message of a WebSocket, and at the end of a long-polling body."""

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
    """Messages of a WebSocket, each one a frame."""

    def feed(self, data: bytes) -> list[Payload]:
        """Return the message."""
        return [Payload(_text(data))]


class PlainText(Framing):
    """Text that is the answer itself, in pieces of any size."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> list[Payload]:
        """Return the complete characters."""
        return _unless_empty(self._decoder.decode(data))

    def end(self) -> list[Payload]:
        """Return a replacement for a character that was cut off."""
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
    """Return a new framing by its name in a site file."""
    return Packets(is_socket=is_socket) if name == "socketio" else _FRAMINGS[name]()


def _unless_empty(text: str) -> list[Payload]:
    return [Payload(text)] if text else []


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
