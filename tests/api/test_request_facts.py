"""Each HTTP request is told once it is answered: by the route that it met, and never by what a stranger wrote."""

from __future__ import annotations

import asyncio

import pytest

from bridge.chat.types import Opened
from bridge.telemetry import Fact, RequestAnswered
from tests.support.fake_backend import Served, serving, soon

SURFACES = {
    "/v1/chat/completions": "openai",
    "/v1/responses": "responses",
    "/v1/messages": "anthropic",
    "/api/chat": "ollama",
    "/v1beta/models/deepseek:generateContent": "gemini",
}


def told(served: Served) -> list[RequestAnswered]:
    found: list[RequestAnswered] = []

    def take(fact: Fact) -> None:
        if isinstance(fact, RequestAnswered):
            found.append(fact)

    served.telemetry.add(take)
    return found


async def test_a_request_is_told_by_its_route_whatever_spelling_of_the_path_it_used() -> None:
    async with serving() as served:
        facts = told(served)
        for path in ("/v1/models/deepseek", "/models/secret-of-a-client/", "/healthz"):
            await served.http.get(path)
        assert [(one.method, one.route, one.status) for one in facts] == [
            ("GET", "/v1/models/{id}", 200),
            ("GET", "/v1/models/{id}", 404),
            ("GET", "/healthz", 200),
        ]
        assert [0 <= one.seconds < 60 for one in facts] == [True] * 3


async def test_what_is_not_served_is_told_without_a_word_of_the_client() -> None:
    async with serving() as served:
        facts = told(served)
        await served.http.get("/wp-login.php")
        await served.http.request("PATCH", "/v1/models")
        assert [(one.method, one.route, one.status) for one in facts] == [("OTHER", "", 404), ("OTHER", "", 405)]


async def test_a_client_that_leaves_is_told_as_such() -> None:
    async with serving() as served:
        facts, left = told(served), asyncio.Event()
        served.telemetry.add(lambda _: left.set())
        served.backend.script = [Opened(), asyncio.Event()]
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(served.http.post("/v1/chat/completions", json=BODY))
            await soon(served.backend.waiting)
            asking.cancel()
        await soon(left)
        assert [(one.route, one.status) for one in facts] == [("/v1/chat/completions", 499)]


BODY = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99, "stream": False}


@pytest.mark.parametrize("path", SURFACES)
async def test_a_chat_knows_its_dialect_its_tokens_and_its_trace(path: str) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    bodies = {"/v1/responses": {"model": "deepseek", "input": "Hi"}}
    body = {"contents": [{"parts": [{"text": "Hi"}]}]} if "v1beta" in path else bodies.get(path, BODY)
    async with serving() as served:
        for given in (trace, f"{trace}x", "00-secret"):
            await served.http.post(path, json=body, headers={"traceparent": given})
        chats = served.backend.requests
        assert [(one.dialect, one.trace_parent) for one in chats] == [(SURFACES[path], one) for one in (trace, "", "")]
        assert [one.prompt_tokens > 0 for one in chats] == [True] * 3
