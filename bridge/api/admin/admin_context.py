"""The dependencies of the admin API's handlers, and reading of request bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.api.access.credentials import Credentials
from bridge.api.access.guard import Guard
from bridge.api.access.rate_limiter import RateLimiter
from bridge.api.http_errors import dump
from bridge.api.request_body import BodyReader
from bridge.chat.account_control import AccountControl, Finding, LoginImport
from bridge.chat.other_nodes import OtherNodes
from bridge.errors import RequestError
from bridge.liveview.interface import LiveViews
from bridge.monitor.metrics import Metrics
from bridge.monitor.monitor import Monitor
from bridge.settings import Settings
from bridge.settings_reload import SettingsReload
from bridge.storage.chat_history import ChatHistory
from bridge.storage.response_store import ResponseStore
from bridge.storage.usage_record import UsageRecord
from bridge.telemetry import Sink


class Form(BaseModel):
    """A JSON body; unknown fields are errors, and errors never quote the body."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


Examine = Callable[[], Awaitable[Sequence[Finding]]]
"""Runs the checks of the bridge, and returns the findings."""
ExamineSite = Callable[[str], Awaitable[Sequence[Finding]]]
"""Checks the site on a page of the named account without sending anything, and returns the findings."""
F = TypeVar("F", bound=Form)


async def _examine_nothing(*_: str) -> Sequence[Finding]:
    return ()


@dataclass(frozen=True, slots=True)
class OptionalParts:
    """The optional parts of a running bridge; None for one that is turned off."""

    examine: Examine = _examine_nothing
    examine_site: ExamineSite = _examine_nothing
    history: ChatHistory | None = None
    imports: LoginImport | None = None
    live: LiveViews | None = None
    responses: ResponseStore | None = None
    emit: Sink = lambda _: None
    """The telemetry sink for facts of the HTTP side."""
    metrics: Metrics | None = None
    limiter: RateLimiter | None = None
    usage: UsageRecord | None = None
    reload: SettingsReload | None = None
    nodes: OtherNodes | None = None
    """The other nodes of the cluster."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The dependencies of the handlers."""

    control: AccountControl
    monitor: Monitor
    access: Credentials
    guard: Guard
    settings: Settings
    bodies: BodyReader
    optional: OptionalParts

    async def body(self, request: web.Request, kind: type[F]) -> F:
        """Return the request's body; raise a `RequestError` that names the bad field."""
        return await self.bodies.read(request, partial(_validated, kind))


def as_json(body: Any, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(body=dump(body), status=status, content_type="application/json")


def _validated(kind: type[F], body: object) -> F:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"]))
    raise RequestError(f"{name or 'The body'}: {first['msg']}.", param=name or None)
