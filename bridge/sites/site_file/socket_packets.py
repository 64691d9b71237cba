"""Reads packets of engine.io and socket.io from messages of a WebSocket and from bodies of long polling.

Binary data follows the event that it belongs to, in separate packets: messages of a WebSocket, base64 in a body.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode

SEPARATOR = "\x1e"
"""The separator of the packets in one body of long polling."""
BINARY = "b"
"""The prefix of a packet with binary data in a body of long polling."""
_EVENT = re.compile(r"(?:4)?[25](?:(\d{1,6})-)?(?:/[^,\[]{0,200},)?\d{0,20}(?=\[)")
"""The prefix of an event's document: the packet types, a number of attachments, a namespace, an id."""
_PLACEHOLDER = re.compile(r'\{\s*"_placeholder"\s*:\s*true\s*,\s*"num"\s*:\s*(\d{1,6})\s*\}')
"""The placeholder of an attachment in an event; within a string its quotes would be escaped."""


def event_documents(text: str) -> list[str]:
    """Return the JSON documents of the events in a message or body: arrays of a name and its arguments.

    Packets without an event, such as pings, are left out.
    """
    return [packet[match.end() :] for packet in text.split(SEPARATOR) if (match := _EVENT.match(packet))]


class EventReader:
    """A reader of successive packets.

    An event is held until the attachments that it announces have arrived; each is inserted as a text.
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
        """Read a message of a WebSocket; return the document of the event that it completes, or None."""
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
            self._missing = 0  # left from an event whose attachments did not come
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
