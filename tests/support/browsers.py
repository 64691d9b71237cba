"""Browsers and screens that operators use: a Chrome of their own, the headless shell, an X server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import urllib.request
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from playwright._impl._driver import compute_driver_executable

from bridge.browser.chromium import find, sandboxed
from bridge.browser.processes import command, descendants
from bridge.errors import SetupError
from bridge.settings import BrowserSettings
from tests.support.listening import is_open
from tests.support.waiting import until

START_LIMIT = 40.0


def need(is_there: object, what: str) -> None:
    """Skip the test if something that it needs is not installed; on a CI machine, fail it."""
    if is_there:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing; .ci/run installs it")
    pytest.skip(f"{what} is not installed")


def need_shell() -> None:
    """Skip or fail the test if the headless shell is not installed."""
    need(_shell(), "the headless shell (Debian: chromium-headless-shell)")


def light_browser(**more: Any) -> BrowserSettings:
    """Return the settings of the browser of most tests: the headless shell, for half the processor time.

    If FULL_CHROMIUM is set, or the shell is not installed, it is the bridge's default browser.
    """
    return BrowserSettings(**{"check_every": 0.5, "shell": is_light(), **more})


def is_light() -> bool:
    """Tell whether tests use the headless shell."""
    return not os.environ.get("FULL_CHROMIUM") and _shell() is not None


def _shell() -> Path | None:
    try:
        return find(BrowserSettings(shell=True))
    except SetupError:
        return None


@dataclass
class OperatorsChrome:
    """A browser with an open debugging port and one tab of its operator."""

    port: int
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        """Return the value for the setting `browser.connect`."""
        return f"http://127.0.0.1:{self.port}"

    async def tabs(self) -> list[str]:
        """Return the titles of all pages in it."""
        return [one["title"] for one in await self._ask("list") if one["type"] == "page"]

    async def _ask(self, what: str, method: str = "GET") -> Any:
        def ask() -> Any:
            request = urllib.request.Request(f"{self.url}/json/{what}", method=method)  # noqa: S310
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                return json.load(answer)

        return await asyncio.to_thread(ask)

    async def open(self, html: str) -> None:
        """Open a tab with a document."""
        await self._ask(f"new?{quote(f'data:text/html,{html}')}", "PUT")

    async def until_there(self) -> None:
        """Wait until its port is open."""

        async def is_there() -> bool:
            with suppress(OSError):
                await self._ask("version")
                return True
            return False

        await until(is_there, START_LIMIT)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@asynccontextmanager
async def operators_chrome(
    folder: Path, port: int = 0, settings: BrowserSettings | None = None
) -> AsyncGenerator[OperatorsChrome]:
    """Run a browser as its operator does, with one tab called `Mine`; without settings, the light one."""
    port = port or free_port()
    own = [f"--user-data-dir={folder}", f"--remote-debugging-port={port}", "--headless", "--no-first-run"]
    async with _program(
        str(find(settings or light_browser())),
        *own,
        *([] if sandboxed(BrowserSettings()) else ["--no-sandbox"]),
        "data:text/html,<title>Mine</title>",
    ) as process:
        chrome = OperatorsChrome(port, process)
        await chrome.until_there()
        yield chrome


@dataclass
class PlaywrightServer:
    """A Playwright server, as it runs on another machine."""

    port: int
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        """Return its address, in the form that `tests.support.relay` takes."""
        return f"ws://127.0.0.1:{self.port}"

    def browsers(self) -> list[list[str]]:
        """Return the command lines of its browsers that still run."""
        found = [command(child.pid) for child in descendants(psutil.Process(self.process.pid))]
        return [words for words in found if words and not any(word.startswith("--type=") for word in words)]


@asynccontextmanager
async def playwright_server(
    *options: str, port: int = 0, command: str = "run-server", package: Path | None = None
) -> AsyncGenerator[PlaywrightServer]:
    """Run a Playwright server; `package` is the folder of another version than ours."""
    port = port or free_port()
    node, cli = compute_driver_executable()
    program = str(package / "cli.js") if package else cli
    place = ("--host", "127.0.0.1", "--port", str(port)) if command == "run-server" else ()
    # not by `python -m playwright`, which would leave this process running at its end
    async with _program(node, program, command, *place, *options) as process:
        await until(lambda: is_open(port), START_LIMIT)
        try:
            yield PlaywrightServer(port, process)
        finally:
            process.kill()  # once it has had a browser, it does not heed SIGTERM


def launch_config(folder: Path, port: int, path: str) -> Path:
    """Write the configuration of a Playwright server that shares one browser among all clients."""
    options: Mapping[str, object] = {
        "executablePath": str(find(light_browser())),
        "chromiumSandbox": sandboxed(BrowserSettings()),
        "host": "127.0.0.1",
        "port": port,
        "wsPath": path,
    }
    file = folder / "launch.json"
    file.write_text(json.dumps(options), "utf-8")
    return file


@asynccontextmanager
async def screen() -> AsyncGenerator[str]:
    """Run an X server without a screen, and yield the value for the variable DISPLAY."""
    need(shutil.which("Xvfb"), "Xvfb (Debian: xvfb)")
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as said:
        command = ("Xvfb", "-displayfd", str(theirs), "-nolisten", "tcp", "-screen", "0", "1280x1024x24")
        async with _program(*command, pass_fds=(theirs,)):
            os.close(theirs)
            async with asyncio.timeout(START_LIMIT):
                number = await asyncio.to_thread(said.readline)
            yield f":{int(number)}"


@asynccontextmanager
async def _program(*command: str, pass_fds: Sequence[int] = ()) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, pass_fds=pass_fds
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
