"""Whatever a request for a response holds, there is an answer of OpenAI's types, or an error that names the field.

`FUZZ=3000 pytest -s tests/api/responses/test_responses_fuzz.py` makes that many requests of each kind, and says what
came of them. Every answer is checked by the SDK's own types.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.responses.responses_replay import LAST
from bridge.chat.types import Finish, Opened, Text
from tests.support.fake_backend import Served
from tests.support.mutations import FUZZ_TESTS, NO_BODIES, answered, fuzz, mutated
from tests.support.openai_schema import check
from tests.support.responses import FUNCTION, PATH, events_of

CONVERSATIONS = "/v1/conversations"
COMPACT = f"{PATH}/compact"
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
ITEMS: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One"}]},
    {"role": "user", "content": [{"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="}]},
    {"role": "user", "content": [{"type": "input_file", "filename": "a.txt", "file_data": "data:;base64,aGk="}]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
    },
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "Warm"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "Done"}]},
]
TOOLS: list[dict[str, Any]] = [
    FUNCTION,
    {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "regex", "definition": "a+"}},
    {"type": "namespace", "name": "n", "description": "", "tools": [FUNCTION]},
    {"type": "web_search", "search_context_size": "low"},
    {"type": "mcp", "server_label": "m"},
]
BODY: dict[str, Any] = {"model": "deepseek", "input": "Hi"}
FINE: list[dict[str, Any]] = [
    BODY,
    {**BODY, "stream": True, "instructions": "Be brief.", "max_output_tokens": 20, "metadata": {"a": "b"}},
    {**BODY, "input": ITEMS, "tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": False, "store": False},
    {
        **BODY,
        "input": ITEMS,
        "tools": TOOLS,
        "tool_choice": {"type": "allowed_tools", "tools": TOOLS[:1]},
        "stream": True,
    },
    {
        **BODY,
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "truncation": "auto",
        "temperature": 0.5,
        "top_p": 1,
        "user": "u",
        "prompt_cache_retention": "24h",
        "service_tier": "auto",
    },
    {**BODY, "background": True},
    {**BODY, "background": True, "stream": True, "max_tool_calls": 3},
]
SAID = st.lists(st.sampled_from(["Hello", CALL, '{"a": 1}', "<tool_call>", "[citation:1]"]), min_size=1)

pytestmark = FUZZ_TESTS


async def send(served: Served, path: str, data: bytes, outcomes: Counter[str]) -> None:
    """Send a body, and check what is answered."""
    status, kind, raw = await answered(served, path, data, outcomes)
    if status == 200:
        check(path, raw.encode())
        if kind == "text/event-stream":
            assert events_of(raw)[-1]["type"].removeprefix("response.") in LAST
        return
    assert json.loads(raw)["error"]["message"]


@fuzz
@given(given=mutated(FINE), said=SAID)
async def test_bodies_that_are_nearly_fine(served: Served, outcomes: Counter[str], given: Any, said: list[str]) -> None:
    served.backend.script = (Opened(), *map(Text, said), Finish())
    await send(served, PATH, json.dumps(given).encode(), outcomes)


@fuzz
@given(given=mutated([{**BODY, "input": ITEMS}, BODY]))
async def test_histories_to_make_short_that_are_nearly_fine(served: Served, outcomes: Counter[str], given: Any) -> None:
    await send(served, COMPACT, json.dumps(given).encode(), outcomes)


@fuzz
@given(given=mutated([{"items": ITEMS, "metadata": {"a": "b"}}]))
async def test_conversations_that_are_nearly_fine_are_listed_and_gone_on_in(
    served: Served, outcomes: Counter[str], given: Any
) -> None:
    async with served.http.post(CONVERSATIONS, json=given) as response:
        made = await response.json()
    outcomes[str(response.status)] += 1
    assert response.status in (200, 400), made
    if response.status == 200:
        async with served.http.get(f"{CONVERSATIONS}/{made['id']}/items") as response:
            assert response.status == 200
        await send(served, PATH, json.dumps({**BODY, "conversation": made["id"]}).encode(), outcomes)


@fuzz
@given(
    path=st.sampled_from([PATH, COMPACT, CONVERSATIONS]),
    given=NO_BODIES,
)
async def test_bodies_that_are_none(served: Served, outcomes: Counter[str], path: str, given: bytes) -> None:
    await send(served, path, given, outcomes)


@pytest.mark.parametrize("given", FINE, ids=range(len(FINE)))
async def test_what_is_changed_is_fine_at_first(served: Served, given: dict[str, Any]) -> None:
    served.backend.script = (Opened(), Text('{"a": 1}'), Finish())
    async with served.http.post(PATH, json=given) as response:
        assert response.status == 200, await response.text()
