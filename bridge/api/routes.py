"""Puts the HTTP side together: the surfaces and paths, the guard in front of them, and the teller of failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from aiohttp import web

from bridge.api.access.cors import Origins
from bridge.api.access.credentials import Access
from bridge.api.access.guard import Guard
from bridge.api.admin import dashboard_files, sign_in
from bridge.api.admin.admin_context import Extras, Operation, Parts
from bridge.api.admin.admin_routes import operations
from bridge.api.connections import Runner
from bridge.api.endpoint import ChatEndpoint
from bridge.api.file_routes import Files
from bridge.api.health import Health
from bridge.api.http_errors import failures, name_request
from bridge.api.malformed import Malformed
from bridge.api.model_list import ModelList
from bridge.api.openai.chat_completions import OpenAIChat
from bridge.api.openai.completions import OpenAICompletions
from bridge.api.openapi import Description
from bridge.api.rate_limit_headers import limits
from bridge.api.request_body import BodyReader
from bridge.api.surface import Surface
from bridge.api.token_check import TokenCheck
from bridge.chat.account_control import AccountControl
from bridge.chat.types import ChatBackend
from bridge.monitor.monitor import Monitor
from bridge.settings import Settings
from bridge.storage.chat_history import History
from bridge.storage.file_store import FileStore

UNLOCKED = frozenset(
    {"/", "/ping", "/healthz", "/readyz", "/docs", "/openapi.json", *dashboard_files.OPEN, *sign_in.OPEN}
)
"""The only paths that need no key, some only by one method."""
SERVED = "POST /v1/chat/completions, POST /v1/completions, GET /v1/models and /v1/files"
"""What a client that missed its path is told of."""


def spellings(path: str) -> tuple[str, ...]:
    """Return the forms of a path: also without `/v1`, for clients whose base URL lacks it, and with a last slash."""
    forms = dict.fromkeys((path, path.removeprefix("/v1")))
    return (*forms, *(f"{form}/" for form in forms if form != "/"))


FORMS = frozenset(spellings(Files.path))
"""The paths whose bodies are forms, not JSON."""


class Backend(ChatBackend, AccountControl, Protocol):
    """What answers chats, and lets its operator handle the accounts."""


def build_runner(
    backend: Backend,
    settings: Settings,
    access: Access,
    monitor: Monitor,
    extras: Extras | None = None,
) -> Runner:
    """Return what runs the endpoint, and with it the dashboard, which shows what `monitor` knows."""
    app = _build_app(backend, settings, access, monitor, extras or Extras())
    return Runner(app, settings.server, Malformed(app.router.routes(), SERVED), surfaces(settings)[0].error)


def for_tokens(settings: Settings) -> frozenset[str]:
    """Return the paths that a client may use by the site's own userTokens, without a key."""
    paths = {ModelList.path, f"{ModelList.path}/{{id}}", *(surface.path for surface in surfaces(settings))}
    return frozenset(form for path in paths for form in spellings(path) if settings.tokens.enabled)


def surfaces(settings: Settings) -> tuple[Surface[Any], ...]:
    """Return the dialects that are served; the first one's errors are for paths that belong to none."""
    return OpenAIChat(settings.api), OpenAICompletions(settings.api)


def routes(
    backend: ChatBackend,
    settings: Settings,
    store: FileStore,
    bodies: BodyReader,
    admin: Sequence[Operation],
    history: History | None,
) -> list[web.RouteDef]:
    """Return every route, in all spellings of its path."""
    has_page = settings.dashboard.enabled
    health, models = Health(backend, has_page=has_page), ModelList(backend, settings.api.aliases)
    description = Description(tokens=settings.tokens.enabled, operations=admin)
    files = Files(store)
    found = [
        web.get("/", health.root),
        web.get("/ping", health.ping),
        web.get("/healthz", health.alive),
        web.get("/readyz", health.ready),
        web.get("/openapi.json", description.json),
        web.get("/docs", description.page),
        web.get("/v1/models", models.all),
        web.get("/v1/models/{id}", models.one),
        web.post(Files.path, files.keep),
        web.get(Files.path, files.all),
        web.get(f"{Files.path}/{{id}}", files.one),
        web.get(f"{Files.path}/{{id}}/content", files.content),
        web.delete(f"{Files.path}/{{id}}", files.delete),
        *(web.route(operation.method, operation.path, operation.handle) for operation in admin),
    ]
    if settings.tokens.enabled:
        found.append(web.post(TokenCheck.path, TokenCheck(backend, bodies).handle))
    for surface in surfaces(settings):
        endpoint = ChatEndpoint(surface, backend, settings, bodies, store, history)
        found += [web.route(method, surface.path, endpoint.handle) for method in surface.methods]
    return [web.route(route.method, path, route.handler) for route in found for path in spellings(route.path)]


def _build_app(
    backend: Backend, settings: Settings, access: Access, monitor: Monitor, extras: Extras
) -> web.Application:
    store, served, bodies = FileStore(settings), surfaces(settings), BodyReader(settings)
    guard = Guard(access, settings.server, UNLOCKED, for_tokens(settings), FORMS, dashboard_files.PAGES)
    parts = Parts(backend, monitor, access, guard, settings, bodies, extras)
    admin = operations(parts) if settings.dashboard.enabled else ()
    origins = Origins(settings.api.allowed_origins, guard)
    tellers = {path: surface.error for surface in served for path in spellings(surface.path)}
    app = web.Application(
        middlewares=[failures(tellers, served[0].error, SERVED), origins.check],
        client_max_size=settings.server.max_body,
    )
    app.on_response_prepare.append(name_request)
    app.on_response_prepare.append(origins.tell)
    app.on_response_prepare.append(limits(backend))
    app.on_response_prepare.append(dashboard_files.protect)
    app.on_shutdown.append(lambda _: monitor.close())
    app.add_routes(routes(backend, settings, store, bodies, admin, extras.history))
    if settings.dashboard.enabled:
        files = dashboard_files.Page()
        app.add_routes(files.routes())
        app.on_startup.append(files.find)
    app.on_startup.append(lambda _: asyncio.to_thread(store.purge))
    return app
