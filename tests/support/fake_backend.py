"""A backend that plays a script, and a real server in front of it, for the tests of the HTTP side."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from openai import AsyncOpenAI

from bridge.api.access.credentials import Credentials, load_credentials
from bridge.api.access.rate_limiter import RateLimiter
from bridge.api.access.sessions import Sessions
from bridge.api.admin.admin_context import OptionalParts
from bridge.api.routes import build_runner
from bridge.chat.account_control import Archive, Finding
from bridge.chat.model_names import listed, resolve
from bridge.chat.operator_visit import Visit
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import Account, ChatEvent, ChatRequest, Finish, Model, Opened, Text, Thinking
from bridge.errors import RequestError, UnknownAccount
from bridge.monitor.metrics import Metrics
from bridge.monitor.monitor import Monitor
from bridge.settings import (
    ApiSettings,
    BrowserSettings,
    DashboardSettings,
    FileSettings,
    MetricsSettings,
    ResponseSettings,
    ServerSettings,
    Settings,
    TokenSettings,
)
from bridge.storage.api_keys import Key
from bridge.storage.atomic import create_file
from bridge.storage.chat_history import ChatHistory, folder_in
from bridge.storage.profile_key import Identity
from bridge.storage.response_store import ResponseStore
from bridge.storage.usage_file import usage_path
from bridge.storage.usage_record import UsageRecord
from bridge.storage.zip_archive import in_folder, zipped
from bridge.telemetry import Telemetry, WorkerState
from tests.support.fake_views import FakeViews
from tests.support.openai_schema import checked
from tests.support.sdk import sdk
from tests.support.waiting import LIMIT

KEY = "sk-bridge-0123456789abcdefghijklmnopqrstuvwxyz"
ADMIN_KEY = "sk-bridge-admin-0123456789abcdefghijklmnopqrst"
METRICS_KEY = "sk-bridge-metrics-0123456789abcdefghijklmnopqr"
BASES = (
    Model("deepseek"),
    Model("deepseek-chat"),
    Model("deepseek-reasoner", thinking=True),
    Model("bounded", context_length=1000),
)
HELLO: tuple[ChatEvent, ...] = (Opened(), Thinking("Hm."), Text("Hel"), Text("lo"), Finish())

Step = ChatEvent | Exception | asyncio.Event


@dataclass
class FakeBackend:
    """Yields the events of `script`, raises its exceptions and waits at its gates."""

    script: Sequence[Step] = HELLO
    scripts: list[Sequence[Step]] = field(default_factory=list)
    """Scripts of the next chats, each played once; then `script` again."""
    choices: Sequence[Sequence[Step]] = ()
    """Scripts of the answers of one request, by the number at the end of their id; they start in any order."""
    reason: str | None = None
    limit: RateLimit | None = None
    place: int | None = None
    live: Sequence[str] = ()
    known: Sequence[Account] = ()
    checked: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """The operator's commands, such as `pause alice`."""
    picture: bytes | None = None
    bundle_at: Path = Path("bundle")
    requests: list[ChatRequest] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    ran_out: bool = False
    fails_to_close: Exception | None = None
    """Raised at the end of each chat, however it ends."""

    def begin_anew(self) -> None:
        """Forget all chats, and play the first script to the next one."""
        vars(self).update(vars(FakeBackend()))

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Play the script."""
        waiting, closed = self.waiting, self.closed  # a chat that outlives its test does not affect the next one
        self.requests.append(request)
        try:
            for step in self._next_script(request):
                match step:
                    case asyncio.Event():
                        waiting.set()
                        await step.wait()
                    case Exception():
                        raise step
                    case _:
                        yield step
            self.ran_out = True
        finally:
            closed.set()
            if self.fails_to_close is not None:
                raise self.fails_to_close

    def _next_script(self, request: ChatRequest) -> Sequence[Step]:
        if self.choices:
            return self.choices[int(request.id.rpartition("-")[2])]
        return self.scripts.pop(0) if self.scripts else self.script

    def models(self) -> Sequence[Model]:
        """Return the listed models."""
        return listed(BASES)

    def model(self, name: str) -> Model:
        """Return the model of that name."""
        return resolve(name, BASES)

    def first_model(self) -> Model:
        """Return the first model."""
        return BASES[0]

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return the scripted limit."""
        return self.limit

    def place_in_queue(self, request: ChatRequest) -> int | None:
        """Return the scripted place."""
        return self.place

    async def is_live(self, token: str) -> bool:
        """Tell whether the token is among the scripted ones."""
        return token in self.live

    def unready(self) -> str | None:
        """Return the scripted reason."""
        return self.reason

    def accounts(self) -> Sequence[Account]:
        """Return the scripted accounts."""
        return self.known

    async def check(self, name: str) -> Account:
        """Return the scripted account as if just checked."""
        found = self._account(name)
        self.checked.append(name)
        return found

    async def pause(self, name: str) -> Account:
        """Pause the scripted account."""
        return self._changed(name, "pause", is_paused=True)

    async def resume(self, name: str) -> Account:
        """Resume the scripted account."""
        return self._changed(name, "resume", is_paused=False)

    async def wake(self, name: str) -> Account:
        """Record the command."""
        return self._changed(name, "wake")

    async def sleep(self, name: str) -> Account:
        """Record the command."""
        return self._changed(name, "sleep")

    async def reopen(self, name: str) -> Account:
        """Record the command."""
        return self._changed(name, "reopen")

    async def renew(self, name: str) -> Account:
        """Record the command."""
        return self._changed(name, "renew")

    async def add(self, name: str) -> Account:
        """Add an account."""
        self.done.append(f"add {name}")
        self.known = [*self.known, Account(name, WorkerState.READY, "", None, is_busy=False)]
        return self._account(name)

    async def remove(self, name: str) -> None:
        """Remove the account."""
        self._changed(name, "remove")
        self.known = [account for account in self.known if account.name != name]

    async def rename(self, name: str, to: str) -> Account:
        """Rename the account."""
        return self._changed(name, f"rename to {to}:", name=to)

    async def bundle(self, name: str) -> Archive:
        """Return the scripted bundle."""
        self._changed(name, "bundle")
        return Archive(self.bundle_at.name, await asyncio.to_thread(lambda: zipped(in_folder(self.bundle_at))))

    async def thumbnail(self, name: str) -> bytes | None:
        """Return the scripted picture."""
        self._account(name)
        return self.picture

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[Visit]:
        """Hold the account while the context is open."""
        self._changed(name, "hold", is_held=True)
        try:
            yield Visit()
        finally:
            self._changed(name, "release", is_held=False)

    def cancel(self, chat: str) -> bool:
        """Record the command; tell whether a chat of that id was requested."""
        self.done.append(f"cancel {chat}")
        return any(request.id == chat for request in self.requests)

    def _account(self, name: str) -> Account:
        found = next((one for one in self.known if one.name == name), None)
        if found is None:
            raise UnknownAccount(f"There is no account {name!r} here.")
        return found

    def _changed(self, name: str, wish: str, /, **what: Any) -> Account:
        changed = replace(self._account(name), **what)
        self.done.append(f"{wish} {name}")
        self.known = [changed if one.name == name else one for one in self.known]
        return changed


