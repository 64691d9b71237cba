"""An agent's whole loop through the real page: each result goes to the site, and nothing but the result."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from openai.types.chat import ChatCompletionFunctionToolParam

from bridge.browser.browser import Chromium
from tests.support.live import Live, called, directive, live

STEPS = 10
STEP: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "step",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
    },
}


async def agent(run: Live, messages: list[Any], stream: bool) -> str:
    """Run the tool as long as the model calls it, and return the model's last word."""
    for _ in range(STEPS + 1):
        message = await turn(run, messages, stream)
        messages.append(message.to_dict())
        if not message.tool_calls:
            return message.content or ""
        for call in message.tool_calls:
            number = json.loads(call.function.arguments)["number"]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"step {number} is done"})
    return "The model calls without end."


async def turn(run: Live, messages: list[Any], stream: bool) -> Any:
    completions = run.client.chat.completions
    if not stream:
        return (await completions.create(model="deepseek", messages=messages, tools=[STEP])).choices[0].message
    async with completions.stream(model="deepseek", messages=messages, tools=[STEP]) as chunks:
        return (await chunks.get_final_completion()).choices[0].message


NOTATION = [{"text": called("step", number=number)} for number in range(STEPS)]
NATIVE = [{"calls": [{"name": "step", "arguments": {"number": number}}], "seed": number} for number in range(STEPS)]
"""In the dialect of the site's model, spelled in another way each time."""


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """The bridge of all tests; what `shared` is in this folder else has no site behind it."""
    async with live(tmp_path_factory.mktemp("agent"), chromium=chromium) as run:
        yield run


@pytest.mark.parametrize(
    ("scripts", "stream"),
    [
        pytest.param(NOTATION, False, id="notation"),
        pytest.param(NATIVE, True, id="native-streamed"),
        pytest.param(NOTATION, True, id="notation-streamed", marks=pytest.mark.stress),
        pytest.param(NATIVE, False, id="native", marks=pytest.mark.stress),
    ],
)
async def test_an_agent_of_ten_steps_sends_each_result_once_in_one_conversation(
    run: Live, scripts: list[dict[str, Any]], stream: bool
) -> None:
    first, *rest = scripts
    then = [*rest, {"text": "All steps are done."}]
    messages: list[Any] = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": f"Take all steps. {directive(**first, then=then)}"},
    ]
    assert await agent(run, messages, stream) == "All steps are done."
    turns = run.account().turns
    for number, turn in enumerate(turns[1:]):
        result = f'<tool_result name="step">\nstep {number} is done\n</tool_result>'
        assert turn.prompt.endswith(f" ===\n{result}")
        assert turn.prompt.count("\n=== ") == turn.prompt.count("\n=== Tool result ") == 1
    assert [turn.parent for turn in turns] == [None, *range(2, 2 * STEPS + 2, 2)]
    assert len({turn.conversation for turn in turns}) == 1


async def test_a_call_that_had_to_be_asked_for_again_does_not_end_the_conversation(run: Live) -> None:
    then = [{"text": text} for text in (called("step", number=0), "All steps are done.")]
    task = f"Take all steps. {directive(text=called('stop', number=0), then=then)}"
    assert await agent(run, [{"role": "user", "content": task}], stream=True) == "All steps are done."
    turns = run.account().turns
    assert "There is no tool 'stop'." in turns[1].prompt
    assert turns[2].prompt.endswith('<tool_result name="step">\nstep 0 is done\n</tool_result>')
    assert [turn.parent for turn in turns] == [None, 2, 4]
