"""Each dialect tells of each kind of failure in its own form: by a status before the first event, and in mid-stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest
from openai.types.responses import ResponseStreamEvent
from openai.types.shared import ErrorObject
from pydantic import TypeAdapter

from bridge.api.routes import dialects
from bridge.chat.types import Opened, Text
from bridge.errors import BridgeError, NoAccount, PoolFull, SiteTimeout
from bridge.settings import ServerSettings, Settings
from tests.support.fake_backend import Served, serving

MOST = 20_000
TOO_LARGE = "x" * (MOST + 1)
SCHEMAS = {type(one).__name__: one.error_schema for one in dialects(Settings().api).all}
USER = {"role": "user", "content": "Hi"}
CHATS: dict[str, tuple[str, dict[str, Any]]] = {
    "OpenAI": ("/v1/chat/completions", {"model": "{model}", "messages": [USER]}),
    "Responses": ("/v1/responses", {"model": "{model}", "input": "Hi"}),
    "Anthropic": ("/v1/messages", {"model": "{model}", "messages": [USER], "max_tokens": 9}),
    "Ollama": ("/api/chat", {"model": "{model}", "messages": [USER], "stream": False}),
    "Gemini": ("/v1beta/models/{model}:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}),
}
UNSERVED = {"OpenAI": "/v1/nothing", "Anthropic": "/v1/messages/nothing", "Ollama": "/api/no", "Gemini": "/v1beta/no"}
BEGUN = (Opened("c", "2"), Text("Well"))
RAISED = [(PoolFull("Full.", retry_after=7), 429), (NoAccount("None."), 503), (SiteTimeout("Slow."), 504)]


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(ServerSettings(max_body=MOST)) as running:
        yield running


def check(dialect: str, body: Any) -> None:
    """Raise where a body is no error of its dialect, or has a field that it does not name."""
    if schema := SCHEMAS[dialect]:
        jsonschema_rs.validate(dict(schema), body)
        assert body.keys() == schema["properties"].keys()
    else:
        assert body.keys() == {"error"}
        ErrorObject.model_validate(body["error"], strict=True)
        assert body["error"].keys() <= ErrorObject.model_fields.keys()


async def failed(
    served: Served, dialect: str, status: int, more: dict[str, Any], model: str = "deepseek", **headers: str
) -> None:
    """Ask for a chat that fails, and check its error."""
    path, body = CHATS[dialect]
    named = {"model": model} if "model" in body else {}
    async with served.http.post(path.replace("{model}", model), json=body | named | more, headers=headers) as response:
        assert response.status == status, await response.text()
        assert response.headers["x-request-id"]
        check(dialect, await response.json())


@pytest.mark.parametrize("dialect", CHATS)
async def test_what_is_refused_at_once(served: Served, dialect: str) -> None:
    await failed(served, dialect, 401, {}, authorization="Bearer sk-bridge-wrong")
    await failed(served, dialect, 404, {}, model="novel")
    await failed(served, dialect, 413, {"padding": TOO_LARGE})
    await failed(served, dialect, 400, {"messages": 7, "input": 7, "contents": 7})


@pytest.mark.parametrize("dialect", UNSERVED)
async def test_a_path_that_is_not_served(served: Served, dialect: str) -> None:
    async with served.http.get(UNSERVED[dialect]) as response:
        assert response.status == 404
        check(dialect, await response.json())


@pytest.mark.parametrize(("raised", "status"), RAISED)
@pytest.mark.parametrize("dialect", CHATS)
async def test_what_fails_before_the_first_event(
    served: Served, dialect: str, raised: BridgeError, status: int
) -> None:
    served.backend.script = (raised,)
    await failed(served, dialect, status, {})
    if dialect not in ("Gemini", "Ollama"):
        await failed(served, dialect, status, {"stream": True})


async def ended(served: Served, dialect: str) -> str:
    """Return what a stream says last that fails after its first event."""
    served.backend.script = (*BEGUN, SiteTimeout("Slow."))
    path, body = CHATS[dialect]
    path = path.replace("{model}:generateContent", "deepseek:streamGenerateContent?alt=sse")
    model = {"model": "deepseek"} if "model" in body else {}
    async with served.http.post(path, json=body | model | {"stream": True}) as response:
        assert response.status == 200
        frames = [frame for frame in (await response.text()).replace("\r\n", "\n").split("\n") if "{" in frame]
    return frames[-1].removeprefix("data: ")


@pytest.mark.parametrize("dialect", ["OpenAI", "Anthropic", "Ollama", "Gemini"])
async def test_what_fails_in_mid_stream(served: Served, dialect: str) -> None:
    check(dialect, json.loads(await ended(served, dialect)))


async def test_a_response_that_fails_in_mid_stream_ends_with_an_event_of_the_sdk(served: Served) -> None:
    event = TypeAdapter(ResponseStreamEvent).validate_json(await ended(served, "Responses"), strict=True)
    assert event.type == "response.failed"
    assert event.response.error is not None
    assert event.response.error.message == "Slow."
