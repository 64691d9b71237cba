"""Chats in Gemini's dialect: what its clients send, and what they get, as events, as a JSON array and whole."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.chat.history_digests import after, digest
from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking
from bridge.errors import BrowserError, PoolFull, SiteBusy
from bridge.settings import ServerSettings
from bridge.sse import SSEDecoder
from tests.support.fake_backend import KEY, Served, serving, soon

HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
WEATHER = {
    "name": "weather",
    "description": "Tell how warm it is.",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}
TOOLS = [{"functionDeclarations": [WEATHER]}]
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
OSLO = CALL.replace("Rome", "Oslo")
FOUND = Searched(("warm?",), (Source(1, "https://a.example/", "A"), Source(2, "https://b.example/")))
SHOWN = {"thinkingConfig": {"includeThoughts": True}}


def path(method: str, model: str = "deepseek") -> str:
    return f"/v1beta/models/{model}:{method}"


async def whole(served: Served, model: str = "deepseek", **body: Any) -> dict[str, Any]:
    async with served.http.post(path("generateContent", model), json={"contents": HI, **body}) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def streamed(served: Served, model: str = "deepseek", *, sse: bool = True, **body: Any) -> list[dict[str, Any]]:
    where = path("streamGenerateContent", model) + ("?alt=sse" if sse else "")
    async with served.http.post(where, json={"contents": HI, **body}) as response:
        assert response.status == 200, await response.text()
        raw = await response.read()
    if sse:
        assert response.content_type == "text/event-stream"
        return [json.loads(event.data) for event in SSEDecoder().feed(raw)]
    assert response.content_type == "application/json"
    found: list[dict[str, Any]] = json.loads(raw)
    return found


def joined(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a client puts together of the pieces, or of a whole answer."""
    candidates = [one for piece in pieces for one in piece["candidates"]]
    parts = [part for one in candidates for part in one["content"]["parts"]]
    return {
        "text": "".join(part.get("text", "") for part in parts if not part.get("thought")),
        "thoughts": "".join(part["text"] for part in parts if part.get("thought")),
        "calls": [
            {name: part["functionCall"][name] for name in ("name", "args")} for part in parts if "functionCall" in part
        ],
        "reason": candidates[-1]["finishReason"],
        "usage": pieces[-1]["usageMetadata"],
        "found": candidates[-1].get("groundingMetadata"),
    }


async def refused(served: Served, method: str = "generateContent", **body: Any) -> dict[str, Any]:
    async with served.http.post(path(method, body.pop("model", "deepseek")), json={"contents": HI, **body}) as response:
        answer = await response.json()
        assert answer["error"]["code"] == response.status, answer
        return dict(answer["error"])


