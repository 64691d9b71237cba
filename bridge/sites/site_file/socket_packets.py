"""Packets of engine.io and socket.io, as pages send and get them over WebSocket or in bodies of long polling.

Binary data follows the event that it belongs to, in packets of its own: messages of a WebSocket, base64 in a body.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode

SEPARATOR = "\x1e"
"""Stands between the packets of one body of long polling."""
BINARY = "b"
"""Begins a packet of a body that holds binary data."""
_EVENT = re.compile(r"(?:4)?[25](?:(\d{1,6})-)?(?:/[^,\[]{0,200},)?\d{0,20}(?=\[)")
"""What stands before the document of an event: the kinds of packet, a number of attachments, a namespace, an id."""
_PLACEHOLDER = re.compile(r'\{\s*"_placeholder"\s*:\s*true\s*,\s*"num"\s*:\s*(\d{1,6})\s*\}')
"""Stands in an event where an attachment belongs; within a text its quotes would be escaped."""


def event_documents(text: str) -> list[str]:
    """Return the JSON documents of the events in a message or body: arrays of a name and what belongs to it.

    Packets that carry none, such as pings, are left out.
    """
    return [packet[match.end() :] for packet in text.split(SEPARATOR) if (match := _EVENT.match(packet))]


class EventReader:
    """Reads packets one after the other; `take` returns the document of the event that a packet completes, or None.

    An event waits for the attachments that it announces; each is put into it as a text.
    """

    def __init__(self) -> None:
        self._document = ""
        self._missing = 0
        self._attachments: list[bytes] = []

    def take_body(self, text: str) -> list[str]:
        """Return the documents of the events in a body of long polling."""
        found = [self._take_posted(packet) for packet in text.split(SEPARATOR)]
        return [document for document in found if document is not None]

    def take(self, message: bytes) -> str | None:
        """Take a message of a WebSocket: an attachment, where one is due."""
        if self._missing:
            return self._attach(message)
        packet = message.decode("utf-8", "replace")
        match = _EVENT.match(packet)
        if match is None:
            return None
        document = packet[match.end() :]
        if not (count := int(match[1] or 0)):
            return document
        self._document, self._missing, self._attachments = document, count, []
        return None

    def _take_posted(self, packet: str) -> str | None:
        if not packet.startswith(BINARY):
            self._missing = 0  # of an event whose attachments did not come
            return self.take(packet.encode())
        return self._attach(_decoded(packet[len(BINARY) :])) if self._missing else None

    def _attach(self, data: bytes) -> str | None:
        self._attachments.append(data)
        self._missing -= 1
        if self._missing:
            return None
        texts = [json.dumps(data.decode("utf-8", "replace")) for data in self._attachments]
        self._attachments = []
        return _PLACEHOLDER.sub(lambda found: _at(texts, int(found[1])), self._document)


def _at(texts: list[str], number: int) -> str:
    return texts[number] if number < len(texts) else "null"


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text)
    except (binascii.Error, ValueError):
        return b""
