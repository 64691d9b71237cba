"""Chats in the form in which a page's watcher records them: invented turns in the framings of real sites."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from bridge.sites.learning.observation import Chunk, SeenCall, SeenTurn
from bridge.sites.site_file.connect_frames import connect_frame
from bridge.sse import encode_sse

ANSWERS = (
    "Canary kestrel-4821: größe, 你好, Ωmega.\n```python\nprint('kestrel-4821')\n```\nThe end of kestrel-4821.",
    "Second **kestrel-9377** goes on: naïve, 流式输出.\n\n- one line\n- another line\n\nDone with kestrel-9377.",
)
PROMPTS = ("Repeat exactly this: kestrel-4821 and its code", "Now repeat exactly the other: kestrel-9377")
SHOWN = tuple(text.replace("```python", "python Copy").replace("`", "").replace("*", "") for text in ANSWERS)

Document = dict[str, Any] | list[Any]


def pieces(text: str, size: int = 9) -> list[str]:
    """Cut a text into pieces, as a model does."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def sse(documents: Sequence[Any], event: str | None = None) -> list[bytes]:
    """Write documents, or bare payloads, as server-sent events."""
    return [encode_sse(one if isinstance(one, str) else json.dumps(one), event) for one in documents]


def connect(documents: Sequence[Document]) -> list[bytes]:
    """Write documents as frames of the Connect protocol, with the frame that ends a stream."""
    return [*(connect_frame(json.dumps(one).encode()) for one in documents), connect_frame(b"{}", 2)]


def ndjson(documents: Sequence[Document]) -> list[bytes]:
    """Write documents, one per line."""
    return [json.dumps(one).encode() + b"\n" for one in documents]


def chunks(data: Sequence[bytes], begin: float) -> tuple[Chunk, ...]:
    """Give each piece its time."""
    return tuple(Chunk(begin + number / 100, piece) for number, piece in enumerate(data))


def turns(
    body: Callable[[int, str], bytes],
    response: Callable[[int, str], list[bytes]],
    url: str = "https://chat.example/api/chat",
    content_type: str = "text/event-stream",
    addresses: Sequence[str] = ("https://chat.example/", "https://chat.example/c/conv-77aa31"),
    more: Callable[[int], tuple[SeenCall, ...]] = lambda _: (),
) -> list[SeenTurn]:
    """Return two turns of a page that posts the prompt and gets the answer in the response."""
    found = []
    for number, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        began = 100.0 * (number + 1)
        call = SeenCall(
            10 * number + 1, began + 1, "POST", url, body(number, prompt), 200, content_type,
            chunks(response(number, answer), began + 2),
        )  # fmt: skip
        found.append(turn(number, (call, *more(number)), addresses))
    return found


def turn(
    number: int, calls: tuple[SeenCall, ...], addresses: Sequence[str] = ("https://chat.example/",) * 2
) -> SeenTurn:
    """Return one turn of those calls."""
    before, after = addresses[min(number, 1)], addresses[1]
    return SeenTurn(PROMPTS[number], 100.0 * (number + 1), calls, SHOWN[number], ANSWERS[number], before, after)
