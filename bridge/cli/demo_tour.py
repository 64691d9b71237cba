"""Runs the whole bridge on the built-in demo site, from the login to a chat over HTTP.

Outside `bench`, only this module knows the demo site. All its files are in a folder that it deletes at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from bridge.app import Bridge, running
from bridge.browser import chromium
from bridge.browser.browser import Chromium
from bridge.cli.announcement import print_examples
from bridge.cli.terminal_chat import Conversation, Screen
from bridge.client import Client, Piece, from_here, is_free
from bridge.demo import DemoSite
from bridge.demo.standins import STAND_INS, StandIn
from bridge.errors import SetupError
from bridge.log import log_fact
from bridge.login.interactive_login import Credentials, log_in, profile_for
from bridge.settings import BrowserSettings, PageSettings, ProfileKeySource, ServerSettings, Settings
from bridge.sites.known_sites import SHIPPED, load_driver
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import BrowserStarted, ChatStarted, Fact, Telemetry, WorkerChanged, WorkerState

SITE = "deepseek"
PROMPT = "Hello! Do the words arrive while they are written?"


class DemoProgress:
    """A telemetry sink that notes when an account is ready and which one answers, and logs the facts."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.account = ""

    def on_fact(self, fact: Fact) -> None:
        """Note and log one fact."""
        match fact:
            case BrowserStarted():
                return  # shown as a step
            case WorkerChanged(state=WorkerState.READY):
                self.ready.set()
            case ChatStarted():
                self.account = fact.account
        log_fact(fact)


class TimedScreen(Screen):
    """A screen that measures when the first piece came."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.started = time.monotonic()
        self.first = 0.0

    def add(self, piece: Piece) -> None:
        """Write one piece."""
        self.first = self.first or time.monotonic() - self.started
        super().add(piece)


async def run_demo(settings: Settings, console: Console, port: int | None, name: str, *, once: bool) -> None:
    """Show one chat through the whole bridge; without `once` serve until interrupted.

    `name` is the site to imitate: by the demo site, or by the stand-in for another one.
    """
    site = _site(name)
    console.print("[bold]The bridge, on a demo site[/] that stands in for the real one. No account is needed.\n")
    await asyncio.to_thread(chromium.install, settings.browser, console.print)
    port = _port(settings.server, port, console)
    with TemporaryDirectory(prefix="bridge-demo-", ignore_cleanup_errors=True) as folder:
        settings = _apart(settings, Path(folder), port)
        progress = DemoProgress()
        telemetry = Telemetry(progress.on_fact)
        browser = Chromium(settings.pages, telemetry)
        async with site, AsyncExitStack() as stack:
            stack.push_async_callback(browser.close)
            await _step(console, "Starting Chromium", _started(browser, settings.browser))
            await _step(console, "Logging in", _log_all_in(browser, settings.pages, settings.key_source, site))
            model = _model(name, settings.folders.site_files)
            bridge = await stack.enter_async_context(running(settings, telemetry, browser))
            await _step(console, "Opening the accounts", _opened(bridge, progress, settings.turn.ready))
            url, key = from_here(bridge.url), KeyFile(settings.config).keys()[0]
            await _show_chat(Client(url, key), model, progress, console)
            _show_access(url, key, bridge.sign_in_path() or "/dashboard", site, model, console)
            if not once:
                await _until_interrupted(console)


def _port(server: ServerSettings, wanted: int | None, console: Console) -> int:
    """Return the port to listen on, 0 for any free one; raise `SetupError` if `wanted` was given and is in use."""
    host, port = server.host, server.port
    if is_free(host, port):
        return port
    if wanted is not None:
        raise SetupError(f"Port {port} of {host} is in use; choose another one with --port.")
    console.print(f"[yellow]![/] Port {port} is in use, so the bridge picks a free one.")
    return 0


def _apart(settings: Settings, folder: Path, port: int) -> Settings:
    """Return the settings with all data in `folder`, and no pause between chats."""
    return settings.model_copy(
        update={
            "config": folder / "config",
            "profiles": folder / "profiles",
            "profile_key_file": None,
            "profile_key": SecretStr(Identity.generate().export()),
            "server": settings.server.model_copy(update={"port": port, "no_auth": False}),
            "pool": settings.pool.model_copy(update={"min_interval": 0.0}),
        }
    )


async def _step(console: Console, doing: str, work: Awaitable[str]) -> None:
    started = time.monotonic()
    with console.status(f"{doing} …"):
        done = await work
    console.print(f"[green]✓[/] {escape(done)} [dim]({time.monotonic() - started:.1f} s)[/]", soft_wrap=True)


async def _started(browser: Chromium, settings: BrowserSettings) -> str:
    how = "in" if chromium.sandboxed(settings) else "without"
    return f"Chromium {await browser.version()} runs, {how} its sandbox"


def _site(name: str) -> DemoSite | StandIn:
    """Return the demo of that site, which is not started yet."""
    if name == SITE:
        return DemoSite()
    if name not in STAND_INS:
        raise SetupError(f"There is no demo of '{name}'; choose one of {', '.join((SITE, *STAND_INS))} with --site.")
    return StandIn(STAND_INS[name](), ("alice", "bob"))


def _model(name: str, site_files: Path) -> str:
    """Return the id of the site's first model."""
    return "deepseek-chat" if name == SITE else load_driver(name, site_files).models[0].id


