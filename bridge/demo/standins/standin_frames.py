"""The frames of the sites' streams: server-sent events, and Connect's frames of JSON."""

from __future__ import annotations

import json
import struct

from bridge.demo.patches import Json, encode_json

_HEAD = struct.Struct(">BI")
END_OF_STREAM = 2


def sse(data: Json, event: str = "") -> bytes:
    """Return one server-sent event; a string is sent unchanged, other data as JSON."""
    text = data if isinstance(data, str) else encode_json(data)
    name = f"event: {event}\n" if event else ""
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"{name}{lines}\n".encode()


def connect(document: Json, flags: int = 0) -> bytes:
    """Return one frame: a byte of flags, the length, and JSON."""
    body = encode_json(document).encode()
    return _HEAD.pack(flags, len(body)) + body


def read_connect(body: bytes) -> Json:
    """Return the document of a body that is one frame, or raise ValueError."""
    if len(body) < _HEAD.size:
        raise ValueError("no frame")
    flags, length = _HEAD.unpack_from(body)
    if flags != 0 or length != len(body) - _HEAD.size:
        raise ValueError("not one frame of the length that it says")
    return json.loads(body[_HEAD.size :].decode())
