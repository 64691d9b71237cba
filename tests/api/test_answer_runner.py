"""The way of one chunk through the API: from the backend's generator to the response in one plain loop."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from bridge.api.attachments.gather import Gatherer
from bridge.api.attachments.stored_files import StoredFiles
from bridge.api.chat_endpoint import ChatEndpoint
from bridge.api.http_errors import error_body, failures
from bridge.api.model_lookup import ModelLookup
from bridge.api.openai.chat_completions import OpenAIChat
from bridge.api.request_body import BodyReader
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Opened, Text
from bridge.settings import DashboardSettings, Settings
from bridge.storage.chat_history import ChatHistory
from bridge.storage.file_store import FileStore
from bridge.storage.profile_key import Identity
from tests.support.fake_backend import FakeBackend


class Looking(FakeBackend):
    """Looks at who asks for its events."""

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer, and note the asynchronous generators that hand each event on."""
        for event in (Opened(), Text("Hello"), Finish()):
            frame = sys._getframe().f_back
            while frame is not None:
                if frame.f_code.co_flags & inspect.CO_ASYNC_GENERATOR:
                    self.done.append(frame.f_code.co_qualname)
                frame = frame.f_back
            yield event


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"n": 2}, {"n": 2, "stream": True}])
@pytest.mark.parametrize("has_history", [False, True])
async def test_no_generator_stands_between_the_backend_and_the_response(
    tmp_path: Path, more: dict[str, Any], has_history: bool
) -> None:
    settings, backend = Settings(config=tmp_path), Looking()
    kept = ChatHistory(tmp_path, Identity.generate(), DashboardSettings(history=True)) if has_history else None
    bodies, files = BodyReader(settings.server, settings.tokens), StoredFiles(FileStore(tmp_path, settings.files))
    gatherer, models = Gatherer(files, settings.files), ModelLookup(backend, {})
    endpoint = ChatEndpoint(OpenAIChat(), backend, settings.server, bodies, gatherer, models, kept)
    app = web.Application(middlewares=[failures(lambda _: error_body, "nothing")])
    app.router.add_post("/", endpoint.handle)
    body = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], **more}
    async with (
        TestServer(app) as server,
        ClientSession() as http,
        http.post(server.make_url("/"), json=body) as response,
    ):
        assert response.status == 200
        assert b"Hello" in await response.read()
    assert backend.done == []
    if kept is not None:
        await kept.close()
