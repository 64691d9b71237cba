"""The same chat gives the same text, reasoning, calls and usage in every dialect, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.tool_calls.notation import Tool
from tests.api.anthropic.asking import WEATHER
from tests.api.anthropic.random_answers import SAID, THOUGHT, TWO_CUTS, script
from tests.support.anthropic_events import assembled, events
from tests.support.fake_backend import Served, serving

TOOL = Tool(WEATHER["name"], WEATHER["description"], WEATHER["input_schema"])
CITY = "How warm is it in Rome?"


@dataclass(frozen=True)
class Answer:
    """What a client gets, whatever the dialect."""

    text: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]
    usage: tuple[int, int, int]
    """Tokens of the prompt, of all that came back, and of the reasoning in it."""


@dataclass(frozen=True)
class Spoken:
    """How a dialect asks a question, with a tool where one is given, and how its answers are read."""

    path: str
    body: Callable[[str, Tool | None, bool], dict[str, Any]]
    read: Callable[[str, bool], Answer]


def openai_body(model: str, tool: Tool | None, stream: bool) -> dict[str, Any]:
    function = tool and {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    tools = {"tools": [{"type": "function", "function": function}]} if tool else {}
    options = {"stream": stream, "stream_options": {"include_usage": True}}
    return {"model": model, "messages": [{"role": "user", "content": CITY}], **options, **tools}


def read_openai(raw: str, stream: bool) -> Answer:
    frames = [json.loads(frame.removeprefix("data: ")) for frame in raw.split("\n\n")[:-2]] if stream else []
    usage = frames[-1]["usage"] if stream else json.loads(raw)["usage"]
    parts: Iterable[dict[str, Any]] = [json.loads(raw)["choices"][0]["message"]] if not stream else []
    parts = [frame["choices"][0]["delta"] for frame in frames if frame["choices"]] or parts
    functions = [call["function"] for part in parts for call in part.get("tool_calls", ())]
    return Answer(
        "".join(part.get("content") or "" for part in parts),
        "".join(part.get("reasoning_content") or "" for part in parts),
        tuple((function["name"], function["arguments"]) for function in functions),
        (usage["prompt_tokens"], usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]),
    )


def anthropic_body(model: str, tool: Tool | None, stream: bool) -> dict[str, Any]:
    tools = {"tools": [WEATHER]} if tool else {}
    return {"model": model, "messages": [{"role": "user", "content": CITY}], "stream": stream, **tools}


def read_anthropic(raw: str, stream: bool) -> Answer:
    message = assembled(events(raw)) if stream else json.loads(raw)
    content, usage = message["content"], message["usage"]
    calls = [block for block in content if block["type"] == "tool_use"]
    return Answer(
        "".join(block["text"] for block in content if block["type"] == "text"),
        "".join(block["thinking"] for block in content if block["type"] == "thinking"),
        tuple((call["name"], json.dumps(call["input"], ensure_ascii=False)) for call in calls),
        (usage["input_tokens"], usage["output_tokens"], usage["output_tokens_details"]["thinking_tokens"]),
    )


DIALECTS = {
    "openai": Spoken("/v1/chat/completions", openai_body, read_openai),
    "anthropic": Spoken("/v1/messages", anthropic_body, read_anthropic),
}
MODELS = st.sampled_from(["deepseek", "deepseek-r1", "deepseek-search", "deepseek-r1-search-fold", "deepseek-silent"])


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


@settings(suppress_health_check=list(HealthCheck))
@given(thought=THOUGHT, said=SAID.map("".join), cuts=TWO_CUTS, model=MODELS, has_tool=st.booleans())
async def test_the_same_chat_is_the_same_answer_in_every_dialect(
    served: Served, thought: str, said: str, cuts: tuple[list[int], list[int]], model: str, has_tool: bool
) -> None:
    answers: dict[str, Answer] = {}
    for name, spoken in DIALECTS.items():
        for stream in (False, True):
            served.backend.script = script(thought, f"{said}.", cuts[stream])
            answers[f"{name} {stream}"] = await ask(served, spoken, model, TOOL if has_tool else None, stream)
    first = answers["openai False"]
    assert {name: answer for name, answer in answers.items() if answer != first} == {}


async def ask(served: Served, spoken: Spoken, model: str, tool: Tool | None, stream: bool) -> Answer:
    async with served.http.post(spoken.path, json=spoken.body(model, tool, stream)) as response:
        raw = await response.text()
        assert response.status == 200, raw
        return spoken.read(raw, stream)