async def test_a_whole_answer_has_a_candidate_and_its_cost(served: Served) -> None:
    answer = await whole(served, "gemini-2.5-pro", generationConfig=SHOWN)
    (candidate,) = answer["candidates"]
    assert candidate == {
        "content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "Hello"}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    usage = answer["usageMetadata"]
    counts = [usage[name] for name in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")]
    assert min(counts) > 0
    assert usage["totalTokenCount"] == sum(counts)
    assert (answer["modelVersion"], bool(answer["responseId"])) == ("gemini-2.5-pro", True)
    assert served.backend.requests[0].model.thinking


@pytest.mark.parametrize("sse", [True, False])
async def test_a_stream_is_events_or_an_array(served: Served, sse: bool) -> None:
    pieces = await streamed(served, sse=sse)
    assert [piece["candidates"][0]["content"]["parts"] for piece in pieces] == [
        [{"text": "Hel"}], [{"text": "lo"}], [{"text": ""}],
    ]  # fmt: skip
    assert ["finishReason" in piece["candidates"][0] for piece in pieces] == [False, False, True]
    assert len({piece["responseId"] for piece in pieces}) == 1
    assert joined(pieces)["usage"] == (await whole(served))["usageMetadata"]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_both_versions_of_the_api_are_served(served: Served, version: str) -> None:
    async with served.http.post(f"/{version}/models/deepseek:generateContent", json={"contents": HI}) as response:
        assert (await response.json())["candidates"][0]["content"]["parts"] == [{"text": "Hello"}]
    headers = {"x-goog-api-key": "wrong", "authorization": ""}
    async with served.http.post(
        f"/{version}/models/deepseek:generateContent", json={"contents": HI}, headers=headers
    ) as response:
        assert (await response.json())["error"]["status"] == "UNAUTHENTICATED"
    headers["x-goog-api-key"] = ""
    async with served.http.post(
        f"/{version}/models/deepseek:generateContent", json={"contents": HI}, headers=headers
    ) as response:
        assert "x-goog-api-key" in (await response.json())["error"]["message"]


async def test_fields_may_be_written_in_both_ways(served: Served) -> None:
    config = {"max_output_tokens": 1, "thinking_config": {"include_thoughts": True}}
    answer = await whole(served, system_instruction={"parts": [{"text": "Be terse."}]}, generation_config=config)
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    await whole(served, systemInstruction="Be terse.", contents="Hi", generationConfig={"maxOutputTokens": 5})
    for request in served.backend.requests:
        assert [(one.role, one.text) for one in request.messages] == [("system", "Be terse."), ("user", "Hi")]


@pytest.mark.parametrize(
    "instruction",
    [
        "Be terse.",
        ["Be terse."],
        {"text": "Be terse."},
        {"parts": "Be terse."},
        {"parts": {"text": "Be terse."}},
        {"role": "user", "parts": [{"text": "Be terse."}]},
    ],
)
async def test_one_part_stands_for_a_list_of_them_as_in_google_s_own_examples(
    served: Served, instruction: object
) -> None:
    contents = {"role": "user", "parts": {"text": "Hi"}}
    await whole(served, systemInstruction=instruction, contents=contents)
    (request,) = served.backend.requests
    assert [(one.role, one.text) for one in request.messages] == [("system", "Be terse."), ("user", "Hi")]


@pytest.mark.parametrize("said", ["Keyboard", " `keyboard`.\n", '"Keyboard"'])
async def test_an_enum_is_answered_with_one_of_its_values_as_plain_text(served: Served, said: str) -> None:
    schema = {"type": "STRING", "enum": ["Strings", "Keyboard"]}
    config = {"responseMimeType": "text/x.enum", "responseSchema": schema}
    served.backend.scripts = [(Opened(), Text("A piano"), Finish()), (Opened(), Text(said), Finish())]
    assert joined([await whole(served, generationConfig=config)])["text"] == "Keyboard"
    first, again = served.backend.requests
    assert first.messages[0].text.endswith("Strings\nKeyboard")
    assert "none of the values" in again.messages[-1].text


@pytest.mark.parametrize("method", ["embedContent", "batchEmbedContents", "predict"])
@pytest.mark.parametrize("version", ["v1beta", "v1"])
async def test_a_method_that_is_not_served_is_not_found_and_the_others_are_named(
    served: Served, version: str, method: str
) -> None:
    where, headers = f"/{version}/models/deepseek:{method}", {"x-goog-api-key": KEY}
    async with served.http.post(where, json={}, headers=headers) as response:
        error = (await response.json())["error"]
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")
    assert method in error["message"]
    assert "generateContent, streamGenerateContent, countTokens" in error["message"]


async def test_stop_sequences_end_the_answer_and_what_has_no_effect_is_named(served: Served) -> None:
    assert joined([await whole(served, generationConfig={"stopSequences": ["l"]})])["text"] == "He"
    body = {
        "contents": HI,
        "safetySettings": [{"category": "x"}],
        "generationConfig": {"temperature": 0, "topK": 1},
        "tools": [{"codeExecution": {}}, {"googleSearch": {}}],
    }
    async with served.http.post(path("generateContent"), json=body) as response:
        assert response.headers["x-bridge-ignored"] == "safety_settings, temperature, top_k, code_execution"
    assert served.backend.requests[-1].model.search


async def test_several_candidates_are_numbered(served: Served) -> None:
    answer = await whole(served, generationConfig={"candidateCount": 2})
    assert [(one["index"], one["finishReason"]) for one in answer["candidates"]] == [(0, "STOP"), (1, "STOP")]
    pieces = await streamed(served, generationConfig={"candidateCount": 2})
    assert [piece["candidates"][0]["index"] for piece in pieces] == [0, 0, 0, 1, 1, 1]
    assert ["usageMetadata" in piece for piece in pieces] == [False] * 5 + [True]


async def test_calls_have_ids_and_their_arguments_as_objects(served: Served) -> None:
    served.backend.script = (Opened(), Text("I look."), Text(CALL[:20]), Text(CALL[20:] + OSLO), Finish())
    said = joined(await streamed(served, tools=TOOLS))
    assert said["calls"] == [{"name": "weather", "args": {"city": city}} for city in ("Rome", "Oslo")]
    assert (said["text"], said["reason"]) == ("", "STOP")
    parts = (await whole(served, tools=TOOLS))["candidates"][0]["content"]["parts"]
    assert len({part["functionCall"]["id"] for part in parts}) == 2
    (instructions,) = (one.text for one in served.backend.requests[0].messages if one.role == "system")
    assert "city: string" in instructions


@pytest.mark.parametrize("sse", [True, False])
@pytest.mark.parametrize("ids", [True, False])
async def test_the_conversation_goes_on_when_a_client_sends_back_what_it_got(
    served: Served, sse: bool, ids: bool
) -> None:
    raw = f"I look.\n{CALL}\n{OSLO}"
    served.backend.script = (Opened(), Thinking("Hm."), Text(raw), Finish())
    config: dict[str, Any] = {"generationConfig": SHOWN, "tools": TOOLS}
    answers = await streamed(served, **config) if sse else [await whole(served, **config)]
    said = [one["candidates"][0]["content"] for one in answers]
    calls = [part["functionCall"] for content in said for part in content["parts"] if "functionCall" in part]
    results = [
        {"functionResponse": {**({"id": call["id"]} if ids else {}), "name": "weather", "response": {"result": "21"}}}
        for call in calls
    ]
    said[0]["parts"][0]["thoughtSignature"] = "c2ln"
    history = [*HI, *said, {"role": "user", "parts": results}]
    served.backend.script = (Opened(), Text("Wa"), Text("rm."), Finish())
    last = [one["candidates"][0]["content"] for one in await streamed(served, tools=TOOLS, contents=history)]
    await whole(served, tools=TOOLS, contents=[*history, *last, {"role": "user", "parts": [{"text": "Thanks"}]}])
    first, second, third = served.backend.requests
    assert digest(second.messages[:-1]) == digest(after(first.messages, first.returned(raw)))
    assert digest(third.messages[:-1]) == digest(after(second.messages, second.returned("Warm.")))
    assert second.messages[-1].text == "\n".join(
        f'<tool_result name="weather" call="{number}">\n21\n</tool_result>' for number in (1, 2)
    )


@pytest.mark.parametrize(
    ("config", "required", "names"),
    [
        ({"mode": "AUTO"}, False, ["a", "b"]),
        ({"mode": "ANY"}, True, ["a", "b"]),
        ({"mode": "any", "allowedFunctionNames": ["b"]}, True, ["b"]),
        ({"mode": "NONE"}, False, []),
        ({}, False, ["a", "b"]),
    ],
)
async def test_the_client_says_which_functions_are_called(
    served: Served, config: dict[str, Any], required: bool, names: list[str]
) -> None:
    served.backend.script = (Opened(), Text(CALL.replace("weather", "b")), Finish())
    tools = {"functionDeclarations": [{"name": "a"}, {"name": "b", "parametersJsonSchema": {"type": "object"}}]}
    await whole(served, tools=tools, toolConfig={"functionCallingConfig": config})
    texts = [one.text for one in served.backend.requests[0].messages if one.role == "system"]
    assert ("must call" in "".join(texts)) is required
    assert [name for name in ("a", "b") if f"\n{name}(" in "".join(texts) or f" {name}(" in "".join(texts)] == names


@pytest.mark.parametrize(
    ("config", "thinks", "shown"),
    [
        ({}, False, False),
        ({"includeThoughts": True}, True, True),
        ({"thinkingBudget": 0}, False, False),
        ({"thinkingBudget": 1024}, True, False),
        ({"thinkingBudget": -1, "includeThoughts": True}, False, True),
        ({"thinkingLevel": "HIGH"}, True, False),
        ({"thinkingLevel": "minimal", "includeThoughts": True}, False, True),
    ],
)
async def test_thinking_is_switched_and_shown_as_wanted(
    served: Served, config: dict[str, Any], thinks: bool, shown: bool
) -> None:
    answer = await whole(served, generationConfig={"thinkingConfig": config})
    pieces = await streamed(served, generationConfig={"thinkingConfig": config})
    assert joined([answer])["thoughts"] == joined(pieces)["thoughts"] == ("Hm." if shown else "")
    assert served.backend.requests[0].model.thinking is thinks
    assert answer["usageMetadata"]["thoughtsTokenCount"] > 0


SCHEMA = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "nullable": True}}, "propertyOrdering": ["a"]}


