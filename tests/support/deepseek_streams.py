"""The recorded streams of `streams/`, their meaning, and a way to run a decoder on a stream.

A recorded stream is `NAME.sse` (or `NAME-1.sse`, `NAME-2.sse`, ... for several responses of one turn), all made
by us; `NAME.json` holds the events that it means, and the error that ends it, if any.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridge.chat.types
import bridge.errors
from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, Finish, Searched, Source, Text, Thinking
from bridge.errors import BridgeError
from bridge.sites.deepseek.decoder import DeepSeekDecoder

FOLDER = Path(__file__).parent.parent / "streams"
STREAM = PageResponse("/api/v0/chat/completion", 200, {"content-type": "text/event-stream; charset=utf-8"})


@dataclass(frozen=True, slots=True)
class Heard:
    """The output of a decoder: its events with adjacent pieces of text joined, and the error that ended them."""

    events: tuple[ChatEvent, ...]
    error: str | None = None

    @property
    def thinking(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Thinking))

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    @property
    def searches(self) -> list[Searched]:
        return [event for event in self.events if isinstance(event, Searched)]

    @property
    def sources(self) -> list[Source]:
        return [source for search in self.searches for source in search.sources]

    @property
    def finished(self) -> bool:
        return any(isinstance(event, Finish) for event in self.events)


def hear(*responses: Iterable[bytes], decoder: DeepSeekDecoder | None = None, broken: bool = False) -> Heard:
    """Feed the pieces of one turn's responses to a decoder; with `broken`, end only the last one."""
    decoder = decoder or DeepSeekDecoder()
    events: list[ChatEvent] = []
    try:
        for number, pieces in enumerate(responses, 1):
            decoder.begin(STREAM)
            for piece in pieces:
                events += decoder.feed(piece)
            if number == len(responses) or not broken:
                events += decoder.end()
    except BridgeError as error:
        return Heard(join(events), f"{type(error).__name__}: {error.message}")
    return Heard(join(events))


def join(events: Iterable[ChatEvent]) -> tuple[ChatEvent, ...]:
    """Join adjacent pieces of the same text."""
    joined: list[ChatEvent] = []
    for event in events:
        match joined[-1:], event:
            case [Text(before)], Text(text):
                joined[-1] = Text(before + text)
            case [Thinking(before)], Thinking(text):
                joined[-1] = Thinking(before + text)
            case _:
                joined.append(event)
    return tuple(joined)


# The recorded streams


def names() -> list[str]:
    """Return the names of all recorded streams."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def recorded(name: str) -> list[bytes]:
    """Return the bodies of a recorded stream's responses."""
    numbered = sorted(FOLDER.glob(f"{name}-[0-9].sse"))
    return [path.read_bytes() for path in numbered or [FOLDER / f"{name}.sse"]]


def meaning(name: str) -> Heard:
    """Return the meaning of a recorded stream."""
    events: list[ChatEvent] = []
    for entry in json.loads((FOLDER / f"{name}.json").read_text("utf-8")):
        [(kind, value)] = entry.items()
        if hasattr(bridge.errors, kind):
            return Heard(tuple(events), f"{kind}: {value}")
        events.append(getattr(bridge.chat.types, kind)(**_fields(value)))
    return Heard(tuple(events))


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    if "sources" in value:
        value["sources"] = tuple(Source(**source) for source in value["sources"])
    if "queries" in value:
        value["queries"] = tuple(value["queries"])
    return value


def in_pieces(body: bytes, rng: random.Random) -> list[bytes]:
    """Cut bytes at random places."""
    cuts = sorted(rng.choices(range(len(body) + 1), k=rng.randrange(30)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def with_urls(heard: Heard) -> str:
    """Return the text with each mark replaced by the address of its page."""
    urls = {source.number: source.url for source in heard.sources}

    def url(mark: re.Match[str]) -> str:
        number = int(mark[1])
        return f"<{urls[number]}>" if number in urls else mark[0]

    return re.sub(r"\[citation:(\d+)\]", url, heard.text)
