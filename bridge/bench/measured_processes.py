"""The processes of a measurement: demo sites and bridges, separate, so that their costs can be measured separately."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import psutil

from bridge.errors import SetupError
from bridge.settings import Settings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore

START_LIMIT = 120.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """A running demo site."""

    url: str
    pid: int

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the demo's control API."""
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self.url}/__demo__{path}", json=body) as answer,
        ):
            answer.raise_for_status()
            return await answer.json()


@dataclass(slots=True)
class Served:
    """A running bridge; `ready_after` is in seconds from its start."""

    url: str
    key: str
    pid: int
    ready_after: float = 0.0
    accounts: Sequence[str] = field(default_factory=tuple)
    admin_key: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers of an authenticated request."""
        return {"Authorization": f"Bearer {self.key}"}


@asynccontextmanager
async def demo_site(accounts: Sequence[str], *options: str) -> AsyncGenerator[Site]:
    """Run a demo site without artificial delays."""
    command = ("-m", "bridge.demo", "--port", "0", "--settle", "0", "0", "--difficulty", "1", *options)
    async with _process(*command, "--accounts", *accounts) as process:
        url = await _first(process, r"http://127\.0\.0\.1:\d+")
        yield Site(url, process.pid)


@asynccontextmanager
async def bridge(
    folder: Path,
    site: Site,
    accounts: Sequence[str],
    stats: Path | None = None,
    environment: Mapping[str, str] | None = None,
    most_open: int | None = None,
    checkout: Path | None = None,
) -> AsyncGenerator[Served]:
    """Run a bridge on the site with the accounts signed in, and wait until they are ready; profile it into `stats`.

    With `most_open` at most so many accounts are open, and the others sleep; `checkout` is the folder of other code.
    """
    settings = Settings(profiles=folder / "profiles", config=folder / "config")
    await _sign_in(settings, site, accounts)
    sleeping = {} if most_open is None else {"BRIDGE_SLEEP_MAX_OPEN": str(most_open)}
    environment = {**(environment or {}), **sleeping, **_environment(settings)}
    began = time.monotonic()
    profiler = ("-m", "cProfile", "-o", str(stats)) if stats else ()
    command = (*profiler, "-m", "bridge", "serve", "--port", "0")
    async with _process(*command, environment=environment, folder=checkout) as process:
        url = await _first(process, r"http://127\.0\.0\.1:\d+")
        keys = KeyFile(settings.config).keys()[0], KeyFile(settings.config, "admin_key").keys()[0]
        served = Served(url, keys[0], process.pid, accounts=accounts, admin_key=keys[1])
        await _opened(process, accounts, asleep=0 if most_open is None else len(accounts) - most_open)
        served.ready_after = time.monotonic() - began
        async with asyncio.TaskGroup() as tasks:
            drain = tasks.create_task(_drain(process))
            try:
                yield served
            finally:
                drain.cancel()


async def _sign_in(settings: Settings, site: Site, accounts: Sequence[str]) -> None:
    """Store profiles of these accounts, signed in, and remove all others."""
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    for name in store.names():
        store.remove(name)
    for name in accounts:
        state = await site.control("POST", f"/accounts/{name}/session")
        store.save(Profile(name=name, site="deepseek", url=site.url, storage_state=state))


def _environment(settings: Settings) -> Mapping[str, str]:
    """Return the variables for a bridge that uses these folders, sends without pauses, and logs JSON lines."""
    return {
        "BRIDGE_CONFIG": str(settings.config),
        "BRIDGE_PROFILES": str(settings.profiles),
        "BRIDGE_POOL_MIN_INTERVAL": "0",
        "BRIDGE_LOG_JSON_LINES": "true",
    }


async def _opened(process: asyncio.subprocess.Process, accounts: Sequence[str], asleep: int) -> None:
    """Wait until all accounts are ready except `asleep` of them."""
    waiting = set(accounts)
    while len(waiting) > asleep:
        line = json.loads(await _first(process, r'^\{.*"WorkerChanged".*"ready".*\}$'))
        waiting.discard(line["account"])


def memory(pid: int) -> int:
    """Return the memory (PSS) in bytes of the bridge's process tree."""
    return sum(_of(process, lambda one: int(one.memory_full_info().pss), 0) for process in _tree(pid))


def cost_by_kind(pid: int) -> dict[str, float]:
    """Return the CPU seconds used so far by kind of process: the bridge, the driver, and each of Chromium's."""
    kinds: defaultdict[str, float] = defaultdict(float)
    for process in _tree(pid):
        kind = "bridge" if process.pid == pid else _of(process, kind_of, "chromium")
        kinds[kind] += _of(process, lambda one: sum(one.cpu_times()[:2]), 0.0)
    return dict(kinds)


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _of(process: psutil.Process, read: Callable[[psutil.Process], T], otherwise: T) -> T:
    """Return `read(process)`, or `otherwise` if the process has ended."""
    try:
        return read(process)
    except psutil.NoSuchProcess:
        return otherwise


def kind_of(process: psutil.Process) -> str:
    """Return `driver`, or `chromium` and the type of its process."""
    if process.name().startswith("node"):
        return "driver"
    command = process.cmdline()
    for switch in ("--utility-sub-type=", "--type="):
        if named := [part.removeprefix(switch) for part in command if part.startswith(switch)]:
            return f"chromium {named[0].partition('.')[0]}"
    return "chromium browser"


@asynccontextmanager
async def _process(
    *command: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **(environment or {})},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _first(process: asyncio.subprocess.Process, pattern: str) -> str:
    """Return the next match in the process's output; raise `SetupError` if there is none."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(START_LIMIT):
            while process.stdout and (raw := await process.stdout.readline()):
                lines.append(raw.decode("utf-8", "replace").rstrip())
                if found := re.search(pattern, lines[-1]):
                    return found[0]
    except TimeoutError:
        lines.append(f"(nothing more within {START_LIMIT:g} seconds)")
    raise SetupError("A part of the measurement did not start:\n" + "\n".join(lines[-5:]))


async def _drain(process: asyncio.subprocess.Process) -> None:
    while process.stdout and await process.stdout.readline():
        pass
