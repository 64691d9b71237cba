"""Starts each page in a folder of its own, with the model behind it, and ends it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Literal

import aiohttp
import psutil
import pytest
from aiohttp import web

from bridge.login.interactive_login import Credentials
from tests.support.browsers import free_port
from tests.support.listening import listening

FOLDER = Path(__file__).parent
BIN = FOLDER / ".venv/bin"
DEEP_CHAT = FOLDER / "deep_chat"
INSTALLED = FOLDER / ".venv/.ready"
START_LIMIT = 120.0
"""Seconds until a page answers, on a slow machine."""
ACCOUNT = Credentials("tester", "pw-outside-1")
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class RealPage:
    """A page that runs; `credentials` are those of its one account, None where everybody may chat."""

    name: str
    url: str
    credentials: Credentials | None
    makes_of: Callable[[str], str] = str
    """What the page's own server makes of an answer before it sends it."""
    hosts: Literal["public", "any"] = "public"
    """The setting `browser.hosts` that it needs; `any` where its model is on the operator's machine."""

    @property
    def site_file(self) -> Path:
        """Return the file that describes it."""
        return site_file(self.name)


def site_file(name: str) -> Path:
    """Return the file that describes a page."""
    return FOLDER / f"{name}.toml"


@asynccontextmanager
async def chainlit_page(folder: Path, model: str) -> AsyncGenerator[RealPage]:
    """Run a chat of Chainlit."""
    port = free_port()
    program = FOLDER / "programs/chainlit_page.py"
    command = (BIN / "chainlit", "run", program, "--headless", "--host", "127.0.0.1", "--port", port)
    more = {"CHAINLIT_AUTH_SECRET": "x" * 40, "CHAINLIT_APP_ROOT": str(folder)}
    async with _started(folder, port, model, *command, **more) as url:
        yield RealPage("chainlit", url, ACCOUNT)


@asynccontextmanager
async def gradio_page(folder: Path, model: str) -> AsyncGenerator[RealPage]:
    """Run a `ChatInterface` of Gradio."""
    port = free_port()
    command = (BIN / "python", FOLDER / "programs/gradio_page.py")
    more = {"PAGE_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "files")}
    async with _started(folder, port, model, *command, **more) as url:
        yield RealPage("gradio", url, ACCOUNT, cleandoc)


@asynccontextmanager
async def deep_chat_page(folder: Path, model: str) -> AsyncGenerator[RealPage]:
    """Serve a page with the web component deep-chat, which asks the model itself, at its own origin."""
    _need_packages()
    html = (DEEP_CHAT / "index.html").read_text("utf-8").replace("MODEL_URL", model)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(DEEP_CHAT / "node_modules/deep-chat/dist/deepChat.bundle.js")

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/deepChat.bundle.js", script)])
    async with listening(app) as url:
        yield RealPage("deep-chat", url, None, hosts="any")


Starter = Callable[[Path, str], AbstractAsyncContextManager[RealPage]]
PAGES: Mapping[str, Starter] = {"chainlit": chainlit_page, "gradio": gradio_page, "deep-chat": deep_chat_page}
"""What starts each page, in an empty folder and with the address of the model."""


@asynccontextmanager
async def _started(folder: Path, port: int, model: str, *command: str | Path | int, **more: str) -> AsyncGenerator[str]:
    """Start a page's program, wait until it answers, and end it at last."""
    _need_packages()
    with (folder / "output.txt").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), cwd=folder, env=_environment(folder, model, more), stdout=output, stderr=output
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_it_answers(url, process, folder / "output.txt")
            yield url
        finally:
            _end(process)
            await process.wait()


def _environment(folder: Path, model: str, more: Mapping[str, str]) -> dict[str, str]:
    own = {"MODEL_URL": model, "PAGE_USER": ACCOUNT.user, "PAGE_PASSWORD": ACCOUNT.password}
    alone = {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1,localhost", "HF_HUB_OFFLINE": "1"}
    home = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {**home, **alone, **own, **more}


async def _until_it_answers(url: str, process: asyncio.subprocess.Process, output: Path) -> None:
    async with asyncio.timeout(START_LIMIT), aiohttp.ClientSession() as session:
        while True:
            if process.returncode is not None:
                said = await asyncio.to_thread(output.read_text, "utf-8", "replace")
                pytest.fail(f"The page has ended: {said[-2000:]}", pytrace=False)
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


def _need_packages() -> None:
    if not INSTALLED.exists():
        pytest.fail("The pages are not installed: run `make pages`.", pytrace=False)


def _end(process: asyncio.subprocess.Process) -> None:
    """End a page with all that it has started."""
    if process.returncode is None:
        page = psutil.Process(process.pid)
        for one in [*page.children(recursive=True), page]:
            one.kill()
