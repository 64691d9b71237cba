"""`/v1/responses`: the response in one piece, and the events that it becomes."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking, Withdrawn
from bridge.errors import BrowserError, ContextTooLong, NoAccount, PoolFull, SiteBusy
from tests.support.fake_backend import Served, soon
from tests.support.responses import FUNCTION, PATH, events_of, refused, streamed, text_of, types, whole

CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
FOUND = Searched(("warm?",), (Source(1, "https://a.example/", "A"), Source(2, "https://b.example/", "B")))


async def test_a_response_in_one_piece_has_all_fields(served: Served) -> None:
    response = await whole(served)
    assert response.keys() >= Response.model_fields.keys()
    assert response.pop("created_at") > 1_700_000_000
    assert response.pop("completed_at") > 1_700_000_000
    id_ = response["id"].removeprefix("resp_")
    reasoning, message = response["output"]
    assert reasoning == {
        "id": f"rs_{id_}_0",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
    }
    assert message == {
        "id": f"msg_{id_}_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
    }
    assert (response["object"], response["status"], response["model"]) == ("response", "completed", "deepseek")
    assert (response["error"], response["incomplete_details"]) == (None, None)
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"]["reasoning_tokens"] == 1


async def test_a_stream_tells_of_each_item_from_its_beginning_to_its_end(served: Served) -> None:
    events = await streamed(served)
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["output_index"] for event in events if "output_index" in event] == [0] * 6 + [1] * 7
    assert [event["delta"] for event in events if event["type"] == "response.output_text.delta"] == ["Hel", "lo"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    assert (events[0]["response"]["status"], events[0]["response"]["output"]) == ("in_progress", [])


async def test_what_was_asked_for_is_repeated(served: Served) -> None:
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "max_output_tokens": 100,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": "auto"},
        "safety_identifier": "me",
        "store": False,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "tool_choice": "auto",
        "tools": [FUNCTION],
        "top_p": 0.25,
        "truncation": "auto",
        "user": "u",
    }
    assert asked.items() <= (await whole(served, **asked)).items()
    (request,) = served.backend.requests
    assert request.messages[0].text == "Be brief."
    assert request.model.thinking


async def test_what_does_not_fit_the_types_is_not_repeated(served: Served) -> None:
    odd: dict[str, Any] = {
        "max_tool_calls": "many",
        "prompt_cache_retention": "for ever",
        "reasoning": {"effort": "huge", "summary": "none"},
        "temperature": "hot",
        "text": {"format": {"type": "json_schema", "schema": {}, "strict": 1}, "verbosity": "chatty"},
        "tool_choice": {"type": "web_search", "name": 7},
        "tools": [
            {"type": "function", "name": "f", "strict": "yes", "description": None},
            {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "c", "format": {"type": "x"}}]},
            {"type": "web_search", "search_context_size": "vast"},
            {"type": "novel"},
        ],
        "user": 7,
    }
    served.backend.script = (Opened(), Text("{}"), Finish())
    made = await whole(served, **odd)
    assert made["text"] == {"format": {"type": "json_schema", "name": "answer", "schema": {}}, "verbosity": None}
    assert made["reasoning"] == {"effort": None, "summary": None}
    assert (made["tool_choice"], made["temperature"], made["user"]) == ("auto", 1.0, None)
    assert made["tools"] == [
        {"type": "function", "name": "f", "parameters": None, "strict": None},
        {"type": "namespace", "name": "n", "description": "", "tools": [{"type": "custom", "name": "c"}]},
        {"type": "web_search"},
    ]


async def test_fields_without_effect_are_named_and_refuse_nothing(served: Served) -> None:
    asked = {"model": "deepseek", "input": "Hi", "temperature": 1, "client_metadata": {"x": "y"}, "novel": [1]}
    async with served.http.post(PATH, json=asked) as response:
        assert (response.status, response.headers["x-bridge-ignored"]) == (200, "temperature, novel")


async def test_tools_that_nobody_runs_are_named(served: Served) -> None:
    mcp = {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example/"}
    inner = {"type": "namespace", "name": "n", "tools": [FUNCTION, {"type": "tool_search"}]}
    tools = [FUNCTION, {"type": "custom", "name": "c"}, {"type": "web_search_preview"}, inner, mcp, mcp]
    async with served.http.post(PATH, json={"model": "deepseek", "input": "Hi", "tools": tools}) as response:
        assert (response.status, response.headers["x-bridge-ignored"]) == (200, "tool_search, mcp")


async def test_a_call_is_an_item_with_its_events(served: Served) -> None:
    served.backend.script = (Opened(), Text(CALL), Text("\n" + CALL), Finish())
    events = await streamed(served, tools=[FUNCTION])
    call = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
    assert types(events) == ["created", "in_progress", *call, *call, "completed"]
    first, second = events[-1]["response"]["output"]
    assert first["call_id"] != second["call_id"]
    assert (first["type"], first["name"], first["status"]) == ("function_call", "weather", "completed")
    assert first["arguments"] == '{"city": "Rome"}'
    added, delta, done = events[2:5]
    assert (added["item"]["arguments"], added["item"]["status"]) == ("", "in_progress")
    assert delta["delta"] == done["arguments"] == first["arguments"]
    assert delta["item_id"] == done["item_id"] == first["id"]


async def test_a_search_is_an_item_and_what_is_cited_is_annotated(served: Served) -> None:
    served.backend.script = (Opened(), FOUND, Text("It is warm"), Text(" [citation:2]."), Finish())
    asked: dict[str, Any] = {"tools": [{"type": "web_search", "external_web_access": True}]}
    events = await streamed(served, **asked, include=["web_search_call.action.sources"])
    assert served.backend.requests[0].model.search
    assert [one for one in types(events) if one.startswith("web_search_call")] == [
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
    ]
    search, message = events[-1]["response"]["output"]
    urls = [{"type": "url", "url": f"https://{name}.example/"} for name in "ab"]
    assert search["action"] == {"type": "search", "query": "warm?", "queries": ["warm?"], "sources": urls}
    (part,) = message["content"]
    (cited,) = part["annotations"]
    assert part["text"][cited["start_index"] : cited["end_index"]] == "[[2]](https://b.example/)"
    assert (cited["type"], cited["url"], cited["title"]) == ("url_citation", "https://b.example/", "B")
    annotated = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert [event["annotation"] for event in annotated] == [cited]
    bare = await whole(served, **asked)
    assert "sources" not in bare["output"][0]["action"]


async def test_places_of_citations_count_within_their_message(served: Served) -> None:
    served.backend.script = (Opened(), FOUND, Text("One. "), Thinking("Hm."), Text("Two [citation:1]."), Finish())
    response = await whole(served, model="deepseek-search")
    parts = [item["content"][0] for item in response["output"] if item["type"] == "message"]
    (cited,) = parts[1]["annotations"]
    assert parts[1]["text"][cited["start_index"] : cited["end_index"]] == "[[1]](https://a.example/)"


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_an_answer_that_is_cut_is_incomplete(served: Served, finish: Any, reason: str) -> None:
    served.backend.script = (Opened(), Text("Half of"), Finish(finish))
    response = (await streamed(served))[-1]["response"]
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert response["output"][0]["status"] == "incomplete"
    assert response["completed_at"] is None


async def test_the_number_of_tokens_is_heeded(served: Served) -> None:
    served.backend.script = (Opened(), Text("word " * 100), Finish())
    events = await streamed(served, max_output_tokens=5)
    assert events[-1]["type"] == "response.incomplete"
    assert 0 < len(text_of(events[-1]["response"])) < 40


async def test_reasoning_brings_what_can_be_sent_back_where_it_is_asked_for(served: Served) -> None:
    response = await whole(served, include=["reasoning.encrypted_content"], store=False)
    assert response["output"][0]["encrypted_content"]
    back = [{"role": "user", "content": "Hi"}, *response["output"], {"role": "user", "content": "And now?"}]
    await whole(served, input=back, include=["reasoning.encrypted_content"], store=False)
    assert [message.text for message in served.backend.requests[1].messages] == ["Hi", "Hello", "And now?"]


async def test_json_is_the_text_of_the_message(served: Served) -> None:
    served.backend.script = (Opened(), Text('```json\n{"age": 36}\n```'), Finish())
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    form = {"type": "json_schema", "name": "person", "schema": schema, "strict": True}
    response = await whole(served, text={"format": form})
    assert text_of(response) == '{"age": 36}'
    assert response["text"]["format"] == form


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PoolFull("Too many.", retry_after=3), 429, "rate_limit_exceeded"),
        (ContextTooLong("Too long.", param="input"), 400, "context_length_exceeded"),
        (NoAccount("None."), 503, "no_account"),
        (BrowserError("Lost."), 502, "browser_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_answer_is_an_http_error(
    served: Served, error: Exception, status: int, code: str, stream: bool
) -> None:
    served.backend.script = (error,)
    async with served.http.post(PATH, json={"model": "deepseek", "input": "Hi", "stream": stream}) as response:
        body = await response.json()
        assert response.status == status
        assert response.headers["x-request-id"]
    assert body["error"].keys() == {"message", "type", "param", "code"}


async def test_a_failure_in_mid_stream_is_an_error_and_a_failed_response(served: Served) -> None:
    served.backend.script = (Opened(), Text("Half"), BrowserError("Lost.", sent=True))
    *_, error, failed = await streamed(served)
    assert (error["type"], error["message"]) == ("error", error["error"]["message"])
    assert failed["type"] == "response.failed"
    assert (failed["response"]["status"], failed["response"]["error"]["code"]) == ("failed", "server_error")


async def test_the_sdk_raises_a_failure_in_mid_stream(served: Served) -> None:
    served.backend.script = (Opened(), Text("Half"), SiteBusy("Busy.", sent=True))
    stream = await served.openai.responses.create(model="deepseek", input="Hi", stream=True)
    with pytest.raises(openai.APIError, match="Busy"):
        async for _ in stream:
            pass


async def test_the_sdk_s_stream_helper_puts_the_response_together(served: Served) -> None:
    async with served.openai.responses.stream(model="deepseek", input="Hi") as stream:
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
        final = await stream.get_final_response()
    created = await served.openai.responses.create(model="deepseek", input="Hi")
    assert text == final.output_text == created.output_text == "Hello"


async def test_what_the_site_took_back_is_not_in_the_whole_response(served: Served) -> None:
    served.backend.script = (Opened(), Text("Secret"), Withdrawn("I cannot say."), Finish("content_filter"))
    response = await whole(served)
    assert text_of(response) == "I cannot say."
    assert response["incomplete_details"] == {"reason": "content_filter"}


async def test_rate_headers_and_a_request_id_come_with_a_response(served: Served) -> None:
    served.backend.limit = RateLimit(60, 59, 1.0)
    async with served.http.post(PATH, json={"model": "deepseek", "input": "Hi"}) as response:
        assert response.headers["x-ratelimit-remaining-requests"] == "59"
        assert response.headers["x-request-id"].replace("-", "") in (await response.json())["id"]


async def test_a_silence_gets_a_comment(served: Served) -> None:
    gate = asyncio.Event()
    served.backend.script = (Opened(), gate, Text("Hello"), Finish())
    async with served.http.post(PATH, json={"model": "deepseek", "input": "Hi", "stream": True}) as response:
        await soon(served.backend.waiting)
        gate.set()
        assert types(events_of(await response.text()))[-1] == "completed"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"model": "no-such"}, "model"),
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": ["Hi"]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "Hi"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "song"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"instructions": 7}, "instructions"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]}, "tools[0].tools[0].name"),
        ({"tool_choice": {"type": "function", "name": "none"}}, "tool_choice"),
        ({"tool_choice": 7}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "tools": 7}}, "tool_choice.tools"),
        ({"tool_choice": {"type": "allowed_tools", "tools": [], "mode": "any"}}, "tool_choice.mode"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "previous_response_id"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_the_name_of_its_field(
    served: Served, body: dict[str, Any], param: str
) -> None:
    status, named, message = await refused(served, **body)
    assert status == (404 if body.get("model") == "no-such" else 400)
    assert named == param
    assert message
    assert served.backend.requests == []
