"""Asks for messages in Anthropic's form, and reads what comes back."""

from __future__ import annotations

import json
from typing import Any

from bridge.chat.types import ChatEvent, ChatRequest, Finish, Opened, Text
from tests.support.anthropic_events import assembled, events
from tests.support.fake_backend import Served
from tests.support.live import called

PATH = "/v1/messages"
VERSION = {"anthropic-version": "2023-06-01"}
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "Tell how warm it is.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ROME, OSLO = called("weather", city="Rome"), called("weather", city="Oslo")


def body(**more: Any) -> dict[str, Any]:
    """Return a body that asks a plain question, but for what is given."""
    return {"model": "deepseek", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}], **more}


def answer(*texts: str) -> tuple[ChatEvent, ...]:
    """Return a script that says texts."""
    return (Opened(), *map(Text, texts), Finish())


async def whole(served: Served, **more: Any) -> dict[str, Any]:
    """Return a message."""
    async with served.http.post(PATH, json=body(**more)) as response:
        assert response.status == 200, await response.text()
        message: dict[str, Any] = await response.json()
        return message


async def streamed(served: Served, **more: Any) -> list[dict[str, Any]]:
    """Return the events of a message."""
    async with served.http.post(PATH, json=body(stream=True, **more)) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        return events(await response.text())


async def both(served: Served, **more: Any) -> dict[str, Any]:
    """Return a message that is the same streamed and whole, but for its id."""
    message, made = await whole(served, **more), assembled(await streamed(served, **more))
    assert without_ids(made) == without_ids(message)
    return message


def without_ids(message: dict[str, Any]) -> Any:
    """Return a message without what in it is made of its own id."""
    return json.loads(json.dumps(message).replace(message["id"].removeprefix("msg_"), ""))


async def failed(served: Served, status: int, path: str = PATH, **more: Any) -> str:
    """Return the message of a bad request's error."""
    async with served.http.post(path, json=body(**more)) as response:
        error = await response.json()
        assert (response.status, error["error"]["type"]) == (status, "invalid_request_error"), error
        return str(error["error"]["message"])


async def asked(served: Served, **more: Any) -> ChatRequest:
    """Return the chat that becomes of a body."""
    await whole(served, **more)
    return served.backend.requests[-1]
