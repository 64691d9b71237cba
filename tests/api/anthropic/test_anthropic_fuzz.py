"""Whatever a request to Anthropic's API holds, there is an answer, or an error in its form that names the field.

`FUZZ=3000 pytest -s tests/api/anthropic/test_anthropic_fuzz.py` makes that many requests of each kind, and says what
came of them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chat.types import Finish, Opened, Text
from tests.api.anthropic.asking import OSLO, PATH, ROME, WEATHER, body
from tests.support.anthropic_events import assembled, events
from tests.support.fake_backend import Served
from tests.support.mutations import FUZZ_TESTS, NO_BODIES, answered, fuzz, mutated

COUNT = f"{PATH}/count_tokens"
SOURCES = [
    {"type": "base64", "media_type": "image/png", "data": "aGk="},
    {"type": "url", "url": "https://example.com/a.png"},
    {"type": "file", "file_id": "file-1"},
    {"type": "text", "media_type": "text/plain", "data": "Once."},
    {"type": "content", "content": [{"type": "text", "text": "Part."}]},
]
BLOCKS: list[dict[str, Any]] = [
    {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
    {"type": "image", "source": SOURCES[0]},
    *({"type": "document", "title": "T", "context": "C", "source": source} for source in SOURCES),
    {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "Found."}]},
    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Rain"}], "is_error": True},
    {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": WEATHER}},
    {"type": "container_upload", "file_id": "file-1"},
]
ANSWERED: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "YnJpZGdl"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "text", "text": "I look.", "citations": []},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
]
TOOLS: list[dict[str, Any]] = [
    WEATHER,
    {"type": "custom", "name": "late", "input_schema": {"type": "object"}, "defer_loading": True},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
    {"type": "bash_20250124", "name": "bash"},
]
FINE: list[dict[str, Any]] = [
    body(),
    body(stream=True, system="Be brief.", stop_sequences=["END"], thinking={"type": "adaptive", "display": "omitted"}),
    body(
        system=[{"type": "text", "text": "Be brief."}],
        messages=[
            {"role": "user", "content": BLOCKS[:1]},
            {"role": "system", "content": "Now."},
            {"role": "assistant", "content": ANSWERED},
            {"role": "user", "content": [BLOCKS[8], BLOCKS[0]]},
        ],
        tools=TOOLS,
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    ),
    body(
        messages=[{"role": "user", "content": [BLOCKS[0], BLOCKS[1], BLOCKS[5], BLOCKS[6], BLOCKS[7], BLOCKS[9]]}],
        output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "low"},
        metadata={"user_id": "x"},
        max_tokens=20,
    ),
    body(
        messages=[{"role": "user", "content": "Go"}, {"role": "assistant", "content": "The"}], model="claude-opus-4-1"
    ),
]
HEARD = st.lists(st.sampled_from(["Hello", ROME, OSLO, '{"a": 1}', "<tool_call>", "END", "[citation:1]"]), min_size=1)

pytestmark = FUZZ_TESTS


async def send(served: Served, path: str, data: bytes, outcomes: Counter[str]) -> None:
    """Send a body, and check what is answered."""
    status, kind, raw = await answered(served, path, data, outcomes)
    if status == 200:
        check_answer(kind, raw)
        return
    error = json.loads(raw)
    assert error.keys() == {"type", "error", "request_id"}
    assert error["error"]["message"]


def check_answer(kind: str, raw: str) -> None:
    if kind != "text/event-stream":
        assert json.loads(raw).keys() >= {"input_tokens"} or json.loads(raw)["type"] == "message"
    elif (stream := events(raw))[-1]["type"] != "error":
        assembled(stream)


@fuzz
@given(given=mutated(FINE), heard=HEARD)
async def test_bodies_that_are_nearly_fine(
    served: Served, outcomes: Counter[str], given: Any, heard: list[str]
) -> None:
    served.backend.script = (Opened(), *map(Text, heard), Finish())
    await send(served, PATH, json.dumps(given).encode(), outcomes)


@fuzz
@given(given=mutated(FINE))
async def test_bodies_to_count_that_are_nearly_fine(served: Served, outcomes: Counter[str], given: Any) -> None:
    await send(served, COUNT, json.dumps(given).encode(), outcomes)


@fuzz
@given(path=st.sampled_from([PATH, COUNT]), given=NO_BODIES)
async def test_bodies_that_are_none(served: Served, outcomes: Counter[str], path: str, given: bytes) -> None:
    await send(served, path, given, outcomes)


@pytest.mark.parametrize("given", FINE, ids=range(len(FINE)))
async def test_what_is_changed_is_fine_at_first(served: Served, given: dict[str, Any]) -> None:
    served.backend.script = (Opened(), Text('{"a": 1}'), Finish())
    async with served.http.post(PATH, json=given) as response:
        assert response.status == 200, await response.text()
