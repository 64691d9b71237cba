"""A node in a process of its own: the whole of a bridge but for the browser, whose place `DrivingWorker` takes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
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

DRAIN = 20.0


async def main(said: dict[str, Any]) -> None:
    """Run the node until SIGTERM, then stop as a bridge does."""
    bridge.__version__ = said["version"]
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    settings = settings_of(
        Path(said["folder"]), said["redis"], said["name"], said["lease"], max_accounts=said.get("most")
    )
    settings = settings.model_copy(update={"server": ServerSettings(port=said["port"], no_auth=True)})
    identity = await asyncio.to_thread(Identity.parse, said["identity"], "the test")
    access = await asyncio.to_thread(load_credentials, settings)
    node = node_of(settings, identity, said["recorder"], *said["accounts"], pace=said["pace"])
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(node)
        runner = build_runner(run.everywhere, settings, access, Monitor(settings))
        await listen(stack, runner, settings.server)
        print("listening", flush=True)
        await stopped.wait()
        await run.everywhere.drain(DRAIN)
        await close_to_others(runner)
        await run.everywhere.ended_elsewhere()


@dataclass
class Outcome:
    """What a client got: the words of the answer, or the code of an error, or `broken` where the connection broke."""

    words: int = 0
    code: str = ""
    message: str = ""
    is_whole: bool = False
    is_unsent: bool = False


class NodeProcess:
    """Starts, kills, freezes and stops the process of one node."""

    def __init__(self, port: int, **said: Any) -> None:
        self.name: str = said["name"]
        self._said = {**said, "port": port}
        self.url = f"http://127.0.0.1:{port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, accounts: Sequence[str] = (), version: str = bridge.__version__) -> None:
        """Start it as a bridge of that version, and return when it answers."""
        said = json.dumps({**self._said, "accounts": list(accounts), "version": version})
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.cluster_process", said),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            assert await self.process.stdout.readline() == b"listening\n"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait until it has ended."""
        assert self.process is not None
        async with asyncio.timeout(LIMIT):
            return await self.process.wait()

    async def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def ask(self, session: aiohttp.ClientSession, prompt: str) -> Outcome:
        """Ask it for a streamed answer, and return what came."""
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


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