@dataclass(frozen=True)
class Served:
    """A running server and two clients of it; both check every answer against the SDK's own types."""

    backend: FakeBackend
    app: web.Application
    port: int
    config: Path
    access: Credentials
    limiter: RateLimiter
    monitor: Monitor
    http: aiohttp.ClientSession
    openai: AsyncOpenAI
    telemetry: Telemetry

    def post(self, **body: Any) -> Any:
        """Request a chat; by default, a plain question."""
        given = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], **body}
        return self.http.post("/v1/chat/completions", json=given)


@dataclass
class FakeImports:
    """Accepts every login that does not say `bad`, and records what it was given."""

    backend: FakeBackend

    async def token(self, name: str, site: str, url: str | None, token: str) -> str:
        """Accept a token."""
        if token == "bad":
            raise RequestError("The site does not take it.", param="token")
        return self._stored("token", name, site, url)

    async def storage_state(self, name: str, site: str, url: str | None, state: bytes | Mapping[str, object]) -> str:
        """Accept a storage state."""
        return self._stored("storage state", name, site, url)

    async def profile(self, name: str | None, sealed: bytes, key: str | None = None) -> str:
        """Accept a profile."""
        return self._stored(f"profile {sealed!r} {key}", name)

    def _stored(self, *what: str | None) -> str:
        self.backend.done.append(" ".join(str(one) for one in what))
        return "It is stored."


