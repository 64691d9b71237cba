"""What makes one stand-in: how it reads what the page sends, and the frames in which it answers."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import BodyPartReader, web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread


class Unacceptable(Exception):
    """A request that the real site would not take; the text says why, for the record."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, once it was found to be in order."""

    prompt: str
    conversation: str = ""  # empty: a new one
    parent: str | None = None  # the message that it follows
    thinking: bool = False
    search: bool = False
    model: str = ""
    files: Mapping[str, str] = field(default_factory=dict)  # by their ids, how the prompt calls them, if it does


@dataclass(slots=True)
class Exchange:
    """Hold one prompt and what has been said to it so far."""

    asked: Asked
    thread: Thread
    prompt_id: str
    answer_id: str
    is_first: bool
    text: str = ""
    thought: str = ""
    results: tuple[Mapping[str, Any], ...] = ()
    title: str = ""
    pieces: int = 0
    notes: dict[str, Any] = field(default_factory=dict)  # what the wire must remember between two frames


class Wire(ABC):
    """One site's protocol. Frames are made in the order in which they are sent."""

    name: ClassVar[str]
    title: ClassVar[str]
    host: ClassVar[str]  # of the real site
    page: ClassVar[Path | None] = None  # its script, where that is not `static/standins/NAME.js`
    login: ClassVar[Login]
    traps: ClassVar[tuple[str, ...]]  # what makes the page hard to drive, or its stream hard to read
    path: ClassVar[str]  # of the request that carries the prompt; `{id}` stands for the conversation
    method: ClassVar[str] = "POST"
    elsewhere: ClassVar[str] = ""  # host of that request, where it is another origin than the page's
    lingers: ClassVar[float] = 0.0  # seconds that the response stays open behind the end of an answer
    names_parents: ClassVar[bool] = True  # whether a prompt says which message it follows
    content_type: ClassVar[str] = "text/event-stream"
    creates_at: ClassVar[str] = ""  # path of the call that makes a conversation before its first prompt
    stops_at: ClassVar[str] = ""  # path of the call that stops an answer
    prepares_at: ClassVar[str] = ""  # path of the call that says where a file goes
    uploads_at: ClassVar[str] = ""  # path of the call that takes a file; `{id}` stands for its id
    uploads_by: ClassVar[str] = "POST"
    stores: ClassVar[str] = ""  # hosts that take files, where they are another origin than the page's
    reads_at: ClassVar[str] = ""  # path of the call that says whether a file is read
    no_file: ClassVar[Refusal] = Refusal("file", {"detail": "unsupported file"}, 415)
    polls_at: ClassVar[str] = ""  # path of the call that says how far a job is
    asks_at: ClassVar[str] = ""  # path of the call that says whether the page must ask for a human first
    refusals: ClassVar[Mapping[str, bytes | Refusal]] = {}  # by kind: frames of a stream, or another answer
    unknown: ClassVar[bytes] = b""  # a frame that nobody has heard of
    broken: ClassVar[bytes] = b""  # a frame that cannot be read

    @abstractmethod
    async def read(self, request: web.Request) -> Asked:
        """Read a request, or raise Unacceptable, ValueError, KeyError or IndexError as the real site would refuse."""

    @abstractmethod
    def who(self, account: StandInAccount | None) -> Json:
        """Answer the page that asks who is signed in."""

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield what comes before the first word."""
        return iter(())

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Yield the frames for a piece of thinking, which `exchange.thought` ends with."""
        return iter(())

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the frames for what the search has found."""
        return iter(())

    @abstractmethod
    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Yield the frames for a piece of the answer, which `exchange.text` ends with."""

    @abstractmethod
    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield what comes after the last word."""

    def rewritten(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield frames that change what was sent, and the text in `exchange` with it."""
        return iter(())

    def new_id(self, kind: str) -> str:
        """Return an id for a `chat` or a `message`."""
        return str(uuid.uuid4())

    def cites(self, number: int) -> str:
        """Return the mark in a text that names a source."""
        return ""

    def created(self, thread: Thread) -> Json:
        """Answer the call that has made a conversation."""
        return {"id": thread.id}

    def prepared(self, upload: str) -> Json:
        """Answer the call that says where a file goes."""
        return {"id": upload}

    async def read_upload(self, request: web.Request) -> tuple[str, bytes]:
        """Return name and content of a file that the page sends: here the one in a form."""
        part = await (await request.multipart()).next()
        if not isinstance(part, BodyPartReader) or not part.filename:
            raise Refusal("upload", {"detail": "no file"}, 400)
        return part.filename, bytes(await part.read())

    def uploaded(self, name: str, upload: str) -> Json:
        """Answer the call that has taken a file."""
        return {"id": upload, "name": name}

    def read_state(self, *, is_read: bool) -> Json:
        """Answer the call that asks whether a file is read."""
        return {"read": is_read}

    def polled(self, body: Mapping[str, Json], url: str) -> Json:
        """Answer the call that asks how far jobs are; `url` is the address of the site."""
        return {}

    def asks(self, *, human: bool) -> Json:
        """Say whether the page must ask for a human before it sends a prompt."""
        return {"human": human}


def must(holds: object, reason: str) -> None:
    """Refuse a request that is not in order."""
    if not holds:
        raise Unacceptable(reason)
