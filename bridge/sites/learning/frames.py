"""Splits the data of a response or a WebSocket into frames, by the first framing that can parse all of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridge.errors import SiteChanged
from bridge.sites.learning.observation import Chunk, SeenCall
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.connect_frames import ConnectReader
from bridge.sites.site_file.socket_packets import event_documents
from bridge.sse import SSEDecoder

Framing = Literal["sse", "ndjson", "connect", "json", "websocket", "socketio", "text"]
Payload = Literal["json", "text", "base64"]
SSE_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its document, None if the payload is not JSON; `event` is the name of a server-sent event."""

    time: float
    document: Any
    raw: str
    event: str = ""
    number: int = 0
    """The number of its call."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The data of one call, split into frames."""

    call: SeenCall
    framing: Framing
    payload: Payload
    frames: tuple[Frame, ...]


def stream_of(call: SeenCall, since: float = 0.0) -> Stream | None:
    """Return the frames of a call since a time, or None."""
    chunks = [chunk for chunk in call.chunks if chunk.time >= since and chunk.data]
    if not chunks:
        return None
    readers: tuple[Callable[[SeenCall, Sequence[Chunk]], Stream | None], ...] = (
        (_websocket,) if call.is_socket else (_connect, _sse, _json, _ndjson, _text)
    )
    return next((stream for reader in readers if (stream := reader(call, chunks))), None)


def _connect(call: SeenCall, chunks: Sequence[Chunk]) -> Stream | None:
    reader, frames = ConnectReader(), list[Frame]()
    try:
        for chunk in chunks:
            for frame in reader.feed(chunk.data):
                raw = frame.payload.decode("utf-8", "replace")
                frames.append(Frame(chunk.time, parse_json(raw), raw, "", call.number))
    except SiteChanged:
        return None
    if not frames or any(frame.document is None for frame in frames):
        return None
    return Stream(call, "connect", "json", tuple(frames))


def _sse(call: SeenCall, chunks: Sequence[Chunk]) -> Stream | None:
    head = b"".join(chunk.data for chunk in chunks[:3]).lstrip()
    if call.content_type != "text/event-stream" and not head.startswith(SSE_FIELDS):
        return None
    decoder, events = SSEDecoder(), list[tuple[float, str, str]]()
    for chunk in [*chunks, Chunk(chunks[-1].time, b"\n\n")]:
        events += [(chunk.time, one.event, one.data) for one in decoder.feed(chunk.data)]
    if not events:
        return None
    return _by_payload(call, "sse", events)


def _ndjson(call: SeenCall, chunks: Sequence[Chunk]) -> Stream | None:
    rest, lines = b"", list[tuple[float, str, str]]()
    for chunk in [*chunks, Chunk(chunks[-1].time, b"\n")]:
        *whole, rest = (rest + chunk.data).split(b"\n")
        lines += [(chunk.time, "", line.decode("utf-8", "replace")) for line in whole if line.strip()]
    documents = [parse_json(line) for _, _, line in lines]
    if len(lines) < 2 or not all(isinstance(document, dict | list) for document in documents):
        return None
    frames = (
        Frame(time, document, raw, "", call.number) for (time, _, raw), document in zip(lines, documents, strict=True)
    )
    return Stream(call, "ndjson", "json", tuple(frames))


def _json(call: SeenCall, chunks: Sequence[Chunk]) -> Stream | None:
    raw = b"".join(chunk.data for chunk in chunks).decode("utf-8", "replace")
    document = parse_json(raw)
    if not isinstance(document, dict | list):
        return None
    return Stream(call, "json", "json", (Frame(chunks[-1].time, document, raw, "", call.number),))


def _text(call: SeenCall, chunks: Sequence[Chunk]) -> Stream | None:
    frames = (Frame(time, None, data.decode("utf-8", "replace"), "", call.number) for time, data in chunks)
    return Stream(call, "text", "text", tuple(frames))


def _websocket(call: SeenCall, chunks: Sequence[Chunk]) -> Stream | None:
    events, is_socketio = list[tuple[float, str, str]](), False
    for time, data in chunks:
        raw = data.decode("utf-8", "replace")
        packets = event_documents(raw)
        is_socketio = is_socketio or bool(packets)
        events += [(time, "", packet) for packet in packets] if packets else [(time, "", raw)]
    if not is_socketio:
        return _by_payload(call, "websocket", events)
    frames = tuple(
        Frame(time, document, raw, "", call.number) for time, _, raw in events if (document := parse_json(raw))
    )
    return Stream(call, "socketio", "json", frames)


def _by_payload(call: SeenCall, framing: Framing, events: Sequence[tuple[float, str, str]]) -> Stream:
    """Read the payloads as JSON if at least half are, else as base64 if most are, else as plain text."""
    documents = [parse_json(raw) for _, _, raw in events]
    structured = sum(isinstance(document, dict | list) for document in documents)
    payload: Payload = "json"
    if structured * 2 < len(events):
        texts = [_unpacked(raw) for _, _, raw in events]
        decoded = sum(text is not None for text in texts) * 2 > len(events)
        payload, documents = ("base64", list(texts)) if decoded else ("text", [raw for _, _, raw in events])
    frames = (
        Frame(time, document, raw, "" if event == "message" else event, call.number)
        for (time, event, raw), document in zip(events, documents, strict=True)
    )
    return Stream(call, framing, payload, tuple(frames))


def _unpacked(raw: str) -> str | None:
    try:
        return base64.b64decode(raw, validate=True).decode() if len(raw) >= 4 else None
    except (binascii.Error, ValueError):
        return None
