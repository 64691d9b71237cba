"""The endpoint in front of a `FakeBackend`, in its own process: `python -m tests.support.endpoint SETTINGS`.

The answer to a prompt that is a number has that many characters. A line `hog` on standard input uses up all free
file descriptors, `release` frees them, and the end of the input ends the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress

from bridge.api.listening import listen
from bridge.api.routes import build_runner
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Opened, Text
from bridge.log import set_up
from bridge.monitor.monitor import Monitor
from bridge.settings import Settings
from tests.support.fake_backend import FakeBackend, access_of


class Answering(FakeBackend):
    """Gives answers of the requested length."""

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer."""
        prompt = request.messages[-1].text
        yield Opened()
        yield Text("x" * int(prompt) if prompt.isdecimal() else "Hello")
        yield Finish()


async def main(settings: Settings) -> None:
    """Serve until the standard input ends."""
    async with AsyncExitStack() as stack:
        runner = build_runner(Answering(), settings, access_of(), Monitor(settings))
        print(await listen(stack, runner, settings.server), flush=True)
        hogged: list[int] = []
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line == "hog\n":
                with suppress(OSError):
                    while True:
                        hogged.append(os.open(os.devnull, os.O_RDONLY))
            while line == "release\n" and hogged:
                os.close(hogged.pop())
            print("done", flush=True)


if __name__ == "__main__":
    given = Settings.model_validate_json(sys.argv[1])
    set_up(given.log)
    asyncio.run(main(given))
