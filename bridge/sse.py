"""Server-sent events without I/O, by the WHATWG's rules: `SSEDecoder` reads them, `encode_sse` writes them.

Bytes are split into lines before they are decoded, so it does not matter where the network cut them.
"""

from __future__ import annotations

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event; `event` is "message" if the stream names none, `id` is the last one seen."""

    event: str
    data: str
    id: str


class SSEDecoder:
    """A decoder of bytes, cut anywhere, into events, in linear time."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._after_cr = False
        self._first = True
        self._event = ""
        self._data: list[bytes] = []
        self._id = ""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Process the next bytes and return the events that they complete."""
        events: list[ServerSentEvent] = []
        for line in self._lines(data):
            if not line:
                if self._data:
                    payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    events.append(
                        ServerSentEvent(self._event or "message", payload.decode("utf-8", "replace"), self._id)
                    )
                    self._data = []
                self._event = ""
            elif line.startswith(b"data: "):
                self._data.append(line[6:])
            else:
                self._field(line)
        return events

    def end(self) -> bool:
        """End the stream; tell whether it left an event unfinished, which is discarded."""
        rest = b"".join(self._partial)
        unfinished = bool(self._data or self._event or (rest and not rest.startswith(b":")))
        self._partial, self._data, self._event = [], [], ""
        return unfinished

    def _lines(self, data: bytes) -> list[bytes]:
        """Return the lines that are now complete, without their ends (CR, LF or CRLF)."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        lines = data.splitlines()
        if not lines:
            return lines
        last = data[-1:]
        rest = b"" if last in b"\r\n" else lines.pop()
        if lines and self._partial:
            self._partial.append(lines[0])
            lines[0] = b"".join(self._partial)
            self._partial = []
        if rest:
            self._partial.append(rest)
        if lines and self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        self._after_cr = last == b"\r"
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._event = value.decode("utf-8", "replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
            case _:
                pass  # a comment, `retry`, or a field to be ignored by the rules


def encode_sse(data: str | bytes, event: str | None = None) -> bytes:
    """Return one event; every line of `data` gets its own `data:` line."""
    payload = data.encode() if isinstance(data, str) else data
    if b"\n" in payload or b"\r" in payload:
        payload = payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    if event is None:
        return b"data: " + payload + b"\n\n"
    if "\n" in event or "\r" in event:
        raise ValueError("The name of a server-sent event is one line.")
    return b"event: " + event.encode() + b"\ndata: " + payload + b"\n\n"
