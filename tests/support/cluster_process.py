"""A node in its own process: a whole bridge, with `DrivingWorker` in place of the browser."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess, SpawnProcess
from pathlib import Path
from typing import Any

import aiohttp

import bridge
from bridge.api.access.credentials import load_credentials
from bridge.api.listening import close_to_others, listen
from bridge.api.routes import build_runner
from bridge.monitor.monitor import Monitor
from bridge.settings import ServerSettings
from bridge.storage.profile_key import Identity
from tests.support.cluster_nodes import node_of, settings_of
from tests.support.waiting import LIMIT
from tests.support.wall_clock import WallClock

DRAIN = 20.0


async def main(said: dict[str, Any], on_listening: Callable[[], None]) -> None:
    """Run the node until SIGTERM, then stop it as a bridge stops."""
    bridge.__version__ = said["version"]
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    settings = settings_of(
        Path(said["folder"]), said["redis"], said["name"], said["lease"], max_accounts=said.get("most")
    )
    settings = settings.model_copy(update={"server": ServerSettings(port=said["port"], no_auth=True)})
    identity = await asyncio.to_thread(Identity.parse, said["identity"], "the test")
    access = await asyncio.to_thread(load_credentials, settings.config, settings.server, settings.dashboard)
    node = node_of(settings, identity, said["recorder"], *said["accounts"], pace=said["pace"])
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(node)
        runner = build_runner(run.everywhere, settings, access, Monitor(settings))
        await listen(stack, runner, settings.server)
        on_listening()
        await stopped.wait()
        await run.everywhere.drain(DRAIN)
        await close_to_others(runner)
        await run.everywhere.ended_elsewhere()


@dataclass
class Outcome:
    """What a client got: the words of the answer, or the code of an error, or `broken` if the connection broke."""

    words: int = 0
    code: str = ""
    message: str = ""
    is_whole: bool = False
    is_unsent: bool = False


_ANEW = multiprocessing.get_context("spawn")
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["pytest", __name__])
"""One process imports a node's modules, which takes seconds on a busy machine; each node is a fork of it."""


def _run(said: dict[str, Any], told: Connection) -> None:
    """Run a node in a child process."""
    with Path("/dev/null").open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    asyncio.run(main(said, lambda: told.send("listening")))


class NodeProcess:
    """Starts, kills, freezes and stops the process of one node; `clock` sets its wall clock, if given."""

    clock: WallClock | None = None

    def __init__(self, port: int, **said: Any) -> None:
        self.name: str = said["name"]
        self._said = {**said, "port": port}
        self.url = f"http://127.0.0.1:{port}"
        self.process: ForkServerProcess | SpawnProcess | None = None

    async def start(self, accounts: Sequence[str] = (), version: str = bridge.__version__) -> None:
        """Start it as a bridge of the given version, and wait until it answers."""
        said = {**self._said, "accounts": list(accounts), "version": version}
        here, there = _PROCESSES.Pipe(duplex=False)
        if self.clock is None:
            self.process = _PROCESSES.Process(target=_run, args=(said, there), daemon=True)
            await asyncio.to_thread(self.process.start)
        else:  # a fork has the clock of its parent process
            self.process = _ANEW.Process(target=_run, args=(said, there), daemon=True)
            with self.clock.worn():
                await asyncio.to_thread(self.process.start)
        there.close()
        try:
            assert await asyncio.to_thread(here.poll, LIMIT)
            assert here.recv() == "listening"
        finally:
            here.close()

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self.process is not None
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    async def ended(self) -> int | None:
        """Wait until the process has ended."""
        assert self.process is not None
        await asyncio.to_thread(self.process.join, LIMIT)
        return self.process.exitcode

    async def kill(self) -> None:
        """Kill the process."""
        if self.process is not None and self.process.exitcode is None:
            self.signal(signal.SIGKILL)
        await self.ended()

    async def ask(self, session: aiohttp.ClientSession, prompt: str) -> Outcome:
        """Request a streamed answer, and return the outcome."""
        body = {"model": "deepseek-chat", "stream": True, "messages": [{"role": "user", "content": prompt}]}
        outcome = Outcome()
        try:
            async with session.post(f"{self.url}/v1/chat/completions", json=body) as response:
                if response.status != 200:
                    error = (await response.json())["error"]
                    outcome.code, outcome.message = error["code"], error["message"]
                    outcome.is_unsent = response.headers.get("x-should-retry") != "false"
                    return outcome
                async for line in response.content:
                    _take(outcome, line)
        except (aiohttp.ClientError, OSError, TimeoutError):
            outcome.code = outcome.code or "broken"
        return outcome


def _take(outcome: Outcome, line: bytes) -> None:
    data = line.removeprefix(b"data: ").strip()
    if not line.startswith(b"data: "):
        return
    if data == b"[DONE]":
        outcome.is_whole = True
        return
    said = json.loads(data)
    if "error" in said:
        outcome.code, outcome.message = said["error"]["code"], said["error"]["message"]
    for choice in said.get("choices", ()):
        outcome.words += len((choice["delta"].get("content") or "").split())
