"""Whatever a request to Gemini's API holds, there is an answer, or an error in its form that names the field.

`FUZZ=3000 pytest -s tests/api/gemini/test_gemini_fuzz.py` makes that many requests of each kind, and says what came of
them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chat.types import Finish, Opened, Text, Thinking
from bridge.sse import SSEDecoder
from tests.api.gemini.test_gemini_chat import CALL, FOUND, HI, PNG, SCHEMA, TOOLS, WORDS, path
from tests.support.fake_backend import Served
from tests.support.mutations import FUZZ_TESTS, NO_BODIES, answered, fuzz, mutated

METHODS = ("generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse", "countTokens")
INLINE = {"inlineData": {"mimeType": "image/png", "data": PNG, "displayName": "a.png"}}
FILE = {"file_data": {"file_uri": "data:text/plain,Hi", "mime_type": "text/plain"}}
ANSWER = [
    {"text": "Hm.", "thought": True},
    {"text": "I look.", "thoughtSignature": "c2ln"},
    {"functionCall": {"id": "1", "name": "weather", "args": {"city": "Rome"}}},
]
RESULT = {"functionResponse": {"id": "1", "name": "weather", "response": {"result": "21"}, "parts": [INLINE]}}
FINE: list[dict[str, Any]] = [
    {"contents": HI},
    {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, INLINE, FILE]},
            {"role": "model", "parts": ANSWER},
            {"role": "model", "parts": [{"text": ""}]},
            {"role": "user", "parts": [RESULT, {"text": "And?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [*TOOLS, {"googleSearch": {}}, {"codeExecution": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
        "safetySettings": [{"category": "x", "threshold": "y"}],
    },
    {
        "contents": HI,
        "generation_config": {
            "stop_sequences": ["END"],
            "max_output_tokens": 20,
            "candidate_count": 2,
            "temperature": 0.5,
            "thinking_config": {"include_thoughts": True, "thinking_budget": 100, "thinking_level": "HIGH"},
        },
    },
    {"contents": HI, "generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA}},
    {"contents": [*HI, {"role": "model", "parts": [{"text": "The"}]}], "system_instruction": "Be brief."},
]

pytestmark = FUZZ_TESTS


async def send(served: Served, method: str, data: bytes, outcomes: Counter[str]) -> None:
    """Send a body, and check what is answered."""
    status, _, raw = await answered(served, path(method), data, outcomes)
    if status == 200:
        check_answer(method, raw.encode())
        return
    error = json.loads(raw)["error"]
    assert error.keys() == {"code", "message", "status", "details"}


def check_answer(method: str, raw: bytes) -> None:
    """Check that an answer is whole, or ends with an error."""
    if method == "countTokens":
        assert json.loads(raw)["totalTokens"] >= 0
        return
    is_sse = method.endswith("sse")
    pieces = [json.loads(event.data) for event in SSEDecoder().feed(raw)] if is_sse else json.loads(raw)
    last = pieces if isinstance(pieces, dict) else pieces[-1]
    assert "error" in last or "usageMetadata" in last


@fuzz
@given(method=st.sampled_from(METHODS), given=mutated(FINE), words=WORDS)
async def test_bodies_that_are_nearly_fine(
    served: Served, outcomes: Counter[str], method: str, given: Any, words: str
) -> None:
    served.backend.script = (Opened(), Thinking("Hm."), FOUND, Text(f"So: {words}"), Text(CALL), Finish())
    await send(served, method, json.dumps(given).encode(), outcomes)


@fuzz
@given(method=st.sampled_from(METHODS), given=NO_BODIES)
async def test_bodies_that_are_none(served: Served, outcomes: Counter[str], method: str, given: bytes) -> None:
    await send(served, method, given, outcomes)


@pytest.mark.parametrize("given", FINE, ids=range(len(FINE)))
async def test_what_is_changed_is_fine_at_first(served: Served, given: dict[str, Any]) -> None:
    served.backend.script = (Opened(), Text(f'{{"a": 1}}{CALL}'), Finish())
    async with served.http.post(path("countTokens"), json=given) as response:
        assert response.status == 200, await response.text()
