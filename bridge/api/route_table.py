"""What is served, one `Operation` a path and method: the source of router, OpenAPI document and the guard's rules."""

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
    """What a request must show."""

    KEY = auto()
    """An API key or a session; below `/admin/` an admin key or a session."""
    USER_TOKEN = auto()
    """A key, or in its place userTokens of the site."""
    METRICS = auto()
    """A key with the scope `metrics`, an admin key, or a session."""
    METRICS_OR_LOCAL = auto()
    """The same, or nothing from this machine."""
    NOTHING = auto()
    """Anybody may ask."""


FIGURES = (Admission.METRICS, Admission.METRICS_OR_LOCAL)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One path and method, and what the OpenAPI document says of it."""

    method: str
    path: str
    """With the parameters in braces, as aiohttp's router takes it."""
    summary: str
    """One line without its full stop; empty for what is not part of the API, such as a page."""
    handle: Handler
    body: type[BaseModel] | None = None
    """The model that reads the body; without one none is read."""
    answer: str = JSON
    """The media type of what comes back."""
    admission: Admission = Admission.KEY
    body_type: str = JSON
    stream: str = ""
    """The media type of the stream that comes back where the client asks for one; empty: there is none."""
    error: Mapping[str, Any] = field(default_factory=dict)
    """The JSON Schema of its errors, with a `title`, where they have not the form of OpenAI's."""
    is_untyped: bool = False
    """Whether its JSON may come without its content type."""
    is_page: bool = False
    """Whether a person may come here by a link of another site."""
    is_exact: bool = False
    """Whether the path is served as it is written alone."""

    def paths(self) -> Sequence[str]:
        """Return every path that is served."""
        return (self.path,) if self.is_exact else spellings(self.path)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes; one that answers GET answers HEAD, too."""
        return [web.route(self.method, path, self.handle) for path in self.paths()]


def spellings(path: str) -> tuple[str, ...]:
    """Return the forms of a path: also without `/v1`, for clients whose base URL lacks it, and with a last slash."""
    bare = path.removeprefix("/v1") if path.startswith("/v1/") else path
    forms = dict.fromkeys((path, bare))
    return (*forms, *(f"{form}/" for form in forms if form != "/"))


def served_in(table: Iterable[Operation]) -> str:
    """Return the ways to chat, one for each model of a body, for whoever asked for an unknown path."""
    chats: dict[type[BaseModel] | None, str] = {}
    for one in table:
        if one.method == "POST" and one.stream:
            chats.setdefault(one.body, one.path)
    return f"POST {', '.join(chats.values())}; GET /openapi.json describes all"


def rules_of(table: Iterable[Operation]) -> RouteRules:
    """Return what the guard has to know of the table: everything that is not in these sets asks for a key."""
    table = list(table)
    locked = _names(one for one in table if one.admission is not Admission.NOTHING)
    unlocked = [one for one in table if one.admission is Admission.NOTHING]
    # Where all methods of a path are open, one that it does not have is no secret either: it gets 405, not 401.
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
    """Return for each path, as the router names it without a last slash, the one that the table has for it."""
    return {_name(path): one.path for one in table for path in one.paths()}


def _names(table: Iterable[Operation]) -> frozenset[str]:
    """Return the paths as the router names them, without a last slash and without the patterns of parameters."""
    return frozenset(_name(path) for one in table for path in one.paths())


@cache
def _name(path: str) -> str:
    return web.DynamicResource(path).canonical.rstrip("/") or "/"
