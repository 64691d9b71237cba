"""Builds the HTTP side: the route table, the guard in front of it, and the middleware for errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from bridge.api.access.cors import Origins
from bridge.api.access.credentials import Credentials
from bridge.api.access.guard import Guard
from bridge.api.access.key_policy import KeyPolicy
from bridge.api.admin import dashboard_files
from bridge.api.admin.admin_context import OptionalParts, Parts
from bridge.api.admin.admin_routes import operations
from bridge.api.anthropic.anthropic_dialect import Anthropic
from bridge.api.api_dialect import Dialect, DialectParts, Dialects
from bridge.api.attachments.gather import Gatherer
from bridge.api.attachments.stored_files import StoredFiles
from bridge.api.chat_endpoint import ChatEndpoint
from bridge.api.connections import Runner
from bridge.api.file_routes import FileForm, Files
from bridge.api.gemini.gemini_dialect import Gemini
from bridge.api.health import Health
from bridge.api.http_errors import failures, name_request
from bridge.api.malformed import Malformed
from bridge.api.metrics_routes import MonitoringHandlers
from bridge.api.model_list import ModelList
from bridge.api.model_lookup import ModelLookup
from bridge.api.ollama.ollama_dialect import Ollama
from bridge.api.openai.openai_dialect import OpenAI
from bridge.api.openapi import Description
from bridge.api.request_body import BodyReader
from bridge.api.request_facts import report_requests
from bridge.api.response_headers import dialect_headers
from bridge.api.responses.responses_dialect import Responses
from bridge.api.route_table import FORM, Admission, Operation, rules_of, served_in
from bridge.api.surface import Surface
from bridge.api.token_check import TokenBody, TokenCheck
from bridge.chat.account_control import AccountControl
from bridge.chat.other_nodes import OtherNodes
from bridge.chat.types import ChatBackend
from bridge.monitor.monitor import Monitor
from bridge.settings import ApiSettings, Settings
from bridge.storage.chat_history import ChatHistory
from bridge.storage.file_store import FileStore
from bridge.storage.response_store import ResponseStore
from bridge.tasks import Tasks

TABLE = web.AppKey("route_table", tuple[Operation, ...])
"""The table that the application was built from."""


class Backend(ChatBackend, AccountControl, Protocol):
    """The backend of chats and of the operator's actions on accounts."""


def build_runner(
    backend: Backend,
    settings: Settings,
    access: Credentials,
    monitor: Monitor,
    optional: OptionalParts | None = None,
) -> Runner:
    """Return the runner of the endpoint and the dashboard."""
    app = _build_app(backend, settings, access, monitor, optional or OptionalParts())
    table = app[TABLE]
    malformed = Malformed(app.router.routes(), served_in(table))
    return Runner(app, settings.server, malformed, dialects(settings.api).all[0].error)


def dialects(
    settings: ApiSettings,
    ollama_port: int | None = None,
    mark: str = "",
    responses: ResponseStore | None = None,
    tasks: Tasks | None = None,
    nodes: OtherNodes | None = None,
) -> Dialects:
    """Return all dialects; `tasks` run work that outlives its request, `mark` is the prefix of this node's ids."""
    ollama = Ollama(settings)
    ports = {} if ollama_port is None else {ollama_port: ollama}
    openai = OpenAI(settings), Responses(settings, responses, tasks, nodes, mark)
    return Dialects([*openai, Anthropic(settings), ollama, Gemini(settings)], ports)


async def _never_out(_: web.Request) -> None:
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class ChatParts:
    """The dependencies of the chat routes, None for those that are turned off; `tasks` outlive requests."""

    backend: ChatBackend
    settings: Settings
    files: StoredFiles
    bodies: BodyReader
    history: ChatHistory | None = None
    responses: ResponseStore | None = None
    tasks: Tasks | None = None
    until_out: Callable[[web.Request], Coroutine[None, None, None]] = _never_out
    policy: KeyPolicy = field(default_factory=KeyPolicy)
    nodes: OtherNodes | None = None

    @property
    def admission(self) -> Admission:
        """Return the credentials that a chat needs."""
        return Admission.USER_TOKEN if self.settings.tokens.enabled else Admission.KEY

    def endpoint(self, surface: Surface[Any], models: ModelLookup | None = None) -> ChatEndpoint[Any]:
        """Return the endpoint of a surface."""
        models = models or ModelLookup(self.backend, self.settings.api.aliases)
        gatherer = Gatherer(self.files, self.settings.files)
        return ChatEndpoint(
            surface, self.backend, self.settings.server, self.bodies, gatherer, models, self.history, self.policy
        )


def route_table(chats: ChatParts, beside: Sequence[Operation] = ()) -> Sequence[Operation]:
    """Return the table of all routes, including the operations `beside` those of chats."""
    settings = chats.settings
    own = settings.server.ollama_port, settings.cluster.mark
    spoken = dialects(settings.api, *own, chats.responses, chats.tasks, chats.nodes)
    models = ModelList(chats.backend, settings.api.aliases, spoken, chats.policy)
    table = [
        *_health(chats.backend, spoken, has_page=settings.dashboard.enabled),
        *_models(models, chats.admission),
        *_files(Files(chats.files, spoken)),
        *beside,
        *(_token_check(chats) if settings.tokens.enabled else ()),
    ]
    for dialect in spoken.all:
        table += [*_chats(dialect, chats), *dialect.operations(_dialect_parts(chats, models))]
    return [*table, *_description(table)]


