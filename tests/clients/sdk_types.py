"""The types of an SDK, in the Python that has it: a program reads lines of `[kind, body]` and says what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.clients.running import ROOT, python


class Types:
    """A running program of that kind."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def check(self, kind: str, given: Any) -> None:
        """Raise where a body is not what its type says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kind, given]).encode() + b"\n")
        wrong = json.loads(await self._process.stdout.readline())
        assert not wrong, f"{wrong}\n{given}"


@asynccontextmanager
async def types_of(name: str) -> AsyncIterator[Types]:
    """Run the program of that name."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*map(str, python(name)), stdin=pipe, stdout=pipe, cwd=ROOT)
    assert process.stdin is not None
    try:
        yield Types(process)
    finally:
        process.stdin.close()
        await process.wait()
