"""Packets of engine.io and socket.io, as pages send and get them over WebSocket or in bodies of long polling."""

from __future__ import annotations

import re

SEPARATOR = "\x1e"
"""Stands between the packets of one body of long polling."""
_EVENT = re.compile(r"(?:4)?[25](?:\d{0,6}-)?(?:/[^,\[]{0,200},)?\d{0,20}(?=\[)")
"""What stands before the document of an event: the kinds of packet, a number of attachments, a namespace, an id."""


def event_documents(text: str) -> list[str]:
    """Return the JSON documents of the events in a message or body: arrays of a name and what belongs to it.

    Packets that carry none, such as pings, are left out.
    """
    return [packet[match.end() :] for packet in text.split(SEPARATOR) if (match := _EVENT.match(packet))]