def _dialect_parts(chats: ChatParts, models: ModelList) -> DialectParts:
    return DialectParts(
        chats.backend,
        chats.settings.server,
        chats.settings.cluster.mark,
        chats.bodies,
        chats.files,
        models.all,
        models.one,
        models.listed,
        models.find,
        chats.admission,
        chats.endpoint,
        chats.until_out,
    )


def _chats(dialect: Dialect, chats: ChatParts) -> Iterator[Operation]:
    """Yield the chat routes of a dialect."""
    models = ModelLookup(chats.backend, chats.settings.api.aliases, dialect.default_model)
    for surface in dialect.surfaces():
        handle = chats.endpoint(surface, models).handle
        for method in surface.methods:
            yield Operation(
                method,
                surface.path,
                surface.summary,
                handle,
                surface.body,
                admission=chats.admission,
                stream=surface.stream_type.partition(";")[0],
                error=dialect.error_schema,
                is_untyped=surface.is_untyped,
            )


def _token_check(chats: ChatParts) -> Sequence[Operation]:
    check = TokenCheck(chats.backend, chats.bodies)
    what = "Tell whether a userToken of the site still signs in"
    return (Operation("POST", check.path, what, check.handle, TokenBody),)


def _health(backend: ChatBackend, spoken: Dialects, *, has_page: bool) -> Sequence[Operation]:
    health, nothing = Health(backend, spoken, has_page=has_page), Admission.NOTHING
    readiness = "Tell whether the bridge can take a chat now, and with a key the states of the accounts"
    return (
        Operation("GET", "/", "", health.root, admission=nothing),
        Operation("GET", "/ping", "Return pong", health.ping, answer="text/plain", admission=nothing),
        Operation("GET", "/healthz", "Tell whether the process answers", health.alive, admission=nothing),
        Operation("GET", "/readyz", readiness, health.ready, admission=nothing),
    )


def _models(models: ModelList, admission: Admission) -> Sequence[Operation]:
    return (
        Operation("GET", models.path, "List the models", models.all, admission=admission),
        Operation("GET", f"{models.path}/{{id}}", "Describe one model", models.one, admission=admission),
    )


def _files(files: Files) -> Sequence[Operation]:
    one, content = f"{files.path}/{{id}}", "Return the bytes of one stored file"
    return (
        Operation("GET", files.path, "List the stored files", files.all),
        Operation("POST", files.path, "Store a file", files.keep, FileForm, body_type=FORM),
        Operation("GET", one, "Describe one stored file", files.one),
        Operation("DELETE", one, "Delete one stored file", files.delete),
        Operation("GET", f"{one}/content", content, files.content, answer="application/octet-stream"),
    )


def _description(table: Sequence[Operation]) -> Sequence[Operation]:
    description, nothing = Description(table), Admission.NOTHING
    return (
        Operation("GET", "/openapi.json", "", description.json, admission=nothing),
        Operation("GET", "/docs", "", description.page, answer="text/html", admission=nothing),
    )


def _build_app(
    backend: Backend, settings: Settings, access: Credentials, monitor: Monitor, optional: OptionalParts
) -> web.Application:
    spoken, bodies = dialects(settings.api, settings.server.ollama_port), BodyReader(settings.server, settings.tokens)
    store = FileStore(settings.folders.files, settings.files, settings.cluster.mark)
    guard, page = Guard(access, settings.server), dashboard_files.Page()
    parts = Parts(backend, monitor, access, guard, settings, bodies, optional)
    operator = (*operations(parts), *page.operations()) if settings.dashboard.enabled else ()
    observed = MonitoringHandlers(monitor, optional.metrics, settings.metrics).operations()
    tasks = Tasks()
    policy, kept = KeyPolicy(access, optional.limiter), (optional.history, optional.responses)
    files = StoredFiles(store, optional.nodes)
    chats = ChatParts(backend, settings, files, bodies, *kept, tasks, guard.until_out, policy, optional.nodes)
    table = route_table(chats, (*operator, *observed))
    guard.use(rules_of(table))
    origins = Origins(settings.api.allowed_origins, guard)
    app = web.Application(
        middlewares=[
            report_requests(table, optional.emit),
            failures(lambda request: spoken.of(request).error, served_in(table), settings.cluster.mark),
            origins.check,
        ],
        client_max_size=settings.server.max_body,
    )
    app.on_response_prepare.append(name_request)
    app.on_response_prepare.append(origins.add_headers)
    app.on_response_prepare.append(dialect_headers(backend, spoken, policy.limiter))
    app.on_response_prepare.append(dashboard_files.protect)
    app.on_shutdown.append(lambda _: monitor.close())
    app.on_shutdown.append(lambda _: tasks.close())
    app[TABLE] = tuple(table)
    app.add_routes(route for operation in table for route in operation.routes())
    if settings.dashboard.enabled:
        app.on_startup.append(page.find)
    app.on_startup.append(lambda _: asyncio.to_thread(store.purge))
    return app
