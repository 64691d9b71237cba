"""Starts each page in a folder of its own, with the model behind it, and ends it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal

import aiohttp
import psutil
import pytest
from aiohttp import web

from bridge.login.interactive_login import Credentials
from tests.support.browsers import free_port
from tests.support.listening import listening

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "programs"
SMALL, GRADIO_4, OPEN_WEBUI = (FOLDER / name for name in (".venv", "gradio_4/.venv", "open_webui/.venv"))
"""Environments of the pages: two large ones have their own, because they take no package in the others' version."""
DEEP_CHAT = FOLDER / "deep_chat"
START_LIMIT = 120.0
"""Seconds until a page answers, on a slow machine."""
ACCOUNT = Credentials("tester", "pw-outside-1")
NOWHERE = "http://127.0.0.1:9"
NO_KEY = "none"


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
    command = ("chainlit", "run", PROGRAMS / "chainlit_page.py", "--headless", "--host", "127.0.0.1", "--port", port)
    more = {"MODEL_URL": model, "CHAINLIT_AUTH_SECRET": "x" * 40, "CHAINLIT_APP_ROOT": str(folder)}
    async with _started(SMALL, folder, port, command, more) as url:
        yield RealPage("chainlit", url, ACCOUNT)


@asynccontextmanager
async def gradio_page(folder: Path, model: str) -> AsyncGenerator[RealPage]:
    """Run a `ChatInterface` of Gradio 6."""
    async with _gradio(SMALL, "gradio_page.py", folder, model) as url:
        yield RealPage("gradio", url, ACCOUNT, cleandoc)


@asynccontextmanager
async def gradio_4_page(folder: Path, model: str) -> AsyncGenerator[RealPage]:
    """Run a `ChatInterface` of Gradio 4."""
    async with _gradio(GRADIO_4, "gradio_4_page.py", folder, model) as url:
        yield RealPage("gradio-4", url, ACCOUNT, cleandoc)


@asynccontextmanager
async def open_webui_page(folder: Path, model: str, *, is_polled: bool = False) -> AsyncGenerator[RealPage]:
    """Run Open WebUI in its slim form, without models of its own; polled, its page has no WebSocket."""
    port, account = free_port(), Credentials("tester@example.test", ACCOUNT.password)
    more = {
        "DATA_DIR": str(folder),
        "DEFAULT_MODELS": "known",
        "ENABLE_FOLLOW_UP_GENERATION": "false",
        "ENABLE_OLLAMA_API": "false",
        "ENABLE_PERSISTENT_CONFIG": "false",
        "ENABLE_TAGS_GENERATION": "false",
        "ENABLE_TITLE_GENERATION": "false",
        "ENABLE_WEBSOCKET_SUPPORT": str(not is_polled).lower(),
        "OFFLINE_MODE": "true",
        "OPENAI_API_BASE_URL": f"{model}/v1",
        "OPENAI_API_KEY": NO_KEY,
        "USE_SLIM_DOCKER": "true",
        "WEBUI_ADMIN_EMAIL": account.user,
        "WEBUI_ADMIN_PASSWORD": account.password,
        "WEBUI_SECRET_KEY": "x" * 40,
    }
    command = ("open-webui", "serve", "--host", "127.0.0.1", "--port", port)
    async with _started(OPEN_WEBUI, folder, port, command, more) as url:
        yield RealPage("open-webui", url, account)


@asynccontextmanager
async def deep_chat_page(folder: Path, model: str) -> AsyncGenerator[RealPage]:
    """Serve a page with the web component deep-chat, which asks the model itself, at its own origin."""
    _need_packages(SMALL)
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
"""Starts a page, in an empty folder and with the address of the model."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that can be started; `site` names its site file, `how` tells two ways to run one page apart."""

    start: Starter
    site: str
    how: str = ""
    is_large: bool = False
    """Whether `make large-pages` installs it, not `make pages`."""

    @property
    def marks(self) -> Collection[pytest.MarkDecorator]:
        """Return what tests of it are marked with, beside `pages`."""
        return [pytest.mark.large] if self.is_large else []


PAGES: Mapping[str, Page] = {
    "chainlit": Page(chainlit_page, "chainlit"),
    "gradio": Page(gradio_page, "gradio"),
    "deep-chat": Page(deep_chat_page, "deep-chat"),
    "gradio-4": Page(gradio_4_page, "gradio-4", is_large=True),
    "open-webui": Page(open_webui_page, "open-webui", "WebSocket", is_large=True),
    "open-webui-polled": Page(partial(open_webui_page, is_polled=True), "open-webui", "polling", is_large=True),
}


def page_parameters(lacks: Mapping[str, str] | None = None) -> list[Any]:
    """Return each page as a parameter of a test; `lacks` says for those that it makes no sense on why not."""
    reasons = lacks or {}
    skips = {name: [pytest.mark.skip(reason=reasons[name])] if name in reasons else [] for name in PAGES}
    return [pytest.param(name, marks=[*page.marks, *skips[name]]) for name, page in PAGES.items()]


@asynccontextmanager
async def _gradio(venv: Path, program: str, folder: Path, model: str) -> AsyncGenerator[str]:
    port = free_port()
    files = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "files")}
    more = {"MODEL_URL": model, "PAGE_PORT": str(port), **files}
    async with _started(venv, folder, port, ("python", PROGRAMS / program), more) as url:
        yield url


@asynccontextmanager
async def _started(
    venv: Path, folder: Path, port: int, command: Iterable[str | Path | int], more: Mapping[str, str]
) -> AsyncGenerator[str]:
    """Start a page's program, wait until it answers, and end it at last."""
    _need_packages(venv)
    program, *arguments = map(str, command)
    with (folder / "output.txt").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            venv / "bin" / program, *arguments, cwd=folder, env=_environment(folder, more), stdout=output, stderr=output
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_it_answers(url, process, folder / "output.txt")
            yield url
        finally:
            _end(process)
            await process.wait()


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    own = {"PAGE_USER": ACCOUNT.user, "PAGE_PASSWORD": ACCOUNT.password}
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


def _need_packages(venv: Path) -> None:
    if not (venv / ".ready").exists():
        target = "pages" if venv == SMALL else "large-pages"
        pytest.fail(f"The pages are not installed: run `make {target}`.", pytrace=False)


def _end(process: asyncio.subprocess.Process) -> None:
    """End a page with all that it has started."""
    if process.returncode is None:
        page = psutil.Process(process.pid)
        for one in [*page.children(recursive=True), page]:
            one.kill()