async def _log_all_in(
    browser: Chromium, settings: PageSettings, key: ProfileKeySource, site: DemoSite | StandIn
) -> str:
    """Log in all accounts, through the demo site's form or with logins from the stand-in; return the message for it."""
    store = ProfileStore(settings.folders.profiles, load_identity(key))
    if isinstance(site, StandIn):
        return await asyncio.to_thread(_import_logins, settings.folders.site_files, store, site)
    try:
        async with asyncio.TaskGroup() as logins:
            for account in site.accounts:
                profile = profile_for(store, account.name, SITE, site.url)
                credentials = Credentials(account.email, account.password)
                logins.create_task(log_in(browser, settings, store, profile, lambda _: None, credentials))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return f"Logged {' and '.join(account.name for account in site.accounts)} in, through the site's own form"


def _import_logins(site_files: Path, store: ProfileStore, site: StandIn) -> str:
    """Store a login of each account, and the site file with the stand-in's addresses; return the message for it."""
    name = site.wire.name
    site_files.mkdir(parents=True)
    shipped = (SHIPPED / f"{name}.toml").read_text("utf-8")
    (site_files / f"{name}.toml").write_text(site.adapted(shipped), "utf-8")
    for account in site.accounts:
        store.save(Profile(name=account.name, site=name, url=site.url, storage_state=account.storage_state()))
    return (
        f"Imported logins of {' and '.join(account.name for account in site.accounts)}"
        f" from the stand-in for {site.wire.title}"
    )


async def _opened(bridge: Bridge, progress: DemoProgress, limit: float) -> str:
    with suppress(TimeoutError):  # the chat will raise the reason
        async with asyncio.timeout(limit):
            await progress.ready.wait()
    return f"The bridge listens on {bridge.url}"


async def _show_chat(client: Client, model: str, progress: DemoProgress, console: Console) -> None:
    console.print(f"\n[bold]› {PROMPT}[/]\n")
    screen = TimedScreen(console)
    await Conversation(client, model).say(PROMPT, screen)
    whole = time.monotonic() - screen.started
    screen.end()
    console.print(
        f"\n[green]✓[/] First token after {screen.first:.2f} s, the whole answer after {whole:.1f} s,"
        f" by the account {progress.account}",
        soft_wrap=True,
    )


def _show_access(url: str, key: str, path: str, site: DemoSite | StandIn, model: str, console: Console) -> None:
    account = site.accounts[0]
    console.print(f"\n[bold]Base URL[/]   {url}/v1\n[bold]API key[/]    {key}", soft_wrap=True)
    console.print(f"[bold]Dashboard[/]  {url}{path} (signs in once, for some minutes)", soft_wrap=True)
    console.print(f"[bold]Demo site[/]  {site.url} (as {account.email}, password {account.password})", soft_wrap=True)
    print_examples(console, url, key, model)


async def _until_interrupted(console: Console) -> None:
    console.print("[dim]Ctrl-C stops the demo.[/]")
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    console.print("[dim]Stopping …[/]")
