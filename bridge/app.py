"""The composition root: builds the parts, starts them in order, and stops them gracefully.

During the stop the endpoint still answers while running chats end; then the accounts are closed and their profiles
written back, and Chromium closes last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from loguru import logger

from bridge.api.access.credentials import Credentials, load_credentials, renamed_accounts
from bridge.api.admin.admin_context import OptionalParts
from bridge.api.certificate import Certificate, load_certificate
from bridge.api.listening import close_to_others, listen, listen_as_ollama
from bridge.api.routes import build_runner
from bridge.browser import chromium
from bridge.browser.browser import Chromium
from bridge.browser.renewal import browser_renewal
from bridge.chat_records import recorded_history, recorded_usage
from bridge.errors import BridgeError, SetupError
from bridge.health_checks import examine_running
from bridge.liveview.view_registry import ViewRegistry
from bridge.log import log_fact
from bridge.login.login_import import LoginImporter
from bridge.monitor.machine_load import Machine
from bridge.monitor.metrics import Metrics
from bridge.monitor.monitor import Monitor
from bridge.node_services import share_views, site_check
from bridge.pool.maintenance import maintenance
from bridge.pool.open_accounts import OpenAccounts
from bridge.pool.pool import Pool
from bridge.pool.roster import StoredAccounts
from bridge.running_pools import MEMORY_SHARE, Everywhere, running_pools
from bridge.settings import MEBIBYTE, Settings, SleepSettings
from bridge.settings_reload import SettingsReload
from bridge.stop_signals import Stop, signals
from bridge.storage.browser_folders import sweep_folders
from bridge.storage.file_locks import lock_folders
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import ProfileStore
from bridge.storage.response_store import ResponseStore
from bridge.tasks import Tasks
from bridge.telemetry import Telemetry
from bridge.worker.stored_accounts import NewAccounts, ProfileAccounts
from bridge.worker.token_worker import TokenLogins


class Bridge:
    """A running bridge: its addresses and its parts."""

    def __init__(
        self,
        url: str,
        pool: Pool,
        browser: Chromium,
        access: Credentials,
        views: ViewRegistry | None = None,
        ollama_url: str | None = None,
        reload: Callable[[], None] = lambda: None,
        everywhere: Everywhere | None = None,
    ) -> None:
        self.url = url
        self.ollama_url = ollama_url
        self.views = views
        self.pool = pool
        self.everywhere = everywhere or pool
        self.browser = browser
        self._access = access
        self.reload = reload
        """Starts to read the settings again; the result is logged."""

    def account_names(self) -> list[str]:
        """Return the names of all accounts, including those of the cluster that no node has opened yet."""
        known = set() if isinstance(self.everywhere, Pool) else self.everywhere.node.view.names
        return sorted({account.name for account in self.everywhere.accounts()} | known)

    def sign_in_path(self) -> str | None:
        """Return the dashboard's path with a token that signs in once; None if the dashboard is turned off."""
        key = next((key for key in self._access.keys if key.scope == "admin"), None)
        return None if key is None else f"/dashboard#sign-in={self._access.sessions.invite(key.id)[0]}"


@dataclass(frozen=True, slots=True)
class _Base:
    """The parts that all others are built with."""

    settings: Settings
    telemetry: Telemetry
    monitor: Monitor
    metrics: Metrics
    access: Credentials
    identity: Identity
    store: ProfileStore
    certificate: Certificate | None


