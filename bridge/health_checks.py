"""Checks of the installation, each with a time limit; only the last one sends a chat.

A check returns its result, or raises a `BridgeError` that says what to do.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bridge.api.access.credentials import check_reach
from bridge.browser import chromium
from bridge.browser.browser import Chromium
from bridge.chat import types
from bridge.chat.account_control import Finding
from bridge.client import Client, is_free, reachable, trust_here
from bridge.durations import ago
from bridge.errors import AccountConflict, BridgeError, BrowserError, SetupError, SiteChanged
from bridge.pool.pool import Pool
from bridge.settings import BrowserSettings, PageSettings, ProfileKeySource, ServerSettings, Settings
from bridge.settings_sources import file_of
from bridge.sites.known_sites import load_driver
from bridge.storage.api_keys import KeyStore
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import DriftSeen, Fact, Telemetry, Timeline, WorkerState
from bridge.worker.page_checks import CheckLimits, check_page
from bridge.worker.page_session import open_session
from bridge.worker.worker import Worker

QUICK = 10.0
"""Seconds for checks of files and ports."""
SLOW = 60.0
"""Seconds for the start of a browser, or for a page."""
CHAT = 180.0
"""Seconds for a short chat."""
PASSING = (WorkerState.STARTING, WorkerState.RESTING)
"""States that soon end by themselves."""
QUESTION = types.Message("user", "Answer with the word OK.")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `look` returns its result, or raises a `BridgeError` that says what to do."""

    name: str
    look: Callable[[], Awaitable[str]]
    limit: float = QUICK


async def run_check(check: Check) -> Finding:
    """Run a check, and return its result."""
    try:
        async with asyncio.timeout(check.limit):
            return Finding(check.name, True, await check.look())
    except BridgeError as error:
        return Finding(check.name, False, error.message)
    except TimeoutError:
        return Finding(check.name, False, _no_result(check.limit))


async def examine_running(
    settings: Settings, browser: Chromium, accounts: Callable[[], Sequence[types.Account]]
) -> list[Finding]:
    """Run the checks that a running bridge can do on itself: they send nothing and open no page."""
    checks = [
        *await asyncio.to_thread(lambda: list(file_checks(settings, file_of(settings)))),
        browser_check(settings.browser, browser),
    ]
    results = [await run_check(check) for check in checks]
    return [*results, *map(_account, accounts())]


async def examine_site(pool: Pool, settings: PageSettings, name: str) -> list[Finding]:
    """Check the site in another page of an account, which takes no chat meanwhile; send nothing."""
    try:
        async with asyncio.timeout(SLOW), pool.lent(name) as worker:
            session = worker.shown if isinstance(worker, Worker) else None
            if session is None:
                raise BrowserError(f"The page of {name} has just been closed.")
            async with session.another_page(settings.browser.call_limit) as driver:
                return await check_page(driver, name, CheckLimits.of(settings))
    except BridgeError as error:
        return [Finding(f"page of {name}", None if isinstance(error, AccountConflict) else False, error.message)]
    except TimeoutError:
        return [Finding(f"page of {name}", False, _no_result(SLOW))]


def _no_result(limit: float) -> str:
    return f"The check gave no result within {limit:g} seconds."


def _account(account: types.Account) -> Finding:
    is_well = account.state in (WorkerState.READY, WorkerState.ASLEEP)
    ok = True if is_well else None if account.state in PASSING else False
    return Finding(f"account {account.name}", ok, f"{account}.")


def file_checks(settings: Settings, file: Path | None) -> Iterator[Check]:
    """Yield the checks of settings, keys and profiles; blocks."""
    for name, look in (
        ("settings", partial(_settings_file, file)),
        ("config folder", partial(_config_folder, settings.config)),
        ("API keys", partial(_api_keys, settings.config, settings.server)),
        ("profile key", partial(_profile_key, settings.key_source, settings.profiles)),
        ("profiles", partial(_profiles, settings.profiles)),
    ):
        yield Check(name, partial(asyncio.to_thread, look))
    for name in _names(settings.profiles):
        yield Check(
            f"profile {name}", partial(asyncio.to_thread, _profile, settings.key_source, settings.profiles, name)
        )


def port_check(server: ServerSettings) -> Check:
    """Return the check of the port that the bridge listens on."""
    return Check("port", partial(_port, server))


def browser_check(settings: BrowserSettings, browser: Chromium) -> Check:
    """Return the check of the browser."""
    return Check("browser", partial(_browser, settings, browser), SLOW)


def profiles_to_open(key: ProfileKeySource, folder: Path) -> Iterator[Profile]:
    """Yield each profile of a folder that opens; blocks."""
    for name in _names(folder):
        with suppress(SetupError):  # has failed its own check
            yield _stored(key, folder, name)


async def examine_page(settings: PageSettings, browser: Chromium, profile: Profile) -> list[Finding]:
    """Check the site in an account's page that is opened for that; send nothing."""
    try:
        async with asyncio.timeout(SLOW):
            driver_type = await asyncio.to_thread(load_driver, profile.site, settings.folders.site_files)
            async with open_session(browser, profile, driver_type, settings) as session:
                return await check_page(session.driver, profile.name, CheckLimits.of(settings))
    except BridgeError as error:
        return [Finding(f"page of {profile.name}", False, error.message)]
    except TimeoutError:
        return [Finding(f"page of {profile.name}", False, _no_result(SLOW))]


