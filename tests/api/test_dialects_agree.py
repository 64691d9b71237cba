"""The same chat through every dialect gives the same text, reasoning and usage, however the site's answer was cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.api.routes import dialects
from bridge.chat.types import Finish, Opened, Text, Thinking
from bridge.settings import Settings
from tests.support.fake_backend import Served, serving

MODEL = "deepseek-reasoner"
ASKED = [{"role": "user", "content": "Hello world"}]
THINKING = {"type": "enabled", "budget_tokens": 2_000}
Answer = tuple[str, str, int, int]
"""Text, reasoning, tokens of the prompt and of all that the model wrote."""


@dataclass(frozen=True)
class Way:
    """How one dialect is asked, and where its answer has what."""

    path: str
    body: Mapping[str, Any]
    read: Callable[[Any], Answer]


def of_chat(body: Any) -> Answer:
    message, usage = body["choices"][0]["message"], body["usage"]
    thought = message.get("reasoning_content", "")
    return message["content"], thought, usage["prompt_tokens"], usage["completion_tokens"]


def of_responses(body: Any) -> Answer:
    said, thought = "", ""
    for item in body["output"]:
        if item["type"] == "message":
            said += "".join(part["text"] for part in item["content"])
        else:
            thought += "".join(part["text"] for part in item["summary"] or item.get("content") or ())
    return said, thought, body["usage"]["input_tokens"], body["usage"]["output_tokens"]


def of_messages(body: Any) -> Answer:
    said = "".join(block["text"] for block in body["content"] if block["type"] == "text")
    thought = "".join(block["thinking"] for block in body["content"] if block["type"] == "thinking")
    return said, thought, body["usage"]["input_tokens"], body["usage"]["output_tokens"]


def of_ollama(body: Any) -> Answer:
    message = body["message"]
    return message["content"], message.get("thinking", ""), body["prompt_eval_count"], body["eval_count"]


def of_gemini(body: Any) -> Answer:
    parts, usage = body["candidates"][0]["content"]["parts"], body["usageMetadata"]
    said = "".join(part["text"] for part in parts if not part.get("thought"))
    thought = "".join(part["text"] for part in parts if part.get("thought"))
    written = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    return said, thought, usage["promptTokenCount"], written


WAYS = {
    "openai": Way("/v1/chat/completions", {"model": MODEL, "messages": ASKED}, of_chat),
    "responses": Way(
        "/v1/responses", {"model": MODEL, "input": "Hello world", "reasoning": {"summary": "auto"}}, of_responses
    ),
    "anthropic": Way(
        "/v1/messages",
        {
            "model": MODEL,
            "max_tokens": 9_999,
            "messages": ASKED,
            "thinking": {"type": "enabled", "budget_tokens": 2_000},
        },
        of_messages,
    ),
    "ollama": Way("/api/chat", {"model": MODEL, "messages": ASKED, "stream": False, "think": True}, of_ollama),
    "gemini": Way(
        f"/v1beta/models/{MODEL}:generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "Hello world"}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        },
        of_gemini,
    ),
}
WORDS = st.text("aé好😀 .\n", min_size=1, max_size=6)


async def answers(served: Served) -> dict[str, Answer]:
    """Return what each dialect gives of the backend's answer."""
    found = {}
    for name, way in WAYS.items():
        async with served.http.post(way.path, json=way.body) as response:
            body = await response.json(content_type=None)
            assert response.status == 200, (name, body)
            found[name] = way.read(body)
    return found


def test_every_dialect_is_asked() -> None:
    folders = {type(dialect).__module__.split(".")[2] for dialect in dialects(Settings()).all}
    assert folders == set(WAYS)


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=6))
async def test_the_same_chat_gives_the_same_through_every_dialect(thinking: list[str], text: list[str]) -> None:
    async with serving() as served:
        served.backend.script = (Opened(), *map(Thinking, ["Hm", *thinking]), *map(Text, ["Yes", *text, "."]), Finish())
        found = await answers(served)
    assert set(found.values()) == {found["openai"]}, found
    assert found["openai"][:2] == ("".join(["Yes", *text, "."]), "".join(["Hm", *thinking]))
