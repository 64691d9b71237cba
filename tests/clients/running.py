"""Foreign clients as processes of their own, in a home that is nobody else's, with the bridge as all their world."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psutil
import pytest

from tests.support.live import Live

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
BIN = FOLDER / "python/.venv/bin"
NODE_BIN = FOLDER / "node/node_modules/.bin"
INSTALLED = FOLDER / "node/node_modules/.ready"
LIMIT = 90.0
"""Seconds within which a client has done all of its work on a slow machine."""
NOWHERE = "http://127.0.0.1:9"
ALONE = {
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "NO_PROXY": "127.0.0.1",
    "NODE_USE_ENV_PROXY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
"""What keeps a client from calling home."""


async def run(live: Live, home: Path, *command: str | Path, stdin: str = "", **more: str) -> str:
    """Return what a client has printed; it has to end well."""
    given = {"BASE_URL": f"{live.bridge.url}/v1", "API_KEY": live.key, **more}
    # Files, since Codex ends where a pipe does not take its prompt at once, which it prints.
    with TemporaryFile() as out, TemporaryFile() as err:
        async with started(home, *command, output=out, errors=err, **given) as process, asyncio.timeout(LIMIT):
            await process.communicate(stdin.encode())
        printed, told = map(_text, (out, err))
    assert process.returncode == 0, f"{printed}\n{told}"
    return printed


@asynccontextmanager
async def started(
    home: Path, *command: str | Path, output: IO[bytes], errors: IO[bytes], **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program that knows nothing but `home`, its command and its environment, and end it at last."""
    if not INSTALLED.exists():
        pytest.fail("The clients are not installed: run `make clients`.", pytrace=False)
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=output,
        stderr=errors,
        cwd=home,
        env={**_home(home), **ALONE, **more},
    )
    try:
        yield process
    finally:
        _end(process)


def python(name: str) -> tuple[str | Path, ...]:
    """Return the command of a client in Python."""
    return BIN / "python", "-m", f"tests.clients.python.{name}"


def node(name: str) -> tuple[str | Path, ...]:
    """Return the command of a client in JavaScript."""
    return BIN / "node", FOLDER / "node" / f"{name}.mjs"


def example(live: Live, name: str) -> str:
    """Return a file of `examples/clients/` with the bridge's address and key put in."""
    text = (ROOT / "examples/clients" / name).read_text("utf-8")
    return text.replace("http://127.0.0.1:8000", live.bridge.url).replace("sk-bridge-...", live.key)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _home(home: Path) -> dict[str, str]:
    path = os.pathsep.join((str(NODE_BIN), str(BIN), os.environ["PATH"]))
    folders = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA", "STATE")}
    return {
        "HOME": str(home),
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "LLM_USER_PATH": str(home),
        "LANG": "C.UTF-8",
        **folders,
    }


def _end(process: asyncio.subprocess.Process) -> None:
    """End a client that hangs, with all that it has started."""
    if process.returncode is None:
        client = psutil.Process(process.pid)
        for one in [*client.children(recursive=True), client]:
            one.kill()
