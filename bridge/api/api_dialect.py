"""The contract of an API dialect: what its surfaces have in common, and what it serves beside chats.

A dialect is a folder beside `openai`, and a line in `routes.dialects`. Dialects do not import each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from bridge.api.access.client_address import port_of
from bridge.api.attachments.stored_files import StoredFiles
from bridge.api.chat_endpoint import ChatEndpoint
from bridge.api.http_errors import Failure
from bridge.api.model_lookup import DefaultModel
from bridge.api.request_body import BodyReader
from bridge.api.route_table import Admission, Handler, Operation
from bridge.api.surface import Surface
from bridge.chat.rate_limits import RateLimits
from bridge.chat.types import ChatBackend, Model
from bridge.settings import ServerSettings
from bridge.storage.file_store import StoredFile

FIRST = "/v1/"
"""How the paths begin that belong to the first dialect on every port."""


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
    server: ServerSettings
    mark: str
    """What the ids begin with that are made here."""
    bodies: BodyReader
    files: StoredFiles
    list_models: Handler
    """Answers with the list of models in the dialect of the request."""
    describe_model: Handler
    """Describes the model that the path names as `id`."""
    listed: Callable[[], Sequence[ListedModel]]
    """Returns the models worth listing."""
    find_model: Callable[[str, DefaultModel], ListedModel]
    """Returns any model by its name, or raises `UnknownModel`; the dialect's `default_model` goes with it."""
    admission: Admission
    """What a chat asks for."""
    endpoint: Callable[[Surface[Any]], ChatEndpoint[Any]]
    """Returns what answers chats of a surface that is reached in a way of its own."""
    until_out: Callable[[web.Request], Coroutine[None, None, None]]
    """Returns once the sender of a long request, such as a WebSocket, could not begin it any more."""


class Dialect(ABC):
    """One API; one object serves all requests."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    """How the paths begin that belong to it alone, also those that are not served."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Request headers, in lower case, by which its clients are known on paths that several dialects have."""
    file_purpose: ClassVar[str] = ""
    """What files are for whose clients have no word for it; empty: they must say it."""
    greeting: ClassVar[str] = ""
    """What `GET /` says on a port that is the dialect's own."""
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

    def file(self, file: StoredFile) -> dict[str, Any] | None:
        """Return the body that describes a stored file; None where the dialect has none."""
        return None

    def deleted_file(self, id: str) -> dict[str, Any] | None:  # noqa: A002
        """Return the body that says that a stored file is deleted; None where the dialect has none."""
        return None

    def headers(self, request_id: str, limits: RateLimits) -> Mapping[str, str]:
        """Return further headers of every response; `limits` is what is left for the chat."""
        return {}


class Dialects:
    """All dialects; the first one is that of requests which belong to none."""

    def __init__(self, dialects: Sequence[Dialect], ports: Mapping[int, Dialect] | None = None) -> None:
        self.all = tuple(dialects)
        self._ports = ports or {}

    def of(self, request: web.BaseRequest) -> Dialect:
        """Return the dialect of a request: by its path, by its headers, and by the port where neither says it."""
        if (dialect := self.named(request.path, request.headers)) is not None:
            return dialect
        return self.all[0] if request.path.startswith(FIRST) else self._ports.get(port_of(request), self.all[0])

    def named(self, path: str, headers: Mapping[str, str]) -> Dialect | None:
        """Return the dialect that a path or a header names, if one does."""
        for dialect in self.all:
            if path.startswith(dialect.prefixes):
                return dialect
        return next((one for one in self.all if any(mark in headers for mark in one.marks)), None)