async def examine() -> Sequence[Finding]:
    """Report that all is well."""
    return [Finding("one", True, "Well.")]


async def examine_site(name: str) -> Sequence[Finding]:
    """Report that the site has not changed."""
    return [Finding(f"page of {name}", True, "Every control was found.")]


def access_of(settings: Settings | None = None, *, locked: bool = True) -> Credentials:
    """Return the keys of tests: one that may chat, and one that may do everything.

    With `settings`, they are in the files that those name.
    """
    if settings is not None:
        for name, key in (("api_keys", KEY), ("admin_key", ADMIN_KEY)):
            create_file(settings.config / name, f"{key}\n".encode())
        return load_credentials(settings.config, settings.server, settings.dashboard)
    keys = [
        Key.of(KEY, "chats", "chat"),
        Key.of(ADMIN_KEY, "tests", "admin"),
        Key.of(METRICS_KEY, "prometheus", "metrics"),
    ]
    return Credentials(keys, Sessions(hours=1), is_free=not locked)


@asynccontextmanager
async def serving(
    server: ServerSettings | None = None,
    api: ApiSettings | None = None,
    files: FileSettings | None = None,
    *,
    tokens: bool = False,
    locked: bool = True,
    dashboard: DashboardSettings | None = None,
    browser: BrowserSettings | None = None,
    key_files: bool = False,
    responses: ResponseSettings | None = None,
    metrics: MetricsSettings | None = None,
    clock: Callable[[], float] = time.time,
    monitored: bool = False,
) -> AsyncIterator[Served]:
    """Run the real application on a free loopback port; its monitor looks at machine and log only if `monitored`."""
    backend, config = FakeBackend(), tempfile.TemporaryDirectory()
    settings = Settings(
        config=Path(config.name),
        server=server or ServerSettings(),
        api=api or ApiSettings(),
        files=files or FileSettings(),
        tokens=TokenSettings(enabled=tokens),
        dashboard=dashboard or DashboardSettings(),
        browser=browser or BrowserSettings(),
        responses=responses or ResponseSettings(),
        metrics=metrics or MetricsSettings(),
    )
    access, monitor = access_of(settings if key_files else None, locked=locked), Monitor(settings)
    monitor.accounts, monitor.unready, monitor.tick = backend.accounts, backend.unready, 0.02
    counted = await asyncio.to_thread(Metrics, settings.metrics)
    telemetry = Telemetry(monitor, counted)
    history = None
    if settings.dashboard.history:
        history = ChatHistory(folder_in(settings.config), Identity.generate(), settings.dashboard)
    usage = UsageRecord(usage_path(settings.config), settings.usage.max_age, clock)
    limiter = RateLimiter(access.named, usage.add, clock)
    kept = ResponseStore(settings.config / "responses.sqlite", Identity.generate(), settings.responses)
    runner = build_runner(
        backend,
        settings,
        access,
        monitor,
        OptionalParts(
            examine,
            examine_site,
            history,
            FakeImports(backend),
            FakeViews(),
            kept,
            telemetry.emit,
            counted if settings.metrics.enabled else None,
            limiter,
            usage,
        ),
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        base = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {KEY}"}
        timeout = aiohttp.ClientTimeout(total=LIMIT)
        async with (
            monitor if monitored else nullcontext(),
            aiohttp.ClientSession(base, headers=headers, timeout=timeout, trace_configs=[checked()]) as http,
            sdk(f"{base}/v1", KEY, timeout=LIMIT, _strict_response_validation=True) as openai,
        ):
            yield Served(backend, runner.app, port, settings.config, access, limiter, monitor, http, openai, telemetry)
    finally:
        await runner.cleanup()
        await kept.close()
        await usage.close()
        if history is not None:
            await history.close()
        config.cleanup()


async def soon(event: asyncio.Event) -> None:
    """Wait for `event`, up to a test's limit."""
    await asyncio.wait_for(event.wait(), LIMIT)