@pytest.mark.parametrize(
    "config",
    [
        {"responseMimeType": "application/json"},
        {"responseMimeType": "application/json", "responseSchema": SCHEMA},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        {"responseSchema": SCHEMA},
    ],
)
async def test_json_is_json_that_fits_the_schema(served: Served, config: dict[str, Any]) -> None:
    served.backend.script = (Opened(), Text('So:\n```json\n{"a": null}\n```'), Finish())
    assert json.loads(joined([await whole(served, generationConfig=config)])["text"]) == {"a": None}
    assert joined(await streamed(served, generationConfig=config))["text"] == '{"a": null}'


async def test_the_search_says_what_it_found_and_where_it_is_cited(served: Served) -> None:
    served.backend.script = (Opened(), FOUND, Text("Wärm [citation:2] and [cita"), Text("tion:1]."), Finish())
    for said in (
        joined([await whole(served, tools=[{"googleSearch": {}}])]),
        joined(await streamed(served, tools=[{"google_search": {}}])),
    ):
        found = said["found"]
        assert found["webSearchQueries"] == ["warm?"]
        assert [one["web"]["uri"] for one in found["groundingChunks"]] == ["https://a.example/", "https://b.example/"]
        assert [one["groundingChunkIndices"] for one in found["groundingSupports"]] == [[1], [0]]
        for support in found["groundingSupports"]:
            segment = support["segment"]
            cited = said["text"].encode()[segment["startIndex"] : segment["endIndex"]].decode()
            assert cited == segment["text"] != ""


