"""The protocol of one stand-in: how it parses requests and encodes answers."""

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
    """A request that the real site would not accept; the message is the reason, for the record."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The contents of a valid request."""

    prompt: str
    conversation: str = ""  # empty: a new one
    parent: str | None = None  # the message that it follows
    thinking: bool = False
    search: bool = False
    model: str = ""
    files: Mapping[str, str] = field(default_factory=dict)  # names in the prompt by id; empty if it has none


@dataclass(slots=True)
class Exchange:
    """One prompt and its answer so far."""

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
    notes: dict[str, Any] = field(default_factory=dict)  # the protocol's state between two frames


class Wire(ABC):
    """The protocol of one site. Frames are encoded in the order in which they are sent."""

    name: ClassVar[str]
    title: ClassVar[str]
    host: ClassVar[str]  # of the real site
    page: ClassVar[Path | None] = None  # its script, if not `static/standins/NAME.js`
    login: ClassVar[Login]
    traps: ClassVar[tuple[str, ...]]  # what makes the page hard to drive, or its stream hard to parse
    path: ClassVar[str]  # of the request that carries the prompt; `{id}` stands for the conversation
    method: ClassVar[str] = "POST"
    elsewhere: ClassVar[str] = ""  # host of that request, if it is another origin than the page's
    lingers: ClassVar[float] = 0.0  # seconds that the response stays open after the end of an answer
    names_parents: ClassVar[bool] = True  # whether a prompt names the message that it follows
    content_type: ClassVar[str] = "text/event-stream"
    creates_at: ClassVar[str] = ""  # path of the call that creates a conversation before its first prompt
    stops_at: ClassVar[str] = ""  # path of the call that stops an answer
    prepares_at: ClassVar[str] = ""  # path of the call that returns where to upload a file
    uploads_at: ClassVar[str] = ""  # path of the upload of a file; `{id}` stands for its id
    uploads_by: ClassVar[str] = "POST"
    stores: ClassVar[str] = ""  # hosts of uploads, if they are another origin than the page's
    reads_at: ClassVar[str] = ""  # path of the call that returns whether a file is processed
    no_file: ClassVar[Refusal] = Refusal("file", {"detail": "unsupported file"}, 415)
    polls_at: ClassVar[str] = ""  # path of the call that returns the state of a job
    asks_at: ClassVar[str] = ""  # path of the call that returns whether the page needs a human check first
    refusals: ClassVar[Mapping[str, bytes | Refusal]] = {}  # by kind: frames of a stream, or another answer
    unknown: ClassVar[bytes] = b""  # a frame of an unknown type
    broken: ClassVar[bytes] = b""  # a frame that cannot be read

    @abstractmethod
    async def read(self, request: web.Request) -> Asked:
        """Parse a request; raise Unacceptable, ValueError, KeyError or IndexError if the real site would refuse it."""

    @abstractmethod
    def who(self, account: StandInAccount | None) -> Json:
        """Return the answer to the page's call for its user."""

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the frames before the first piece."""
        return iter(())

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Yield the frames for a piece of thinking, which `exchange.thought` ends with."""
        return iter(())

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the frames for the results of the search."""
        return iter(())

    @abstractmethod
    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Yield the frames for a piece of the answer, which `exchange.text` ends with."""

    @abstractmethod
    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the frames after the last piece."""

    def rewritten(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield frames that change text already sent; change the text of `exchange` accordingly."""
        return iter(())

    def new_id(self, kind: str) -> str:
        """Return an id for a `chat` or a `message`."""
        return str(uuid.uuid4())

    def cites(self, number: int) -> str:
        """Return the mark of a source in a text."""
        return ""

    def created(self, thread: Thread) -> Json:
        """Return the answer to the call that creates a conversation."""
        return {"id": thread.id}

    def prepared(self, upload: str) -> Json:
        """Return the answer to the call that prepares an upload."""
        return {"id": upload}

    async def read_upload(self, request: web.Request) -> tuple[str, bytes]:
        """Return the name and content of an uploaded file, by default from a form."""
        part = await (await request.multipart()).next()
        if not isinstance(part, BodyPartReader) or not part.filename:
            raise Refusal("upload", {"detail": "no file"}, 400)
        return part.filename, bytes(await part.read())

    def uploaded(self, name: str, upload: str) -> Json:
        """Return the answer to an upload."""
        return {"id": upload, "name": name}

    def read_state(self, *, is_read: bool) -> Json:
        """Return the answer to the call for a file's state."""
        return {"read": is_read}

    def polled(self, body: Mapping[str, Json], url: str) -> Json:
        """Return the answer to the poll of jobs; `url` is the address of the site."""
        return {}

    def asks(self, *, human: bool) -> Json:
        """Return whether the page needs a human check before it sends a prompt."""
        return {"human": human}


def must(holds: object, reason: str) -> None:
    """Raise `Unacceptable` unless a request is valid."""
    if not holds:
        raise Unacceptable(reason)
