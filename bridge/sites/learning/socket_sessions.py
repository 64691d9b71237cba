"""Joins the transports of socket.io: what a page polls and posts before its WebSocket opens belongs to it; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from bridge.browser.page_messages import SOCKET
from bridge.sites.learning.observation import Chunk, SeenCall
from bridge.sites.site_file.body_codecs import variables_of
from bridge.sites.site_file.socket_packets import SEPARATOR


def joined(calls: Sequence[SeenCall]) -> tuple[SeenCall, ...]:
    """Return the calls with those of socket.io to one address joined to one WebSocket, in place of the first."""
    sessions: dict[str, list[SeenCall]] = {}
    for call in calls:
        if _is_socketio(call):
            sessions.setdefault(_address(call), []).append(call)
    first = {session[0].number: session for session in sessions.values()}
    kept = (call for call in calls if call.number in first or not _is_socketio(call))
    return tuple(_one(first[call.number]) if call.number in first else call for call in kept)


def _is_socketio(call: SeenCall) -> bool:
    query = variables_of(call.url).get("$query") or {}
    return "EIO" in query and "transport" in query


def _address(call: SeenCall) -> str:
    parts = urlsplit(call.url)
    return f"{parts.netloc}{parts.path}"


def _one(session: Sequence[SeenCall]) -> SeenCall:
    chunks = (chunk for call in session for chunk in _received(call))
    sent = (chunk for call in session for chunk in _sent(call))
    in_time = [tuple(sorted(some, key=lambda chunk: chunk.time)) for some in (chunks, sent)]
    return replace(session[0], method=SOCKET, status=101, body=b"", chunks=in_time[0], sent=in_time[1], is_over=False)


def _received(call: SeenCall) -> Iterable[Chunk]:
    if call.is_socket:
        return call.chunks
    if call.method != "GET" or not call.chunks:
        return ()
    return _packets(b"".join(chunk.data for chunk in call.chunks), call.chunks[-1].time)


def _sent(call: SeenCall) -> Iterable[Chunk]:
    return call.sent if call.is_socket else _packets(call.body, call.time) if call.method == "POST" else ()


def _packets(body: bytes, time: float) -> list[Chunk]:
    return [Chunk(time, packet) for packet in body.split(SEPARATOR.encode())]
