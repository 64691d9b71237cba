"""The same chat gives the same text, reasoning, calls and usage in every dialect, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.api.routes import dialects
from bridge.chat.types import Finish, Opened, Rewritten, Text, Thinking
from bridge.settings import Settings
from bridge.tool_calls.notation import Tool, canonical
from tests.api.anthropic.asking import WEATHER
from tests.api.anthropic.random_answers import SAID, THOUGHT, TWO_CUTS, script
from tests.support.anthropic_events import assembled, events
from tests.support.fake_backend import Served, serving

TOOL = Tool(WEATHER["name"], WEATHER["description"], WEATHER["input_schema"])
QUESTION = [{"role": "user", "content": "How warm is it in Rome?"}]


@dataclass(frozen=True)
class Answer:
    """What a client gets, whatever the dialect."""

    text: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]
    usage: tuple[int, int]
    """Tokens of the prompt, and of all that came back."""

    @classmethod
    def of(cls, texts: Iterable[str], thoughts: Iterable[str], calls: Iterable[tuple[str, Any]], *usage: int) -> Answer:
        """Return the answer; arguments of calls are objects, or JSON."""
        prompt, *completion = usage
        read = [(name, given if isinstance(given, str) else canonical(given)) for name, given in calls]
        return cls("".join(texts), "".join(thoughts), tuple(read), (prompt, sum(completion)))


@dataclass(frozen=True)
class Spoken:
    """How a dialect asks a question, with a tool where one is given, and how its answers are read."""

    ask: Callable[[str, Tool | None, bool], tuple[str, dict[str, Any]]]
    """Returns path and body."""
    read: Callable[[str, bool], Answer]


def declared(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def ask_openai(model: str, tool: Tool | None, stream: bool) -> tuple[str, dict[str, Any]]:
    tools = {"tools": [{"type": "function", "function": declared(tool)}]} if tool else {}
    options = {"stream": stream, "stream_options": {"include_usage": True}}
    return "/v1/chat/completions", {"model": model, "messages": QUESTION, **options, **tools}


def read_openai(raw: str, stream: bool) -> Answer:
    if stream:
        frames = [json.loads(frame.removeprefix("data: ")) for frame in raw.split("\n\n")[:-2]]
        parts, usage = [frame["choices"][0]["delta"] for frame in frames[:-1]], frames[-1]["usage"]
    else:
        answer = json.loads(raw)
        parts, usage = [answer["choices"][0]["message"]], answer["usage"]
    functions = [call["function"] for part in parts for call in part.get("tool_calls", ())]
    return Answer.of(
        (part.get("content") or "" for part in parts),
        (part.get("reasoning_content") or "" for part in parts),
        ((function["name"], function["arguments"]) for function in functions),
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


def ask_anthropic(model: str, tool: Tool | None, stream: bool) -> tuple[str, dict[str, Any]]:
    tools = {"tools": [WEATHER]} if tool else {}
    return "/v1/messages", {"model": model, "messages": QUESTION, "stream": stream, **tools}


def read_anthropic(raw: str, stream: bool) -> Answer:
    message = assembled(events(raw)) if stream else json.loads(raw)
    content, usage = message["content"], message["usage"]
    return Answer.of(
        (block["text"] for block in content if block["type"] == "text"),
        (block["thinking"] for block in content if block["type"] == "thinking"),
        ((block["name"], block["input"]) for block in content if block["type"] == "tool_use"),
        usage["input_tokens"],
        usage["output_tokens"],
    )


def ask_ollama(model: str, tool: Tool | None, stream: bool) -> tuple[str, dict[str, Any]]:
    tools = {"tools": [{"type": "function", "function": declared(tool)}]} if tool else {}
    return "/api/chat", {"model": model, "messages": QUESTION, "stream": stream, **tools}


def read_ollama(raw: str, stream: bool) -> Answer:
    lines = [json.loads(line) for line in raw.splitlines()]
    parts = [line["message"] for line in lines]
    functions = [call["function"] for part in parts for call in part.get("tool_calls", ())]
    return Answer.of(
        (part["content"] for part in parts),
        (part.get("thinking", "") for part in parts),
        ((function["name"], function["arguments"]) for function in functions),
        lines[-1]["prompt_eval_count"],
        lines[-1]["eval_count"],
    )


def ask_gemini(model: str, tool: Tool | None, stream: bool) -> tuple[str, dict[str, Any]]:
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    contents = [{"role": "user", "parts": [{"text": QUESTION[0]["content"]}]}]
    config = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
    tools = {"tools": [{"functionDeclarations": [declared(tool)]}]} if tool else {}
    return f"/v1beta/models/{model}:{method}", {"contents": contents, **config, **tools}


def read_gemini(raw: str, stream: bool) -> Answer:
    frames = raw.split("\n\n")[:-1] if stream else [raw]
    answers = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    parts = [part for answer in answers for part in answer["candidates"][0]["content"]["parts"]]
    usage = answers[-1]["usageMetadata"]
    return Answer.of(
        (part.get("text", "") for part in parts if not part.get("thought")),
        (part["text"] for part in parts if part.get("thought")),
        ((part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts if "functionCall" in part),
        usage["promptTokenCount"],
        usage.get("candidatesTokenCount", 0),
        usage.get("thoughtsTokenCount", 0),
    )


def ask_responses(model: str, tool: Tool | None, stream: bool) -> tuple[str, dict[str, Any]]:
    tools = {"tools": [{"type": "function", **declared(tool)}]} if tool else {}
    options = {"stream": stream, "reasoning": {"summary": "auto"}}
    return "/v1/responses", {"model": model, "input": QUESTION, **options, **tools}


def read_responses(raw: str, stream: bool) -> Answer:
    response = events(raw)[-1]["response"] if stream else json.loads(raw)
    output, usage = response["output"], response["usage"]
    return Answer.of(
        (part["text"] for item in output if item["type"] == "message" for part in item["content"]),
        (part["text"] for item in output if item["type"] == "reasoning" for part in item["summary"]),
        ((item["name"], item["arguments"]) for item in output if item["type"] == "function_call"),
        usage["input_tokens"],
        usage["output_tokens"],
    )


DIALECTS = {
    "openai": Spoken(ask_openai, read_openai),
    "responses": Spoken(ask_responses, read_responses),
    "anthropic": Spoken(ask_anthropic, read_anthropic),
    "ollama": Spoken(ask_ollama, read_ollama),
    "gemini": Spoken(ask_gemini, read_gemini),
}
MODELS = st.sampled_from(["deepseek", "deepseek-r1", "deepseek-search", "deepseek-r1-search-fold", "deepseek-silent"])


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


def test_every_dialect_is_asked() -> None:
    assert {type(dialect).__module__.split(".")[2] for dialect in dialects(Settings().api).all} == set(DIALECTS)


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


CHANGED = "The site has changed text of its answer that was already sent"
CHANGES: dict[str, tuple[tuple[Text | Rewritten, ...], str, str | None]] = {
    "what was given out": ((Text("Rain is"), Rewritten("Snow is cold.")), "Snow is cold.", None),
    "twice": ((Text("Rain"), Rewritten("Snow"), Rewritten("Hail.")), "Hail.", None),
    "to less": ((Text("Rain is water."), Rewritten("Rain")), "Rain", None),
    "to more of the same": ((Text("Rain"), Rewritten("Rain falls.")), "Rain falls.", "Rain falls."),
    "and goes on": ((Text("Rain"), Rewritten("Rain falls"), Text(" down.")), "Rain falls down.", "Rain falls down."),
    "before any text": ((Rewritten("Snow."),), "Snow.", "Snow."),
}
"""What of a text changes: the events, the whole answer, and the streamed one; None where that is an error."""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("change", CHANGES)
async def test_a_text_that_the_site_changes_is_never_silently_wrong(served: Served, dialect: str, change: str) -> None:
    changes, whole, streamed = CHANGES[change]
    spoken = DIALECTS[dialect]
    served.backend.script = (Opened("c", "2"), Thinking("Hm."), *changes, Finish())
    assert in_words(await ask(served, spoken, "deepseek-r1", None, stream=False)) == (whole, "Hm.", ())
    if streamed is not None:
        assert in_words(await ask(served, spoken, "deepseek-r1", None, stream=True)) == (streamed, "Hm.", ())
        return
    path, body = spoken.ask("deepseek-r1", None, True)
    async with served.http.post(path, json=body) as response:
        raw = await response.text()
    assert CHANGED in raw
    assert whole not in raw.replace(changes[0].text, "")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_change_of_what_was_held_back_for_a_call_is_not_seen(
    served: Served, dialect: str, stream: bool
) -> None:
    changes = (Text('Well: <tool_call>{"name": "'), Rewritten("Well: no."))
    served.backend.script = (Opened("c", "2"), Thinking("Hm."), *changes, Finish())
    answer = await ask(served, DIALECTS[dialect], "deepseek-r1", TOOL, stream=stream)
    assert in_words(answer) == ("Well: no.", "Hm.", ())


def in_words(answer: Answer) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return answer.text, answer.reasoning, answer.calls


async def test_the_tokens_of_a_text_that_was_changed_are_those_of_what_is_left(served: Served) -> None:
    spoken = DIALECTS["openai"]
    answers = []
    for changes in ((Text("Rain " * 50), Rewritten("Snow.")), (Text("Snow."),)):
        served.backend.script = (Opened("c", "2"), Thinking("Hm."), *changes, Finish())
        answers.append(await ask(served, spoken, "deepseek-r1", None, stream=False))
    assert answers[0] == answers[1]


async def ask(served: Served, spoken: Spoken, model: str, tool: Tool | None, stream: bool) -> Answer:
    path, body = spoken.ask(model, tool, stream)
    async with served.http.post(path, json=body) as response:
        raw = await response.text()
        assert response.status == 200, raw
        return spoken.read(raw, stream)