@asynccontextmanager
async def running(
    settings: Settings, telemetry: Telemetry | None = None, browser: Chromium | None = None, *, only_new: bool = False
) -> AsyncGenerator[Bridge]:
    """Run a bridge with all stored profiles; drain it at exit. Raise `SetupError` for what the operator must fix.

    A given `browser` is left running; without one the bridge starts its own. With `only_new`, only accounts that log in
    while it runs are opened.
    """
    base = await _base(settings, telemetry or Telemetry(log_fact), browser)
    async with AsyncExitStack() as stack:
        if settings.traces.enabled:  # closed last, as closing accounts end chats
            await _send_traces(stack, base.telemetry, settings.cluster.own_name)
        browser = await _chromium(stack, base, browser)
        pool, everywhere = await _pool(stack, base, browser, only_new=only_new)
        views = ViewRegistry(pool, browser, settings.pages, base.store, everywhere.add)
        share_views(everywhere, views)
        base.telemetry.add(views.on_fact)
        optional = await _optional_parts(stack, base, pool, everywhere, browser, views)
        runner = build_runner(everywhere, settings, base.access, base.monitor, optional)
        base.monitor.url = await listen(stack, runner, settings.server, base.certificate)
        ollama_url = await listen_as_ollama(runner, settings.server, base.certificate)
        # Closed in reverse order: the views end first, then the running chats; the endpoint answers until then.
        stack.push_async_callback(everywhere.ended_elsewhere)
        stack.push_async_callback(close_to_others, runner)
        stack.push_async_callback(everywhere.drain, settings.server.drain)
        stack.callback(base.monitor.drain)
        stack.push_async_callback(views.close)
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        if not isinstance(everywhere, Pool):
            tasks.start(_start_early(browser))
        reload = partial(_reload, tasks, optional.reload)
        yield Bridge(base.monitor.url, pool, browser, base.access, views, ollama_url, reload, everywhere)


async def _start_early(browser: Chromium) -> None:
    """Start the browser before another node hands an account over, which is unusable until it is open here."""
    try:
        await browser.version()  # which starts it
    except BridgeError as error:
        logger.warning("{}", error.message)


def _reload(tasks: Tasks, settings: SettingsReload | None) -> None:
    async def read() -> None:
        try:
            if settings is not None:
                await settings.now()
        except BridgeError as error:
            logger.error("{}", error.message)

    tasks.start(read())


async def _base(settings: Settings, telemetry: Telemetry, browser: Chromium | None) -> _Base:
    """Read the keys, and start the monitor and the metrics."""

    def read() -> tuple[Credentials, Identity, Certificate | None]:
        access = load_credentials(settings.config, settings.server, settings.dashboard)
        return access, load_identity(settings.key_source), load_certificate(settings.server)

    access, identity, certificate = await asyncio.to_thread(read)
    monitor, metrics = Monitor(settings), await asyncio.to_thread(Metrics, settings.metrics)
    for sink in (monitor, metrics):
        if browser is not None and (started := browser.started) is not None:
            sink(started)
        telemetry.add(sink)
    store = ProfileStore(settings.profiles, identity)
    return _Base(settings, telemetry, monitor, metrics, access, identity, store, certificate)


async def _chromium(stack: AsyncExitStack, base: _Base, browser: Chromium | None) -> Chromium:
    """Lock the folders for this process, and return the given browser or one of the bridge's own."""
    settings = base.settings
    if settings.browser.connect is None:
        await asyncio.to_thread(chromium.find, settings.browser)
    folders = settings.folders
    locks = lock_folders(folders.config, folders.profiles, folders.files)
    await asyncio.to_thread(stack.enter_context, locks)
    if browser is None:
        browser = Chromium(settings.pages, base.telemetry)
        stack.push_async_callback(browser.close)
    await asyncio.to_thread(sweep_folders, folders, base.store)
    return browser


async def _pool(stack: AsyncExitStack, base: _Base, browser: Chromium, *, only_new: bool) -> tuple[Pool, Everywhere]:
    """Open the accounts, with their maintenance and monitoring; see `running_pools`."""
    settings, telemetry, monitor = base.settings, base.telemetry, base.monitor
    kind = NewAccounts if only_new else ProfileAccounts
    stored = kind(base.store, browser, settings.pages, telemetry)
    tokens = TokenLogins(browser, settings.pages, settings.tokens, telemetry) if settings.tokens.enabled else None
    memory = await asyncio.to_thread(Machine().memory)

    def made(accounts: StoredAccounts, now: Callable[[], float]) -> Pool:
        return Pool([], settings, telemetry, tokens, accounts, now=now)

    pool, everywhere = await stack.enter_async_context(
        running_pools(settings, base.store, stored, made, telemetry, memory)
    )
    await stack.enter_async_context(maintenance(pool, telemetry, settings.browser.check_every))
    await stack.enter_async_context(browser_renewal(browser, settings.browser))
    monitor.unready, monitor.sections.places = everywhere.unready, pool.queue.places
    monitor.accounts, monitor.own_accounts = everywhere.accounts, pool.accounts
    if not isinstance(everywhere, Pool):
        monitor.join(everywhere.control, everywhere.nodes)
    _limit_memory(pool.open_accounts, monitor, settings.sleep, memory)
    await stack.enter_async_context(monitor)
    return pool, everywhere