def chat_check(settings: PageSettings, key: ProfileKeySource, browser: Chromium, profile: Profile) -> Check:
    """Return the check that sends one short chat."""
    return Check(f"chat of {profile.name}", partial(_chat, settings, key, browser, profile), CHAT)


def _settings_file(file: Path | None) -> str:
    variables = sum(name.startswith("BRIDGE_") for name in os.environ)
    path = file or Path("bridge.toml")
    source = str(path.absolute()) if path.exists() else "no bridge.toml here, so the defaults"
    plural = "" if variables == 1 else "s"
    return f"{source}, and {variables} environment variable{plural}" if variables else source


def _config_folder(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} is made at the first start"
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022:
        raise SetupError(f"Other users can write to {folder}; run: chmod 700 {shlex.quote(str(folder))}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SetupError(f"This user cannot write to {folder}; make it yours, or name another one with BRIDGE_CONFIG.")
    return f"{folder}, mode {mode:04o}"


def _api_keys(config: Path, server: ServerSettings) -> str:
    store = KeyStore(config)
    check_reach(server, store)
    path = store.plain.path
    if server.no_auth:
        return "none is asked for (server.no_auth)"
    if not path.exists():
        return f"{path} is made at the first start"
    scopes = [key.scope for key in store.all()]
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{scopes.count('chat')} that may chat, {scopes.count('admin')} for the admin API ({path}, mode {mode:04o})"


def _profile_key(key: ProfileKeySource, profiles: Path) -> str:
    if key.text is not None:
        load_identity(key)
        return "from the setting profile_key"
    path = key.file
    if key.is_made and not path.exists():
        if _names(profiles):
            raise SetupError(f"The profile key is missing: restore {path}, or log in again.")
        return f"{path} is made at the first login"
    load_identity(key)
    return f"{path}, mode {stat.S_IMODE(path.stat().st_mode):04o}"


def _profiles(folder: Path) -> str:
    names = _names(folder)
    if not names:
        raise SetupError(f"There is no login in {folder.absolute()}; `bridge login NAME` captures one.")
    return f"{folder.absolute()} holds {', '.join(names)}"


def _profile(key: ProfileKeySource, folder: Path, name: str) -> str:
    profile = _stored(key, folder, name)
    kept = "; its browser's folder is NOT encrypted" if profile.user_data_dir is not None else ""
    return f"opens: {profile.site} at {profile.url}, saved {ago(profile.saved)}{kept}"


def _names(folder: Path) -> list[str]:
    # listing takes no key, and `load_identity` would make one
    return ProfileStore(folder, Identity.generate()).names()


def _stored(key: ProfileKeySource, folder: Path, name: str) -> Profile:
    _profile_key(key, folder)
    return ProfileStore(folder, load_identity(key)).load(name)


async def _port(server: ServerSettings) -> str:
    host, port = server.host, server.port
    if is_free(host, port):
        return f"{port} of {host} is free" if port else f"a free one of {host} is taken at each start"
    client = Client(reachable(server), "", trust_here(server))
    if not await client.is_bridge():
        raise SetupError(
            f"Something else listens on port {port} of {host}, or the address is not this machine's; "
            "choose another one with server.port or server.host."
        )
    if reason := await client.unready():
        raise SetupError(f"A bridge runs at {client.url}, but cannot take chats: {reason}")
    return f"a bridge runs at {client.url}, and can take chats"


async def _browser(settings: BrowserSettings, browser: Chromium) -> str:
    if browser.is_attached:
        return f"elsewhere: connected to Chromium {await browser.version()} at {settings.address}"
    path = await asyncio.to_thread(chromium.find, settings)
    version = await browser.version()
    return f"Chromium {version} starts, {_sandbox(settings)} ({path})"


def _sandbox(settings: BrowserSettings) -> str:
    if chromium.sandboxed(settings):
        return "in its sandbox"
    if settings.sandbox is None:
        return "without its sandbox, because root cannot have one; run the bridge as another user"
    return "without its sandbox, as browser.sandbox says"


async def _chat(settings: PageSettings, key: ProfileKeySource, browser: Chromium, profile: Profile) -> str:
    """Send one short chat; return the times of its answer, or raise if parts of its stream are unknown."""
    facts: list[Fact] = []
    store = ProfileStore(settings.folders.profiles, await asyncio.to_thread(load_identity, key))
    worker = Worker(profile, store, browser, settings, Telemetry(facts.append))
    request = types.ChatRequest("doctor", worker.models[0], (QUESTION,))
    timeline = Timeline(request.id, request.model.id)
    async with worker.opened(), aclosing(worker.chat(request, timeline)) as events:
        answer = "".join([event.text async for event in events if isinstance(event, types.Text)])
    if unknown := [fact.shape for fact in facts if isinstance(fact, DriftSeen)]:
        raise SiteChanged(f"Answered, but the site sent unknown parts: {', '.join(unknown)}.")
    steps = ", ".join(f"{step} after {seconds:.1f} s" for step, seconds in timeline.marks.items())
    return f"an answer of {len(answer)} characters: {steps}"
