"""The application in its own process, to measure its memory: `python -m tests.support.body_server FOLDER [attach]`.

Its backend does everything that precedes the page (the search for the conversation, the prompts), without a page.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

from aiohttp import web

from bridge.api.routes import build_runner
from bridge.chat.model_names import resolve
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Model, Opened, Text
from bridge.monitor.monitor import Monitor
from bridge.settings import ConversationSettings, FileSettings, Settings, TokenSettings
from bridge.sites.known_sites import load_driver
from bridge.storage.conversation_file import ConversationPosition
from bridge.storage.conversations import ConversationRecorder, Conversations
from bridge.worker.turn_plan import fitted, models_of, turns_of
from tests.support.fake_backend import FakeBackend, access_of

DRIVER = load_driver("deepseek")


class Backend(FakeBackend):
    """Answers with one word, if the prompts of the chat fit the site."""

    def __init__(self, conversations: Conversations, settings: Settings) -> None:
        super().__init__()
        self._conversations = conversations
        self._settings = settings

    def model(self, name: str) -> Model:
        """Return the model of that name, as a worker of the site has it."""
        return resolve(name, models_of(DRIVER, self._settings.files))

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Do what pool and worker do before and behind the page."""
        place = await self._conversations.find(request, ["alice"]) or ConversationPosition("alice", "c-1", "2")
        note = ConversationRecorder(self._conversations, request, "alice")
        for turn in turns_of(request, place, DRIVER, self._settings.files):
            await asyncio.to_thread(fitted, turn, DRIVER, self._settings.files)
        async for event in note.recorded(_hello()):
            yield event


async def _hello() -> AsyncGenerator[ChatEvent]:
    for event in (Opened("c-1", "4"), Text("Hello"), Finish()):
        yield event


async def serve(folder: Path, long_prompts: Literal["refuse", "attach"]) -> None:
    """Serve until the process is killed; the first line of output is the port."""
    files = FileSettings(long_prompts=long_prompts)
    settings = Settings(config=folder, tokens=TokenSettings(enabled=True), files=files)
    conversations = Conversations(folder / "conversations.db", ConversationSettings())
    await conversations.open()
    runner = build_runner(Backend(conversations, settings), settings, access_of(locked=False), Monitor(settings))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), "attach" if "attach" in sys.argv[2:] else "refuse"))