async def test_files_come_with_contents_and_with_results(served: Served) -> None:
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    call = {"role": "model", "parts": [{"functionCall": {"name": "shot", "args": {}}}]}
    result = {"functionResponse": {"name": "shot", "response": {"output": "done"}, "parts": [inline]}}
    await whole(served, contents=[{"parts": [inline, {"text": "See"}]}, call, {"role": "user", "parts": [result]}])
    first, _, last = served.backend.requests[0].messages
    assert ([one.media_type for one in first.attachments], first.text) == (["image/png"], "See")
    assert ([one.media_type for one in last.attachments], "done" in last.text) == (["image/png"], True)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"result": "21"}, "21"),
        ({"name": "weather", "content": "21"}, "21"),
        ({"name": "weather", "error": "no"}, '{"error": "no"}'),
        ({"output": 21}, '{"output": 21}'),
        ({"name": "weather"}, '{"name": "weather"}'),
        ({"name": "Rome", "warm": True}, '{"name": "Rome", "warm": true}'),
        ({}, "{}"),
        (None, "(no output)"),
    ],
)
async def test_a_result_is_the_text_that_the_tool_gave(served: Served, response: object, text: str) -> None:
    call = {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}}]}
    result = {"functionResponse": {"name": "weather", "response": response}}
    await whole(served, contents=[*HI, call, {"role": "user", "parts": [result]}])
    last = served.backend.requests[0].messages[-1].text
    assert last == f'<tool_result name="weather">\n{text}\n</tool_result>'


