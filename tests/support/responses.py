"""Requests responses from a test's server and reads them; each body is checked against the SDK's own types."""

from __future__ import annotations

import json
from typing import Any

from tests.support.fake_backend import Served

PATH = "/v1/responses"
FUNCTION = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


async def whole(served: Served, **body: Any) -> dict[str, Any]:
    """Return the response in one piece."""
    async with served.http.post(PATH, json={"model": "deepseek", "input": "Hi", **body}) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def streamed(served: Served, **body: Any) -> list[dict[str, Any]]:
    """Return the events of a response."""
    asked = {"model": "deepseek", "input": "Hi", "stream": True, **body}
    async with served.http.post(PATH, json=asked) as response:
        assert response.status == 200, await response.text()
        return events_of(await response.text())


async def refused(served: Served, **body: Any) -> tuple[int, str | None, str]:
    """Return the status, param and message of the error."""
    async with served.http.post(PATH, json={"model": "deepseek", "input": "Hi", **body}) as response:
        error = (await response.json())["error"]
        return response.status, error["param"], error["message"]


def events_of(text: str, begin: int = 0) -> list[dict[str, Any]]:
    """Return the events of a stream; check that each has its type as name, and a number from `begin` on."""
    events = []
    for frame in text.split("\n\n")[:-1]:
        if not frame.startswith(":"):
            name, _, data = frame.partition("\ndata: ")
            events.append(json.loads(data))
            assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(begin, begin + len(events)))
    return events


def types(events: list[dict[str, Any]]) -> list[str]:
    """Return the types of events without their common prefix, each run of equal types once."""
    found = [event["type"].removeprefix("response.") for event in events]
    return [one for place, one in enumerate(found) if place == 0 or found[place - 1] != one]


def text_of(response: dict[str, Any]) -> str:
    """Return the text of a response."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts)


def bare(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response without its times."""
    return {**response, "created_at": 0, "completed_at": 0}
