"""The contract of an API dialect: what its surfaces share, and what it serves besides chats.

A dialect is a package beside `openai` and a line in `routes.dialects`. Dialects do not import each other.
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
"""Prefix of the paths that belong to the first dialect on every port."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """An entry of the list of models."""

    model: Model
    """The model; its `id` is the listed name."""
    created: int
    """Unix time."""
    alias_of: str | None = None
    """The model's own name, if the listed one is an alias."""


@dataclass(frozen=True, slots=True)
class DialectParts:
    """Dependencies of a dialect's operations."""

    backend: ChatBackend
    server: ServerSettings
    mark: str
    """Prefix of the ids that this node creates."""
    bodies: BodyReader
    files: StoredFiles
    list_models: Handler
    """Returns the list of models in the dialect of the request."""
    describe_model: Handler
    """Describes the model whose name is the path parameter `id`."""
    listed: Callable[[], Sequence[ListedModel]]
    """Returns the models to list."""
    find_model: Callable[[str, DefaultModel], ListedModel]
    """Returns a model by its name, with the dialect's `default_model` as fallback, or raises `UnknownModel`."""
    admission: Admission
    """The credentials that a chat needs."""
    endpoint: Callable[[Surface[Any]], ChatEndpoint[Any]]
    """Returns the endpoint of a surface that the dialect serves on its own routes."""
    until_out: Callable[[web.Request], Coroutine[None, None, None]]
    """Waits until the sender of a long request, such as a WebSocket, is not admitted any more."""


class Dialect(ABC):
    """One API; one instance serves all requests."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the paths that belong only to this dialect, served or not."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Request headers, in lower case, that identify its clients on paths that dialects share."""
    file_purpose: ClassVar[str] = ""
    """Default purpose of uploaded files, for dialects without that field; empty: clients must give it."""
    greeting: ClassVar[str] = ""
    """Text of `GET /` on the dialect's own port."""
    error_schema: ClassVar[Mapping[str, Any]] = {}
    """JSON Schema of its errors for the OpenAPI document, with a `title`; empty: errors have OpenAI's form."""

    @abstractmethod
    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the surfaces."""

    @abstractmethod
    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the body of an error response."""

    def operations(self, parts: DialectParts) -> Sequence[Operation]:
        """Return further operations besides the surfaces and the list of models."""
        return ()

    def default_model(self, name: str, first: str) -> str | None:
        """Return the model that stands for an unknown `name`, or None.

        `first` is the name of the accounts' first model, to which suffixes such as `-think` may be added.
        """
        return None

    def models(self, listed: Sequence[ListedModel]) -> dict[str, Any] | None:
        """Return the body of the list of models; None if the dialect has none."""
        return None

    def model(self, listed: ListedModel) -> dict[str, Any] | None:
        """Return the body that describes one model; None if the dialect has none."""
        return None

    def file(self, file: StoredFile) -> dict[str, Any] | None:
        """Return the body that describes a stored file; None if the dialect has none."""
        return None

    def deleted_file(self, id: str) -> dict[str, Any] | None:  # noqa: A002
        """Return the body that confirms the deletion of a file; None if the dialect has none."""
        return None

    def headers(self, request_id: str, limits: RateLimits) -> Mapping[str, str]:
        """Return further headers of every response; `limits` is what is left for the key."""
        return {}


class Dialects:
    """All dialects; the first one also serves requests that belong to none."""

    def __init__(self, dialects: Sequence[Dialect], ports: Mapping[int, Dialect] | None = None) -> None:
        self.all = tuple(dialects)
        self._ports = ports or {}

    def of(self, request: web.BaseRequest) -> Dialect:
        """Return the dialect of a request, by its path, else its headers, else its port."""
        if (dialect := self.named(request.path, request.headers)) is not None:
            return dialect
        return self.all[0] if request.path.startswith(FIRST) else self._ports.get(port_of(request), self.all[0])

    def named(self, path: str, headers: Mapping[str, str]) -> Dialect | None:
        """Return the dialect that the path or a header identifies, or None."""
        for dialect in self.all:
            if path.startswith(dialect.prefixes):
                return dialect
        return next((one for one in self.all if any(mark in headers for mark in one.marks)), None)
