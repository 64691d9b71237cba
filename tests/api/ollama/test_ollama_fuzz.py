"""Whatever a request to Ollama's API holds, there is an answer, or an error in its form.

`FUZZ=3000 pytest -s tests/api/ollama/test_ollama_fuzz.py` makes that many requests of each kind, and says what came of
them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chat.types import Finish, Opened, Text
from tests.api.ollama.test_ollama_chat import CALL, CHAT, GENERATE, PNG, WEATHER, WORDS
from tests.support.fake_backend import Served
from tests.support.mutations import FUZZ_TESTS, NO_BODIES, answered, fuzz, mutated

SHOW = "/api/show"
USER = {"role": "user", "content": "Hi"}
CALLED = {"function": {"name": "weather", "arguments": {"city": "Rome"}, "index": 0}, "id": "call_1"}
FINE: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"model": "deepseek", "messages": [USER]}),
    (CHAT, {"model": "deepseek:latest", "messages": [USER], "stream": False, "format": "json", "keep_alive": "5m"}),
    (
        CHAT,
        {
            "model": "deepseek-r1-search",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "See", "images": [PNG]},
                {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [CALLED, CALLED]},
                {"role": "tool", "content": "21", "tool_name": "weather"},
                {"role": "tool", "content": "22", "tool_call_id": "call_1"},
            ],
            "tools": [WEATHER],
            "think": "high",
            "options": {"stop": ["END"], "num_predict": 20, "temperature": 0.5},
        },
    ),
    (CHAT, {"model": "deepseek", "messages": [USER], "format": {"type": "object", "properties": {"a": {}}}}),
    (CHAT, {"model": "deepseek", "messages": [USER, {"role": "assistant", "content": "The"}], "think": True}),
    (CHAT, {"model": "deepseek", "keep_alive": 0}),
    (GENERATE, {"model": "deepseek", "prompt": "Hi", "system": "Be brief.", "raw": True, "context": [1], "suffix": ""}),
    (GENERATE, {"model": "deepseek", "prompt": "Hi", "images": [PNG], "stream": False, "options": {"stop": "END"}}),
    (SHOW, {"model": "deepseek", "verbose": True}),
]

pytestmark = FUZZ_TESTS


async def send(served: Served, path: str, data: bytes, outcomes: Counter[str]) -> None:
    """Send a body, and check what is answered."""
    status, _, raw = await answered(served, path, data, outcomes)
    if status == 200 and path != SHOW:
        last = json.loads(raw.rstrip("\n").rpartition("\n")[2])
        assert last.get("done") is True or [*last] == ["error"], raw
    elif status != 200:
        error = json.loads(raw)
        assert [*error] == ["error"]
        assert isinstance(error["error"], str)


@fuzz
@given(
    path_and_body=st.sampled_from(FINE).flatmap(lambda one: st.tuples(st.just(one[0]), mutated([one[1]]))), words=WORDS
)
async def test_bodies_that_are_nearly_fine(
    served: Served, outcomes: Counter[str], path_and_body: tuple[str, Any], words: str
) -> None:
    served.backend.script = (Opened(), Text(f"So: {words}"), Text(CALL), Finish())
    await send(served, path_and_body[0], json.dumps(path_and_body[1]).encode(), outcomes)


@fuzz
@given(
    path=st.sampled_from([CHAT, GENERATE, SHOW]),
    given=NO_BODIES,
)
async def test_bodies_that_are_none(served: Served, outcomes: Counter[str], path: str, given: bytes) -> None:
    await send(served, path, given, outcomes)


@pytest.mark.parametrize("given", FINE, ids=range(len(FINE)))
async def test_what_is_changed_is_fine_at_first(served: Served, given: tuple[str, dict[str, Any]]) -> None:
    served.backend.script = (Opened(), Text('{"a": 1}'), Finish())
    async with served.http.post(given[0], json=given[1]) as response:
        assert response.status == 200, await response.text()