async def _optional_parts(
    stack: AsyncExitStack, base: _Base, pool: Pool, everywhere: Everywhere, browser: Chromium, views: ViewRegistry
) -> OptionalParts:
    """Return the parts of the HTTP side beside chats."""
    settings, monitor, telemetry = base.settings, base.monitor, base.telemetry
    tasks = Tasks()
    tasks.keep(base.access.watch)
    telemetry.add(renamed_accounts(base.access, tasks))
    stack.push_async_callback(tasks.close)
    usage, limiter = await stack.enter_async_context(
        recorded_usage(settings.config, settings.usage, base.access, everywhere)
    )
    telemetry.add(limiter)
    sources = [telemetry] if isinstance(everywhere, Pool) else [telemetry, everywhere.relayed.telemetry]
    history = await stack.enter_async_context(
        recorded_history(settings.config, settings.dashboard, settings.browser, base.identity, monitor, *sources)
    )
    monitor.has_history, monitor.has_live = history is not None, True
    responses = ResponseStore(settings.config / "responses.sqlite", base.identity, settings.responses)
    stack.push_async_callback(responses.close)
    return OptionalParts(
        partial(examine_running, settings, browser, everywhere.accounts),
        site_check(pool, everywhere, settings.pages),
        history,
        LoginImporter(browser, settings.pages, base.store),
        views,
        responses,
        telemetry.emit,
        base.metrics if settings.metrics.enabled else None,
        limiter,
        usage,
        SettingsReload(settings, pool.queue.assign, *([base.certificate.renew] if base.certificate else [])),
        None if isinstance(everywhere, Pool) else everywhere.nodes,
    )


async def _send_traces(stack: AsyncExitStack, telemetry: Telemetry, node: str) -> None:
    """Send traces until `stack` closes; raise `SetupError` if the library is not installed."""
    try:
        from bridge.monitor.chat_traces import ChatTraces  # needs the extra
    except ImportError as error:
        raise SetupError("traces.enabled needs the extra otel: pip install 'chat-page-bridge[otel]'.") from error
    traces = await asyncio.to_thread(ChatTraces, node)
    telemetry.add(traces)
    stack.push_async_callback(traces.close)


def _limit_memory(open_accounts: OpenAccounts, monitor: Monitor, settings: SleepSettings, memory: int) -> None:
    """Close idle accounts if the browser takes more memory than the settings, or else the machine, allow."""
    most = int(memory * MEMORY_SHARE / MEBIBYTE)
    open_accounts.memory = lambda: monitor.browser_memory
    open_accounts.memory_limit = lambda: most if settings.max_memory is None else settings.max_memory


async def serve(settings: Settings, on_start: Callable[[Bridge], None]) -> None:
    """Run until SIGTERM or SIGINT, then stop gracefully; a second signal ends the running chats, a third everything."""
    stop = Stop()
    try:
        with signals(stop):
            async with running(settings) as bridge:
                stop.hurry, stop.reload = bridge.everywhere.hurry, bridge.reload
                on_start(bridge)
                await stop.asked.wait()
                logger.info("Stopping: no new chats, and {:g} seconds for the running ones", settings.server.drain)
    except asyncio.CancelledError:
        if not stop.asked.is_set():
            raise
        logger.warning("Stopped at once")
