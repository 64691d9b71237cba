"""The events of a response, once more: as they were, or made anew from what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.api.responses.responses_replay import pack, unpack
from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking
from tests.api.responses.test_responses_background import followed
from tests.support.fake_backend import Served
from tests.support.responses import FUNCTION, PATH, streamed, types, whole

CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
PATCH = '<tool_call>\n{"name": "patch", "arguments": {"input": "a\\nb"}}\n</tool_call>'
FOUND = Searched(("warm?",), (Source(1, "https://a.example/", "A"),))


async def all_kinds(served: Served, **more: Any) -> list[dict[str, Any]]:
    """Return the events of a response with every kind of item."""
    script = (Opened(), FOUND, Thinking("H"), Thinking("m."), Text("Warm"), Text(" [citation:1]. "), Text(CALL + PATCH))
    served.backend.script = (*script, Finish())
    tools = [FUNCTION, {"type": "custom", "name": "patch"}]
    return await streamed(served, model="deepseek-search", tools=tools, **more)


async def test_the_events_of_one_that_ran_in_the_background_come_as_they_were(served: Served) -> None:
    events = await all_kinds(served, background=True)
    id_ = events[0]["response"]["id"]
    assert await followed(served, id_) == events
    for after in (0, 5, len(events) - 2):
        assert await followed(served, id_, after) == events[after + 1 :]
    assert await followed(served, id_, len(events) + 5) == []


async def test_packed_events_hold_no_response(served: Served) -> None:
    events = await all_kinds(served, background=True)
    packed = pack(events)
    assert "instructions" not in str(packed)
    assert len(packed) < len(events)
    assert unpack(packed, events[-1]["response"]) == events


async def test_the_events_of_any_other_become_the_same_response(served: Served) -> None:
    events = await all_kinds(served)
    again = await followed(served, events[-1]["response"]["id"])
    assert types(again) == types(events)
    assert again[-1] == {**events[-1], "sequence_number": len(again) - 1}
    done = [event["item"] for event in again if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]


async def test_the_sdk_reads_them(served: Served) -> None:
    made = await whole(served)
    stream = await served.openai.responses.retrieve(made["id"], stream=True, starting_after=1)
    texts = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert texts == ["Hello"]


@pytest.mark.parametrize("number", ["-1", "x", "", "9" * 30])
async def test_what_is_no_number_of_an_event_is_refused(served: Served, number: str) -> None:
    made = await whole(served)
    query = {"stream": "true", "starting_after": number}
    async with served.http.get(f"{PATH}/{made['id']}", params=query) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "starting_after")