async def test_tokens_are_counted_without_a_chat(served: Served) -> None:
    for body in ({"contents": HI}, {"generateContentRequest": {"model": "models/deepseek", "contents": HI}}):
        async with served.http.post(path("countTokens"), json=body) as response:
            answer = await response.json()
        assert answer["totalTokens"] == (await whole(served))["usageMetadata"]["promptTokenCount"]
    assert len(served.backend.requests) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"contents": []}, "contents"),
        ({"contents": 7}, "contents"),
        ({"contents": None}, "contents"),
        ({"contents": [{"role": "user", "parts": [{"text": " "}]}]}, "contents[0].parts"),
        ({"contents": [{"role": "robot", "parts": [{"text": "Hi"}]}]}, "contents[0].role"),
        ({"contents": [{"role": "user", "parts": "Hi"}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"video": {}}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"inlineData": {"data": "!"}}]}]}, "contents[0].parts[0].inline_data.data"),
        ({"contents": [{"parts": [{"inlineData": {"data": 7}}]}]}, "contents[0].parts[0].inline_data.data"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": ""}}]}]}, "contents[0].parts[0].file_data.file_uri"),
        ({"systemInstruction": {"parts": [{"inlineData": {"data": PNG}}]}}, "system_instruction.parts[0].text"),
        ({"generationConfig": {"candidateCount": 99}}, "generation_config.candidate_count"),
        ({"generationConfig": {"stopSequences": ["x"] * 17}}, "generation_config.stop_sequences"),
        ({"generationConfig": {"responseMimeType": "image/png"}}, "generation_config.response_mime_type"),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generation_config.response_schema.enum"),
        ({"generationConfig": {"responseModalities": ["IMAGE"]}}, "generation_config.response_modalities"),
        ({"generationConfig": {"responseLogprobs": True}}, "generation_config.response_logprobs"),
        ({"cachedContent": "cachedContents/x"}, "cached_content"),
        ({"tools": [{"functionDeclarations": [{"name": "a b"}]}]}, "tools[0].function_declarations[0].name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "tool_config.function_calling_config"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "?"}}}, "tool_config.function_calling_config.mode"),
        (
            {
                "tools": TOOLS,
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather", "x"]}},
            },
            "tool_config.function_calling_config.allowed_function_names[1]",
        ),
    ],
)
async def test_a_bad_field_is_named(served: Served, body: dict[str, Any], field: str) -> None:
    error = await refused(served, **body)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    violations = [one for detail in error["details"] for one in detail.get("fieldViolations", [])]
    assert [one["field"] for one in violations] == [field]
    assert not served.backend.requests


async def test_old_contents_are_read_as_well_as_possible(served: Served) -> None:
    odd = [{"role": "robot", "parts": [{"x": 1}, {"inlineData": {"data": "!"}}]}, {"role": "model", "parts": "?"}]
    await whole(served, contents=[*odd, *HI])
    assert [one.text for one in served.backend.requests[0].messages] == ["[part left out]\n[file left out]", "", "Hi"]


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
async def test_errors_before_the_answer_have_their_status_and_its_name(served: Served, method: str) -> None:
    served.backend.script = (PoolFull("The queue is full.", retry_after=2),)
    error = await refused(served, method)
    assert (error["code"], error["status"], error["message"]) == (429, "RESOURCE_EXHAUSTED", "The queue is full.")
    assert [one["retryDelay"] for one in error["details"] if "retryDelay" in one] == ["2s"]
    served.backend.script = (SiteBusy("Busy."),)
    assert (await refused(served, method))["status"] == "UNAVAILABLE"
    assert (await refused(served, method, model="gpt-4o"))["status"] == "NOT_FOUND"
    assert (await refused(served, "embedContent"))["status"] in ("NOT_FOUND", "UNIMPLEMENTED")


