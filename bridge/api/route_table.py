"""The table of routes, one `Operation` per path and method, for the router, the OpenAPI document and the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from bridge.api.access.guard import RouteRules

JSON = "application/json"
FORM = "multipart/form-data"


class Admission(Enum):
    """The credentials that a request needs."""

    KEY = auto()
    """An API key or a session; below `/admin/` an admin key or a session."""
    USER_TOKEN = auto()
    """A key, or instead userTokens of the site."""
    METRICS = auto()
    """A key with the scope `metrics`, an admin key, or a session."""
    METRICS_OR_LOCAL = auto()
    """The same, or nothing for requests from this machine."""
    NOTHING = auto()
    """No credentials."""


FIGURES = (Admission.METRICS, Admission.METRICS_OR_LOCAL)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One path and method, with its description for the OpenAPI document."""

    method: str
    path: str
    """The path, with parameters in braces as in aiohttp's router."""
    summary: str
    """One line without a full stop; empty for a route that is not part of the API, such as a page."""
    handle: Handler
    body: type[BaseModel] | None = None
    """The model of the body; None without a body."""
    answer: str = JSON
    """The media type of the response."""
    admission: Admission = Admission.KEY
    body_type: str = JSON
    stream: str = ""
    """The media type of a streamed response; empty without one."""
    error: Mapping[str, Any] = field(default_factory=dict)
    """The JSON Schema of its errors, with a `title`, unless they have OpenAI's form."""
    is_untyped: bool = False
    """Whether a JSON body may come without its content type."""
    is_page: bool = False
    """Whether links on other sites may open it."""
    is_exact: bool = False
    """Whether only this spelling of the path is served."""

    def paths(self) -> Sequence[str]:
        """Return all spellings of the path."""
        return (self.path,) if self.is_exact else spellings(self.path)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes; GET includes HEAD."""
        return [web.route(self.method, path, self.handle) for path in self.paths()]


def spellings(path: str) -> tuple[str, ...]:
    """Return the spellings of a path: also without `/v1`, which some base URLs lack, and with a trailing slash."""
    bare = path.removeprefix("/v1") if path.startswith("/v1/") else path
    forms = dict.fromkeys((path, bare))
    return (*forms, *(f"{form}/" for form in forms if form != "/"))


def served_in(table: Iterable[Operation]) -> str:
    """Return a list of the chat paths, one for each body model, for the error about an unknown path."""
    chats: dict[type[BaseModel] | None, str] = {}
    for one in table:
        if one.method == "POST" and one.stream:
            chats.setdefault(one.body, one.path)
    return f"POST {', '.join(chats.values())}; GET /openapi.json describes all paths"


def rules_of(table: Iterable[Operation]) -> RouteRules:
    """Return the guard's exceptions for the table; a path in none of its sets needs a key."""
    table = list(table)
    locked = _names(one for one in table if one.admission is not Admission.NOTHING)
    unlocked = [one for one in table if one.admission is Admission.NOTHING]
    # If all methods of a path are open, a missing method gets 405 and not 401.
    by_method = {f"{one.method} {name}" for one in unlocked for name in _names([one]) & locked}
    return RouteRules(
        unlocked=(_names(unlocked) - locked) | by_method,
        for_tokens=_names(one for one in table if one.admission is Admission.USER_TOKEN),
        forms=_names(one for one in table if one.body_type == FORM),
        untyped=_names(one for one in table if one.is_untyped),
        figures=_names(one for one in table if one.admission in FIGURES),
        local=_names(one for one in table if one.admission is Admission.METRICS_OR_LOCAL),
        pages=_names(one for one in table if one.is_page),
    )


def path_names(table: Iterable[Operation]) -> dict[str, str]:
    """Map each spelling of a path, in the router's form without a trailing slash, to the path in the table."""
    return {_name(path): one.path for one in table for path in one.paths()}


def _names(table: Iterable[Operation]) -> frozenset[str]:
    """Return the paths in the router's form, without trailing slashes and parameter patterns."""
    return frozenset(_name(path) for one in table for path in one.paths())


@cache
def _name(path: str) -> str:
    return web.DynamicResource(path).canonical.rstrip("/") or "/"
