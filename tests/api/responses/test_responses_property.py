"""Whatever the model answers and however it is cut, the response is the same, streamed and whole.

`RESPONSES=5000 pytest tests/api/responses/test_responses_property.py` tries that many answers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.answer.answer_runner import AnswerRunner
from bridge.api.responses.responses_surface import ResponsesSurface
from bridge.api.surface import ApiCall
from bridge.chat.types import ChatEvent, Finish, Opened, Searched, Source, Text, Thinking
from bridge.errors import SiteError
from bridge.settings import ApiSettings
from tests.support.fake_backend import FakeBackend
from tests.support.openai_schema import check_event
from tests.support.responses import FUNCTION, bare, events_of

MOST = int(os.environ.get("RESPONSES", "20"))
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
FOUND = Searched(("q",), (Source(1, "https://a.example/", "A"),))
PIECES = st.one_of(
    st.builds(Text, st.sampled_from([CALL, f"\n{CALL}", "Hello ", "a [citation:1] b", "<tool_call>", " \n"])),
    st.builds(Text, st.text(min_size=1, max_size=9)),
    st.builds(Thinking, st.text(min_size=1, max_size=9)),
    st.just(FOUND),
)


def cut(events: Sequence[ChatEvent], sizes: Sequence[int]) -> list[ChatEvent]:
    """Return the events with their texts cut into pieces."""
    made: list[ChatEvent] = []
    for event in events:
        if isinstance(event, Text):
            text, place = event.text, 0
            while place < len(text):
                size = sizes[(len(made) + place) % len(sizes)]
                made.append(Text(text[place : place + size]))
                place += size
        else:
            made.append(event)
    return made


async def answered(script: Sequence[ChatEvent], body: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the response in one piece, and the events of the same answer."""
    backend = FakeBackend(script=script)
    surface = ResponsesSurface(ApiSettings())
    request = surface.parse(ApiCall(body, "a-b", backend.model))
    encoder = surface.encoder(request)
    seen: list[AnswerEvent] = []
    frames: list[bytes] = []

    async def keep(_: int, events: Sequence[AnswerEvent]) -> None:
        seen.extend(events)
        frames.extend(map(encoder.encode, events))

    await AnswerRunner(backend).run(request.chat, request.format, 1, keep)
    events = events_of(b"".join(frames).decode())
    for frame in b"".join(frames).decode().split("\n\n")[:-1]:
        check_event(frame.partition("\ndata: ")[2])
    return surface.reply(request, [seen]), events


@given(st.lists(PIECES, min_size=1, max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.booleans())
@settings(max_examples=MOST, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("model", ["deepseek-search", "deepseek-r1-search-fold", "deepseek-search-silent"])
async def test_the_streamed_response_is_the_whole_one(
    model: str, pieces: list[ChatEvent], sizes: list[int], has_tools: bool
) -> None:
    body = {"model": model, "input": "Hi", "tools": [FUNCTION] if has_tools else []}
    script = [Opened(), *pieces, Text("."), Finish()]
    try:
        whole, events = await answered(script, body)
        cut_whole, cut_events = await answered(cut(script, sizes), body)
    except SiteError:
        return
    for response, told in ((whole, events), (cut_whole, cut_events)):
        assert bare(told[-1]["response"]) == bare(response)
        items = [event["item"] for event in told if event["type"] == "response.output_item.done"]
        assert items == told[-1]["response"]["output"]
        for number, item in enumerate(items):
            deltas = [event.get("delta", "") for event in told if event.get("output_index") == number]
            assert "".join(deltas) == text_in(item)
    assert texts(cut_whole) == texts(whole)
    assert cut_whole["usage"] == whole["usage"]


def text_in(item: dict[str, Any]) -> str:
    """Return the text of any item."""
    parts = item.get("content", item.get("summary", ()))
    called: str = item.get("arguments", item.get("input", ""))
    return "".join(part["text"] for part in parts) + called


def texts(response: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and texts of the items; neighbours of a kind count as one."""
    found: list[tuple[str, str]] = []
    for item in response["output"]:
        if found and found[-1][0] == item["type"] in ("message", "reasoning"):
            found[-1] = (item["type"], found[-1][1] + text_in(item))
        else:
            found.append((item["type"], text_in(item)))
    return found