@pytest.mark.parametrize("sse", [True, False])
async def test_an_error_in_mid_stream_is_the_last_piece(served: Served, sse: bool) -> None:
    served.backend.script = (Opened(), Text("Hel"), BrowserError("The page crashed.", sent=True))
    first, last = await streamed(served, sse=sse)
    assert first["candidates"][0]["content"]["parts"] == [{"text": "Hel"}]
    assert (last["error"]["code"], last["error"]["status"]) == (502, "UNAVAILABLE")


@pytest.mark.parametrize("query", ["?alt=sse", ""])
async def test_a_silence_is_an_empty_line(query: str) -> None:
    async with serving(ServerSettings(keep_alive=0.01, headers_after=0.01)) as served:
        served.backend.script = (gate := asyncio.Event(), Opened(), Text("Hello"), Finish())
        where = path("streamGenerateContent") + query
        async with served.http.post(where, json={"contents": HI}) as response:
            assert await response.content.readexactly(2) == b"\n\n"
            await soon(served.backend.waiting)
            gate.set()
            raw = (await response.text()).strip()
        assert "Hello" in str(json.loads(raw) if not query else raw)


async def test_models_are_listed_in_gemini_s_form(served: Served) -> None:
    async with served.http.get("/v1beta/models?pageSize=5") as response:
        models = (await response.json())["models"]
    assert models[0]["name"] == "models/deepseek"
    assert "generateContent" in models[0]["supportedGenerationMethods"]
    async with served.http.get("/v1beta/models/gemini-2.5-flash") as response:
        assert (await response.json())["name"] == "models/gemini-2.5-flash"
    async with served.http.get("/v1/models", headers={"x-goog-api-key": KEY}) as response:
        assert [*await response.json()] == ["models"]
    async with served.http.get("/v1beta/models/gpt-4o") as response:
        assert (response.status, (await response.json())["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("name", "thinks"),
    [("gemini-2.5-pro", True), ("gemini-2.5-flash", False), ("gemini-3-pro-preview", True), ("gemma-3", False)],
)
async def test_google_s_names_stand_for_the_first_model(served: Served, name: str, thinks: bool) -> None:
    await whole(served, name)
    assert (served.backend.requests[0].model.thinking, served.backend.requests[0].model.search) == (thinks, False)


async def test_a_key_in_the_address_is_taken_and_never_shown(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    plain = {"authorization": ""}
    async with served.http.get(f"/v1beta/models?key={KEY}", headers=plain) as response:
        assert response.status == 200
    for bad in ("/v1beta/models", "/v1beta/nothing", path("generateContent", "gpt-4o")):
        async with served.http.post(f"{bad}?key=sk-bridge-secret", json={"contents": HI}, headers=plain) as response:
            assert response.status >= 400
            assert "sk-bridge-secret" not in await response.text() + str(response.headers)
    assert "sk-bridge-secret" not in "".join(capfd.readouterr())


WORDS = st.sampled_from(
    ["Hello ", "ä€𝄞\n", CALL, OSLO, "<tool_call>", "[citation:1]", '{"a": 1}', "```", "END", "\u2028"]
)
BODIES = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["deepseek", "deepseek-search", "deepseek-r1-fold", "deepseek-r1-silent"]),
        "tools": st.sampled_from([None, TOOLS, [{"googleSearch": {}}]]),
        "generationConfig": st.sampled_from([{}, SHOWN, {"stopSequences": ["END"]}, {"maxOutputTokens": 9}]),
        "sse": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, max_size=6), body=BODIES, size=st.integers(1, 30))
async def test_an_answer_is_the_same_streamed_and_whole_however_it_is_cut(
    served: Served, words: list[str], body: dict[str, Any], size: int
) -> None:
    said = "".join(("So: ", *words))
    begin = (Opened(), Thinking("Hm."), FOUND)
    served.backend.script = (*begin, Text(said), Finish())
    first = await whole(served, **{name: value for name, value in body.items() if name != "sse"})
    cut = [Text(said[place : place + size]) for place in range(0, len(said), size)]
    served.backend.script = (*begin, *cut, Finish())
    assert joined(await streamed(served, **body)) == joined([first])
