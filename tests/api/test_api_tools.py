"""Tools and JSON over HTTP: what a client sees of them, streamed and whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.chat.history_digests import after, digest
from bridge.chat.types import Finish, Message, Opened, Text, Thinking, Withdrawn
from bridge.errors import NoAnswer, PoolFull
from bridge.settings import ApiSettings
from tests.support.fake_backend import Served, serving
from tests.support.free_loop import taken

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
BAD = '<tool_call>\n{"name": "weather", "arguments": {"town": "Rome"}}\n</tool_call>'
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
JSON = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
SPEAKING = (Path(__file__).parent.parent / "corpus/tool_calls/speaking.jsonl").read_text("utf-8").splitlines()
SPEAKS_OF_CALLS = [json.loads(line)["text"] for line in SPEAKING]


def answer(*texts: str) -> tuple[Any, ...]:
    return (Opened(), *map(Text, texts), Finish())


async def whole(served: Served, **body: Any) -> dict[str, Any]:
    async with served.post(**body) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = (await response.json())["choices"][0]
        return found


async def streamed(served: Served, **body: Any) -> list[dict[str, Any]]:
    async with served.post(stream=True, **body) as response:
        lines = (await response.text()).split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line and line != "data: [DONE]"]
    return [chunk["choices"][0] for chunk in chunks if chunk["choices"]]


async def test_a_call_is_a_call_and_nothing_beside_it_is_text(served: Served) -> None:
    served.backend.script = (Opened(), Thinking("Hm."), Text("I look.\n"), Text(CALL), Text("\nWait."), Finish())
    choice = await whole(served, tools=[WEATHER])
    message = choice["message"]
    assert (message["content"], choice["finish_reason"]) == (None, "tool_calls")
    assert message["reasoning_content"] == "Hm.I look.\nWait."
    (call,) = message["tool_calls"]
    assert call["id"].startswith("call_")
    assert (call["type"], call["function"]) == ("function", {"name": "weather", "arguments": '{"city": "Rome"}'})


async def test_a_streamed_call_is_a_proper_delta_and_no_mark_leaks(served: Served) -> None:
    served.backend.script = answer("I look.\n", *CALL, "\n", *CALL)
    choices = await streamed(served, tools=[WEATHER])
    deltas = [choice["delta"] for choice in choices]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [(call["index"], call["type"], call["function"]["arguments"]) for call in calls] == [
        (0, "function", '{"city": "Rome"}'),
        (1, "function", '{"city": "Rome"}'),
    ]
    assert len({call["id"] for call in calls}) == 2
    assert "".join(delta.get("content") or "" for delta in deltas) == ""
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["tool_calls"]


async def test_a_pattern_that_would_never_end_is_judged_like_any_other(served: Served) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    served.backend.scripts = [answer(json.dumps({"a": "a" * 40 + "!"})), answer(json.dumps({"a": "a" * 40}))]
    assert (await whole(served, response_format=form))["message"]["content"] == json.dumps({"a": "a" * 40})
    complaint = served.backend.requests[1].messages[-1]
    assert "does not match" in complaint.text


async def test_without_tools_the_same_text_stays_text(served: Served) -> None:
    served.backend.script = answer(CALL)
    extras: tuple[dict[str, Any], ...] = ({}, {"tools": [WEATHER], "tool_choice": "none"}, {"tools": []})
    for extra in extras:
        choice = await whole(served, **extra)
        assert (choice["message"]["content"], choice["finish_reason"]) == (CALL, "stop")


async def test_long_text_streams_although_tools_are_given() -> None:
    async with serving(api=ApiSettings(hold_text=10)) as served:
        served.backend.script = answer("Hello, ", "how are ", "you?")
        choices = await streamed(served, tools=[WEATHER])
    texts = [choice["delta"]["content"] for choice in choices if choice["delta"].get("content")]
    assert texts == ["Hello, how are ", "you?"]


async def test_the_sdk_runs_a_tool_loop_that_goes_on_in_the_same_history(served: Served) -> None:
    tools: Any = [WEATHER]
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rome?"}]
    raw = f"I will look.\n```xml\n{CALL}\n```"
    served.backend.script = answer(raw)
    first = await served.openai.chat.completions.create(model="deepseek", messages=messages, tools=tools)
    call = first.choices[0].message.tool_calls[0]  # type: ignore[index]
    messages.append(first.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "Rain"})
    served.backend.script = answer("It rains.")
    second = await served.openai.chat.completions.create(model="deepseek", messages=messages, tools=tools)
    assert second.choices[0].message.content == "It rains."
    asked, again = served.backend.requests
    assert again.messages[-1] == Message("tool", '<tool_result name="weather">\nRain\n</tool_result>')
    assert digest(again.messages[:-1]) == digest(after(asked.messages, asked.returned(raw)))


async def test_results_of_several_calls_say_whose_they_are(served: Served) -> None:
    calls = [
        {"id": f"c{number}", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        for number in (1, 2)
    ]
    results = [{"role": "tool", "tool_call_id": f"c{number}", "content": str(number)} for number in (2, 1)]
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
    await whole(served, messages=history, tools=[WEATHER])
    assert served.backend.requests[0].messages[-1].text == (
        '<tool_result name="weather" call="2">\n2\n</tool_result>\n'
        '<tool_result name="weather" call="1">\n1\n</tool_result>'
    )


@pytest.mark.parametrize("beside", [{"type": "function", "strict": True}, {}])
@pytest.mark.parametrize("key", ["parameters", "input_schema"])
async def test_a_tool_may_be_its_function_itself(served: Served, beside: dict[str, Any], key: str) -> None:
    served.backend.script = answer(CALL)
    flat = {**beside, "name": "weather", "description": "Rain.", key: WEATHER["function"]["parameters"]}  # type: ignore[index]
    choice = await whole(served, tools=[flat, {"type": "web_search", "name": "a b"}])
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert "// Rain.\nweather({\n  city: string,\n})" in served.backend.requests[0].messages[0].text


async def test_tools_in_the_older_form_get_calls_in_the_older_form(served: Served) -> None:
    served.backend.script = answer(CALL)
    older = {"functions": [WEATHER["function"]], "function_call": "auto"}
    choice = await whole(served, **older)
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert (choice["message"]["function_call"], choice["finish_reason"]) == (function, "function_call")
    assert "tool_calls" not in choice["message"]
    choices = await streamed(served, **older)
    assert [one["delta"]["function_call"] for one in choices if "function_call" in one["delta"]] == [function]
    assert choices[-1]["finish_reason"] == "function_call"


async def test_a_folding_model_does_not_put_its_thinking_beside_a_call(served: Served) -> None:
    served.backend.script = (Opened(), Thinking("Hm."), Text(CALL), Finish())
    choice = await whole(served, model="deepseek-think-fold", tools=[WEATHER])
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == (None, "Hm.")


@pytest.mark.parametrize(
    "choice", ["auto", {"type": "auto"}, "any", {"type": "required"}, {"type": "function", "name": "weather"}]
)
async def test_a_choice_is_understood_in_every_form_that_clients_send(served: Served, choice: Any) -> None:
    served.backend.script = answer(CALL)
    assert (await whole(served, tools=[WEATHER], tool_choice=choice))["finish_reason"] == "tool_calls"
    must = "This time you must call" in served.backend.requests[0].messages[0].text
    assert must == (choice not in ("auto", {"type": "auto"}))


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("mode", ["auto", "required"])
async def test_only_the_allowed_tools_are_shown_to_the_model(served: Served, mode: str, flat: bool) -> None:
    served.backend.script = answer(CALL)
    other = {"type": "function", "function": {"name": "forbidden"}}
    named = {"type": "function", "name": "weather"} if flat else {"type": "function", "function": {"name": "weather"}}
    inner = {"mode": mode, "tools": [named]}
    choice = {"type": "allowed_tools", **(inner if flat else {"allowed_tools": inner})}
    assert (await whole(served, tools=[other, WEATHER], tool_choice=choice))["finish_reason"] == "tool_calls"
    taught = served.backend.requests[0].messages[0].text
    assert ("weather" in taught, "forbidden" in taught) == (True, False)
    assert ("This time you must call" in taught) == (mode == "required")


async def test_where_no_tool_is_allowed_none_is_shown(served: Served) -> None:
    served.backend.script = answer("Hello")
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}
    assert (await whole(served, tools=[WEATHER], tool_choice=choice))["message"]["content"] == "Hello"
    assert [message.role for message in served.backend.requests[0].messages] == ["user"]


async def test_a_call_that_does_not_fit_is_asked_for_again(served: Served) -> None:
    served.backend.scripts = [answer(BAD), answer(CALL)]
    choice = await whole(served, tools=[WEATHER])
    assert choice["finish_reason"] == "tool_calls"
    first, second = served.backend.requests
    *before, said, complaint = second.messages
    assert tuple(before) == first.messages
    assert said == Message("assistant", BAD)
    assert '"city" is a required property' in complaint.text
    assert second.id != first.id


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
async def test_a_long_answer_that_is_asked_about_again_does_not_keep_the_loop(served: Served, stream: bool) -> None:
    vast = "<tool_calls>" * 20_000 + BAD
    served.backend.scripts = [answer(vast[:100_000], vast[100_000:]), answer(CALL)]
    if stream:
        assert (await streamed(served, tools=[WEATHER]))[-1]["finish_reason"] == "tool_calls"
    else:
        assert (await whole(served, tools=[WEATHER]))["finish_reason"] == "tool_calls"
    assert list(taken()) == []


async def test_a_stream_hides_that_the_model_was_asked_again(served: Served) -> None:
    served.backend.scripts = [(Opened("c", "2"), Text(BAD), Finish()), (Opened("c", "4"), Text(CALL), Finish())]
    choices = await streamed(served, tools=[WEATHER], conversation_id="c@0")
    assert sum("role" in choice["delta"] for choice in choices) == 1
    assert [bool(choice["delta"].get("tool_calls")) for choice in choices] == [False, True, False]
    assert served.backend.requests[1].conversation == "c@2"


@pytest.mark.parametrize("hold", [0, 400])
async def test_where_the_model_was_asked_again_the_next_turn_goes_on_too(hold: int) -> None:
    said = ["I look.\n" + BAD, "Sorry.\n" + BAD, "Now.\n" + CALL, "It rains."]
    async with serving(api=ApiSettings(retries=2, hold_text=hold)) as served:
        served.backend.scripts = [answer(text) for text in said]
        messages: list[Any] = [{"role": "user", "content": "Rome?"}]
        message = (await whole(served, messages=messages, tools=[WEATHER]))["message"]
        result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "Rain"}
        await whole(served, messages=[*messages, message, result], tools=[WEATHER])
        asked = served.backend.requests
    for request, text, following in zip(asked, said, asked[1:], strict=False):
        has = request.messages[: len(request.messages) - request.unseen]
        assert digest(following.messages[:-1]) == digest(after(has, request.returned(text)))


async def test_a_failure_while_asking_again_is_no_reason_to_send_all_of_it_again(served: Served) -> None:
    served.backend.scripts = [answer(BAD), (full := PoolFull("Full.", retry_after=1),)]
    async with served.post(tools=[WEATHER]) as response:
        assert (response.status, response.headers["x-should-retry"]) == (429, "false")
    assert not full.sent, "others may hold the same error"


async def test_a_call_that_never_fits_is_delivered_as_text_with_a_mark(served: Served) -> None:
    served.backend.scripts = [answer(BAD), answer(BAD)]
    choice = await whole(served, tools=[WEATHER])
    text, mark = choice["message"]["content"].split("\n\n")
    assert (text, choice["finish_reason"]) == (BAD, "stop")
    assert mark.startswith("[This is a tool call that could not be read.")
    assert '"city" is a required property' in mark


@pytest.mark.parametrize("hold", [0, 3, 400])
async def test_a_call_that_cannot_be_read_is_asked_for_again_though_text_is_out(hold: int) -> None:
    async with serving(api=ApiSettings(hold_text=hold)) as served:
        served.backend.scripts = [answer(f"I look.\n{BAD}"), answer(CALL)]
        choice = await whole(served, tools=[WEATHER])
    assert choice["finish_reason"] == "tool_calls"
    assert "<tool_call>" not in (choice["message"]["content"] or "")


HALF = CALL[: CALL.index("Rome")]


async def test_half_a_call_at_the_end_is_asked_for_again(served: Served) -> None:
    served.backend.scripts = [answer(HALF), answer(CALL)]
    assert (await whole(served, tools=[WEATHER]))["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("half", [HALF, "I look.\n<tool_call", "<｜｜DSML｜｜ calls>\n<｜｜DSML｜｜ invoke na"])
async def test_half_a_call_that_stays_half_is_no_whole_answer(served: Served, half: str) -> None:
    served.backend.scripts = [answer(half), answer(half)]
    choice = await whole(served, tools=[WEATHER])
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"].startswith(half)
    assert len(served.backend.requests) == 2


def thought(text: str) -> tuple[Any, ...]:
    return Opened("c", "2"), Thinking(text), NoAnswer("Nothing.", sent=True)


@pytest.mark.parametrize("end", [Finish(), NoAnswer("Nothing.", sent=True)])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_in_the_thinking_of_an_empty_answer_is_the_call(served: Served, stream: bool, end: Any) -> None:
    served.backend.script = (*thought(f"The user wants rain.\n{CALL}")[:-1], end)
    if stream:
        choices = await streamed(served, tools=[WEATHER])
        assert [bool(choice["delta"].get("tool_calls")) for choice in choices].count(True) == 1
        assert choices[-1]["finish_reason"] == "tool_calls"
    else:
        choice = await whole(served, tools=[WEATHER])
        assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)


async def test_a_call_in_the_thinking_that_cannot_be_read_is_asked_for_again(served: Served) -> None:
    served.backend.scripts = [thought(f"So:\n{BAD}"), answer(CALL)]
    assert (await whole(served, tools=[WEATHER]))["finish_reason"] == "tool_calls"
    assert '"city" is a required property' in served.backend.requests[1].messages[-1].text


async def test_thinking_without_a_call_and_without_an_answer_is_an_error(served: Served) -> None:
    served.backend.script = thought("Hm.")
    async with served.post(tools=[WEATHER]) as response:
        assert response.status == 502
    served.backend.script = thought(CALL)
    async with served.post() as response:
        assert response.status == 502


async def test_a_call_in_the_thinking_is_left_alone_where_there_is_an_answer(served: Served) -> None:
    served.backend.script = (Opened(), Thinking(CALL), Text("It rains."), Finish())
    choice = await whole(served, tools=[WEATHER])
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", "It rains.")
    assert len(served.backend.requests) == 1


async def test_what_only_speaks_of_calls_costs_no_second_send(served: Served) -> None:
    for text in SPEAKS_OF_CALLS:
        served.backend.begin_anew()
        served.backend.script = answer(text)
        choice = await whole(served, tools=[WEATHER])
        assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", text)
        assert len(served.backend.requests) == 1, text


async def test_a_model_that_must_call_and_does_not_is_asked_again(served: Served) -> None:
    served.backend.scripts = [answer("No."), answer(CALL)]
    choice = await whole(served, tools=[WEATHER], tool_choice="required")
    assert choice["finish_reason"] == "tool_calls"
    assert "must call one of the tools" in served.backend.requests[1].messages[-1].text


async def test_nobody_is_asked_again_where_the_settings_say_so() -> None:
    async with serving(api=ApiSettings(retries=0)) as served:
        served.backend.script = answer(BAD)
        assert (await whole(served, tools=[WEATHER]))["message"]["content"].startswith(BAD)
        assert len(served.backend.requests) == 1


async def test_an_answer_that_was_withdrawn_calls_nothing(served: Served) -> None:
    served.backend.script = (Opened(), Text("I look."), Withdrawn("No."), Finish())
    choice = await whole(served, tools=[WEATHER])
    assert (choice["message"]["content"], choice["finish_reason"]) == ("No.", "content_filter")


async def test_what_the_site_says_in_place_of_an_answer_is_text_and_no_call(served: Served) -> None:
    served.backend.script = (Opened(), Text("I"), Withdrawn("No. "), Text("Let us talk"), Text(CALL), Finish())
    choice = await whole(served, tools=[WEATHER])
    assert (choice["message"]["content"], choice["finish_reason"]) == (f"No. Let us talk{CALL}", "content_filter")


# JSON


@pytest.mark.parametrize(
    "text",
    ['{"age": 36}', '```json\n{"age": 36}\n```', 'Here it is:\n\n```\n{"age": "36",}\n```\nDone.', '{"age": 36.0}'],
)
async def test_json_is_given_out_bare_and_valid(served: Served, text: str) -> None:
    served.backend.script = answer(*text)
    choice = await whole(served, response_format=JSON)
    assert json.loads(choice["message"]["content"]) == {"age": 36}
    choices = await streamed(served, response_format=JSON)
    texts = [choice["delta"]["content"] for choice in choices if choice["delta"].get("content")]
    assert list(map(json.loads, texts)) == [{"age": 36}]


async def test_the_model_is_told_the_schema(served: Served) -> None:
    served.backend.script = answer('{"age": 1}')
    await whole(served, response_format=JSON)
    told = served.backend.requests[0].messages[0]
    assert told.role == "system"
    assert json.dumps(SCHEMA) in told.text


@pytest.mark.parametrize("stream", [False, True])
async def test_json_that_does_not_fit_is_an_error_and_never_given_out(served: Served, stream: bool) -> None:
    served.backend.scripts = [answer("I cannot."), answer('{"age": "old"}')]
    async with served.post(response_format=JSON, stream=stream) as response:
        assert response.status == (200 if stream else 502)
        body = await response.text()
    assert '"code":"json_invalid"' in body
    assert "old" not in body.replace(r"\"old\" is not", "")
    assert len(served.backend.requests) == 2


async def test_json_is_asked_for_again_once(served: Served) -> None:
    served.backend.scripts = [answer("I am 36."), answer('{"age": 36}')]
    assert (await whole(served, response_format=JSON))["message"]["content"] == '{"age": 36}'
    assert "no valid answer" in served.backend.requests[1].messages[-1].text


async def test_any_object_is_json_and_a_list_is_none(served: Served) -> None:
    wanted = {"type": "json_object"}
    served.backend.script = answer('{"a": [1, {"b": null}]}')
    assert (await whole(served, response_format=wanted))["message"]["content"] == '{"a": [1, {"b": null}]}'
    served.backend.script = answer("[1, 2]")
    async with served.post(response_format=wanted) as response:
        assert response.status == 502


async def test_tools_and_json_go_together(served: Served) -> None:
    served.backend.script = answer("I look.\n", CALL)
    assert (await whole(served, response_format=JSON, tools=[WEATHER]))["finish_reason"] == "tool_calls"
    served.backend.script = answer('```json\n{"age": 3}\n```')
    assert (await whole(served, response_format=JSON, tools=[WEATHER]))["message"]["content"] == '{"age": 3}'


async def test_what_comes_back_of_json_is_known_beforehand(served: Served) -> None:
    served.backend.script = answer('{"age": 1}')
    await whole(served, response_format=JSON)
    asked = served.backend.requests[0]
    assert asked.returned('```json\n{"age": 1}\n```') == '{"age": 1}'
    assert asked.returned("no json") == "no json"
    served.backend.script = answer(CALL)
    for wanted in (JSON, {"type": "json_object"}):
        await whole(served, response_format=wanted, tools=[WEATHER])
        assert served.backend.requests[-1].returned(f"{'x' * 1000}\n{CALL}") == CALL
