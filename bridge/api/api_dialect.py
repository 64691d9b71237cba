"""The contract of an API dialect: what its surfaces have in common, and what it serves beside chats.

A dialect is a folder beside `openai`, and a line in `routes.dialects`. Dialects do not import each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bridge.api.http_errors import Failure
from bridge.api.request_body import BodyReader
from bridge.api.route_table import Admission, Handler, Operation
from bridge.api.surface import Surface
from bridge.chat.types import ChatBackend, Model, RateLimit
from bridge.settings import Settings
from bridge.storage.file_store import FileStore


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in the list of those that clients may ask for."""

    model: Model
    """`id` is the name that it is listed under."""
    created: int
    """Seconds since the epoch."""
    alias_of: str | None = None
    """The model's own name, where the operator gave it this one."""


@dataclass(frozen=True, slots=True)
class DialectParts:
    """What the operations of a dialect may need beside its surfaces."""

    backend: ChatBackend
    settings: Settings
    bodies: BodyReader
    files: FileStore
    list_models: Handler
    """Answers with the list of models in the dialect of the request."""
    describe_model: Handler
    """Describes the model that the path names as `id`."""
    admission: Admission
    """What a chat asks for."""


class Dialect(ABC):
    """One API; one object serves all requests."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    """How the paths begin that belong to it alone, also those that are not served."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Request headers, in lower case, by which its clients are known on paths that several dialects have."""
    error_schema: ClassVar[Mapping[str, Any]] = {}
    """The JSON Schema of its errors for the OpenAPI document, with a `title`; empty: they have the form of OpenAI's."""

    @abstractmethod
    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the ways to chat."""

    @abstractmethod
    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the body for a failure that has a status of its own."""

    def operations(self, parts: DialectParts) -> Sequence[Operation]:
        """Return what is served beside the surfaces and the list of models."""
        return ()

    def default_model(self, name: str, first: str) -> str | None:
        """Return the name of the model that a name stands for which no account and no alias has; None: nothing.

        `first` is the name of the accounts' first model; it takes suffixes such as `-think`.
        """
        return None

    def models(self, listed: Sequence[ListedModel]) -> dict[str, Any] | None:
        """Return the body of the list of models; None where the dialect has none."""
        return None

    def model(self, listed: ListedModel) -> dict[str, Any] | None:
        """Return the body that describes one model; None where the dialect has none."""
        return None

    def headers(self, request_id: str, limit: RateLimit | None) -> Mapping[str, str]:
        """Return further headers of every response; `limit` is what is left for the chat, where something limits it."""
        return {}


class Dialects:
    """All dialects; the first one is that of requests which belong to none."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self.all = tuple(dialects)

    def of(self, path: str, headers: Mapping[str, str]) -> Dialect:
        """Return the dialect of a request."""
        for dialect in self.all:
            if path.startswith(dialect.prefixes) or any(mark in headers for mark in dialect.marks):
                return dialect
        return self.all[0]
