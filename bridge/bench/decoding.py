"""Measures how many one-token frames a site's decoder processes per second on one core, without a browser."""

from __future__ import annotations

import json
import time

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import Text
from bridge.errors import SiteChanged
from bridge.sites.deepseek.decoder import DeepSeekDecoder

PIECE = 4096
RESPONSE = PageResponse("/api/v0/chat/completion", 200, {"content-type": "text/event-stream"})
PHRASE = "answer "


def stream(frames: int) -> bytes:
    """Return an answer of `frames` one-token frames."""
    snapshot = {"v": {"response": {"message_id": 2, "status": "WIP", "fragments": [_fragment("")]}}}
    parts = [_frame({"request_message_id": 1, "response_message_id": 2}, event="ready"), _frame(snapshot)]
    parts.append(_frame({"p": "response/fragments/-1/content", "o": "APPEND", "v": PHRASE}))
    parts += [_frame({"v": PHRASE})] * (frames - 1)
    parts += [_frame({"p": "response/status", "o": "SET", "v": "FINISHED"}), _frame({}, event="close")]
    return b"".join(parts)


def frames_per_second(frames: int, rounds: int) -> float:
    """Return the best rate of all rounds over the same answer, cut into pieces as from the network."""
    body = stream(frames)
    pieces = [body[start : start + PIECE] for start in range(0, len(body), PIECE)]
    return frames / min(_decode(pieces, frames) for _ in range(rounds))


def _decode(pieces: list[bytes], frames: int) -> float:
    """Return the seconds that one decoder takes; raise `SiteChanged` if it loses a token."""
    decoder = DeepSeekDecoder()
    begun = time.perf_counter()
    decoder.begin(RESPONSE)
    events = [event for piece in pieces for event in decoder.feed(piece)] + list(decoder.end())
    seconds = time.perf_counter() - begun
    if sum(len(event.text) for event in events if isinstance(event, Text)) != frames * len(PHRASE):
        raise SiteChanged("The decoder did not return the whole answer.")
    return seconds


def _fragment(text: str) -> dict[str, object]:
    return {"id": 2, "type": "RESPONSE", "content": text, "references": []}


def _frame(data: object, event: str = "") -> bytes:
    return f"{f'event: {event}' + chr(10) if event else ''}data: {json.dumps(data)}\n\n".encode()
