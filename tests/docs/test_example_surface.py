"""The surface of `docs/adding-a-surface.md` answers, streams, and refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from bridge.api.attachments.gather import Gatherer
from bridge.api.attachments.stored_files import StoredFiles
from bridge.api.chat_endpoint import ChatEndpoint
from bridge.api.http_errors import failures
from bridge.api.model_lookup import ModelLookup
from bridge.api.request_body import BodyReader
from bridge.chat.types import Finish, Opened, Text
from bridge.errors import SiteBusy
from bridge.settings import Settings
from bridge.sse import SSEDecoder
from bridge.storage.file_store import FileStore
from tests.docs.example_surface import Plain, PlainChat
from tests.support.fake_backend import FakeBackend
from tests.support.listening import listening

QUESTION = {"model": "deepseek", "prompt": "Hi"}


@asynccontextmanager
async def served(folder: Path, backend: FakeBackend) -> AsyncGenerator[aiohttp.ClientSession]:
    settings = Settings(config=folder)
    dialect = Plain(settings.api)
    (surface,) = dialect.surfaces()
    bodies, files = BodyReader(settings.server, settings.tokens), StoredFiles(FileStore(folder, settings.files))
    gatherer = Gatherer(files, settings.files)
    endpoint = ChatEndpoint(surface, backend, settings.server, bodies, gatherer, ModelLookup(backend, {}))
    app = web.Application(middlewares=[failures(lambda _: dialect.error, surface.path)])
    app.router.add_post(surface.path, endpoint.handle)
    async with listening(app) as url, aiohttp.ClientSession(url) as http:
        yield http


async def test_the_example_answers_a_prompt(tmp_path: Path) -> None:
    async with served(tmp_path, backend := FakeBackend()) as http:
        async with http.post(PlainChat.path, json=QUESTION) as response:
            assert await response.json() == {"text": "Hello", "reason": "stop"}
        assert [message.text for message in backend.requests[0].messages] == ["Hi"]


async def test_the_example_streams_an_answer_piece_by_piece(tmp_path: Path) -> None:
    async with served(tmp_path, FakeBackend()) as http:
        async with http.post(PlainChat.path, json={**QUESTION, "stream": True}) as response:
            frames = [json.loads(event.data) for event in SSEDecoder().feed(await response.read())]
        assert frames == [{"text": "Hel"}, {"text": "lo"}, {"reason": "stop"}]


async def test_the_example_names_the_bad_field_and_tells_of_errors_in_its_own_form(tmp_path: Path) -> None:
    async with served(tmp_path, backend := FakeBackend()) as http:
        async with http.post(PlainChat.path, json={"model": "deepseek"}) as response:
            assert response.status == 400
            assert (await response.json())["error"].startswith("prompt: ")
        backend.script = (SiteBusy("busy"),)
        async with http.post(PlainChat.path, json=QUESTION) as response:
            assert (response.status, (await response.json())["code"]) == (503, "site_busy")
        backend.script = (Opened(), Text("Hel"), SiteBusy("busy"), Finish())
        async with http.post(PlainChat.path, json={**QUESTION, "stream": True}) as response:
            last = [json.loads(event.data) for event in SSEDecoder().feed(await response.read())][-1]
        assert last == {"error": "busy", "code": "site_busy"}
