"""Where a chat meets HTTP: statuses, headers, cancellation, keep-alives and the bytes of a stream."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import openai
import pytest
from loguru import logger

from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import ConversationStart, Finish, Opened, Text, Thinking, Withdrawn
from bridge.errors import (
    BridgeError,
    BrowserError,
    ContextTooLong,
    HumanNeeded,
    LoginRequired,
    Muted,
    NoAccount,
    PoolFull,
    PoolTimeout,
    RateLimited,
    SetupError,
    SiteBusy,
    SiteChanged,
    SiteError,
    SiteTimeout,
)
from bridge.settings import ServerSettings
from tests.support.fake_backend import HELLO, KEY, Served, Step, serving, soon
from tests.support.waiting import LIMIT


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Served]:
    async with serving(ServerSettings(max_body=100_000)) as running:
        yield running


def frames(body: bytes) -> list[Any]:
    """Return the data of every frame; `[DONE]` as itself, comments left out."""
    parts = [part for part in body.decode().split("\n\n") if part and not part.startswith(":")]
    assert all(part.startswith("data: ") for part in parts), parts
    return [data if (data := part.removeprefix("data: ")) == "[DONE]" else json.loads(data) for part in parts]


async def test_an_answer_in_one_piece(served: Served) -> None:
    async with served.post() as response:
        body = await response.json()
        assert (response.status, response.content_type) == (200, "application/json")
        request_id = response.headers["x-request-id"]
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "model": "deepseek",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None, "reasoning_content": "Hm."},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 3,
            "total_tokens": 4,
            "completion_tokens_details": {"reasoning_tokens": 1},
            "estimated": True,
        },
    }


async def test_a_stream_is_one_frame_an_event(served: Served) -> None:
    async with served.post(stream=True) as response:
        body = await response.read()
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        request_id = response.headers["x-request-id"]
    *chunks, done = frames(body)
    assert done == "[DONE]"
    for chunk in chunks:
        assert chunk.pop("created") > 1_700_000_000
        assert (chunk["id"], chunk["object"]) == (f"chatcmpl-{request_id}", "chat.completion.chunk")
        assert (chunk["model"], "usage" in chunk) == ("deepseek", False)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "Hm."},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, None, "stop"]
    assert all(choice["index"] == 0 and choice["logprobs"] is None for choice in choices)


async def test_the_usage_of_a_stream_comes_last_and_only_when_asked_for(served: Served) -> None:
    async with served.post(stream=True, stream_options={"include_usage": True}) as response:
        *chunks, last, done = frames(await response.read())
    async with served.post() as response:
        whole = await response.json()
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"] == whole["usage"]
    assert all(chunk["usage"] is None for chunk in chunks)


async def test_each_piece_leaves_as_soon_as_it_is_there(served: Served) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    served.backend.script = (gates[0], Opened(), gates[1], Text("A"), gates[2], Text("B"), Finish())
    gates[0].set()
    async with served.post(stream=True) as response:
        opened = await response.content.readuntil(b"\n\n")
        gates[1].set()
        first = await response.content.readuntil(b"\n\n")
        gates[2].set()
        second = await response.content.readuntil(b"\n\n")
        await response.read()
    assert [frames(frame)[0]["choices"][0]["delta"].get("content") for frame in (opened, first, second)] == [
        "",
        "A",
        "B",
    ]


async def test_text_of_any_script_arrives_unharmed(served: Served) -> None:
    text = 'Ünï "quoted" \\ 你好 😀 \u2028 \r\n\x00</details>'
    served.backend.script = (Opened(), Text(text), Finish())
    async with served.post(stream=True) as response:
        chunks = frames(await response.read())
    assert chunks[1]["choices"][0]["delta"]["content"] == text
    async with served.post(messages=[{"role": "user", "content": text}]) as response:
        assert (await response.json())["choices"][0]["message"]["content"] == text
    assert served.backend.requests[-1].messages[0].text == text


async def test_half_a_surrogate_pair_is_no_reason_to_fail(served: Served) -> None:
    served.backend.script = (Opened(), Text("a\ud83d"), Finish())
    data = b'{"model":"deepseek","messages":[{"role":"user","content":"\\ud83d \\ud83d\\ude00"}]}'
    for body in (data, data[:-1] + b',"stream":true}'):
        async with served.http.post(
            "/v1/chat/completions", data=body, headers={"content-type": "application/json"}
        ) as response:
            assert response.status == 200
            assert b'"a?"' in await response.read()
    assert served.backend.requests[0].messages[0].text == "\ufffd 😀"


async def test_ignored_fields_are_named_in_a_header(served: Served) -> None:
    for stream in (False, True):
        async with served.post(stream=stream, temperature=0.2, seed=1) as response:
            assert response.headers["x-bridge-ignored"] == "temperature, seed"
    async with served.post() as response:
        assert "x-bridge-ignored" not in response.headers


async def test_tools_that_nobody_runs_are_named_in_a_header(served: Served) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]
    async with served.post(tools=[*tools, {"type": "web_search"}]) as response:
        assert response.headers["x-bridge-ignored"] == "custom, web_search"


@pytest.mark.parametrize(
    ("start", "said"),
    [(None, None), ("new", "new"), ("continued", "continued"), ("context", "new; reason=context")],
)
async def test_a_header_says_how_the_conversation_started(
    served: Served, start: ConversationStart | None, said: str | None
) -> None:
    served.backend.script = (Opened("c", "2", start=start), Text("Hi"), Finish())
    for stream in (False, True):
        async with served.post(stream=stream) as response:
            assert response.headers.get("x-bridge-conversation") == said


# Failures


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after", "retries"),
    [
        (ContextTooLong("Too long."), 400, "context_length_exceeded", None, False),
        (PoolFull("Full.", retry_after=0.2), 429, "queue_full", "1", True),
        (PoolFull("Full.", retry_after=4.2), 429, "queue_full", "5", True),
        (PoolTimeout("Waited."), 503, "queue_timeout", None, True),
        (NoAccount("Parked.", retry_after=7200), 503, "no_account", "120", False),
        (NoAccount("Back soon.", retry_after=20), 503, "no_account", "20", True),
        (NoAccount("None is logged in."), 503, "no_account", None, False),
        (LoginRequired("Signed out."), 503, "login_required", None, False),
        (HumanNeeded("A puzzle."), 503, "human_needed", None, False),
        (Muted("Muted.", sent=True), 403, "account_muted", None, False),
        (RateLimited("Slow down.", retry_after=30, sent=True), 429, "rate_limited", "30", False),
        (RateLimited("Slow down.", sent=True), 429, "rate_limited", "60", False),
        (RateLimited("Slow down.", until=datetime(2126, 1, 1, tzinfo=UTC)), 429, "rate_limited", "120", True),
        (PoolFull("Full."), 429, "queue_full", "60", True),
        (SiteBusy("Busy.", retry_after=3), 503, "site_busy", "3", True),
        (SiteTimeout("Slow.", sent=True), 504, "site_timeout", None, False),
        (SiteChanged("No composer."), 502, "site_changed", None, False),
        (SiteError("Odd."), 502, "site_error", None, True),
        (BrowserError("Crashed."), 502, "browser_error", None, True),
        (SetupError("No screen."), 500, "setup_error", None, False),
    ],
)
async def test_before_the_first_event_a_failure_is_an_http_error(
    served: Served,
    stream: bool,
    error: BridgeError,
    status: int,
    code: str,
    retry_after: str | None,
    retries: bool,
) -> None:
    served.backend.script = (error,)
    async with served.post(stream=stream) as response:
        body = await response.json()
        assert response.status == status
        assert response.headers.get("retry-after") == retry_after
        assert response.headers.get("x-should-retry") == (None if retries else "false")
        assert response.headers["x-request-id"]
    assert body == {"error": {"message": error.message, "type": error.kind, "param": None, "code": code}}


async def test_after_the_first_event_a_failure_is_the_last_frame(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), BrowserError("The page crashed.", sent=True))
    async with served.post(stream=True) as response:
        assert response.status == 200
        *_, text, error = frames(await response.read())
    assert text["choices"][0]["delta"] == {"content": "Hel"}
    assert error == {
        "error": {"message": "The page crashed.", "type": "server_error", "param": None, "code": "browser_error"}
    }


async def test_a_failure_in_mid_answer_is_an_http_error_of_a_whole_answer(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), SiteTimeout("Silence.", sent=True))
    async with served.post() as response:
        assert response.status == 504


@pytest.mark.parametrize(
    "script",
    [
        (),
        (Opened(),),
        (Opened(), Text("Hel")),
        (Opened(), Finish()),
        (Opened(), Thinking("Hm."), Finish()),
        (Opened(), Text(""), Text(" \n"), Finish()),
        (Opened(), Finish("length")),
    ],
)
async def test_an_answer_that_is_empty_or_cut_is_never_a_success(served: Served, script: tuple[Step, ...]) -> None:
    served.backend.script = script
    async with served.post() as response:
        assert response.status == 502
        assert response.headers["x-should-retry"] == "false"
        assert (await response.json())["error"]["code"] == "site_error"
    async with served.post(stream=True) as response:
        if script:
            last = frames(await response.read())[-1]
        else:
            assert response.status == 502
            last = await response.json()
    assert last["error"]["code"] == "site_error"


async def test_an_answer_that_was_cut_in_its_thinking_is_given_as_far_as_it_came(served: Served) -> None:
    served.backend.script = (Opened(), Thinking("Hm."), Finish("length"), RateLimited("Not so fast.", sent=True))
    async with served.post() as response:
        choice = (await response.json())["choices"][0]
    assert (choice["message"]["reasoning_content"], choice["finish_reason"]) == ("Hm.", "length")
    async with served.post(stream=True) as response:
        *_, last, _ = frames(await response.read())
    assert last["choices"][0]["finish_reason"] == "length"


async def test_a_filtered_answer_may_be_empty(served: Served) -> None:
    served.backend.script = (Opened(), Finish("content_filter"))
    async with served.post() as response:
        choice = (await response.json())["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
    async with served.post(stream=True) as response:
        *_, last, done = frames(await response.read())
    assert (last["choices"][0]["finish_reason"], done) == ("content_filter", "[DONE]")


async def test_a_withdrawn_answer_ends_with_content_filter(served: Served) -> None:
    served.backend.script = (Opened(), Text("bad"), Withdrawn("Let us talk of something else."), Finish())
    async with served.post() as response:
        choice = (await response.json())["choices"][0]
    assert choice["message"]["content"] == "Let us talk of something else."
    assert choice["finish_reason"] == "content_filter"
    async with served.post(stream=True) as response:
        *_, text, last, done = frames(await response.read())
    assert text["choices"][0]["delta"] == {"content": "bad"}
    assert (last["choices"][0]["finish_reason"], done) == ("content_filter", "[DONE]")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("opened", [False, True])
async def test_an_unexpected_failure_tells_and_logs_no_text(served: Served, stream: bool, opened: bool) -> None:
    failure = ValueError("the prompt was s3cr3t")
    served.backend.script = (Opened(), failure) if opened else (failure,)
    lines: list[str] = []
    sink = logger.add(lines.append, diagnose=False, level=0)
    try:
        async with served.post(stream=stream) as response:
            body = await response.read()
            request_id = response.headers["x-request-id"]
            assert response.status == (200 if stream and opened else 500)
    finally:
        logger.remove(sink)
    error = frames(body)[-1]["error"] if stream and opened else json.loads(body)["error"]
    assert (error["code"], request_id in error["message"]) == ("internal_error", True)
    log = "".join(lines)
    assert "ValueError" in log
    assert request_id in log
    assert "fake_backend.py" in log
    assert "s3cr3t" not in log + body.decode()


async def test_what_goes_wrong_after_the_end_is_no_concern_of_the_client(served: Served) -> None:
    served.backend.script = (*HELLO, BrowserError("Could not close the page."))
    async with served.post() as response:
        assert response.status == 200
    async with served.post(stream=True) as response:
        assert frames(await response.read())[-1] == "[DONE]"


async def test_a_response_ends_with_its_answer_and_the_backend_runs_to_its_own_end_behind_it(served: Served) -> None:
    for stream in (False, True):
        served.backend.begin_anew()
        settled = asyncio.Event()
        served.backend.scripts = [(*HELLO, settled)]
        async with asyncio.timeout(LIMIT), served.post(stream=stream) as response:
            assert await response.read()
        await soon(served.backend.waiting)
        assert not served.backend.closed.is_set()
        settled.set()
        await soon(served.backend.closed)
        assert served.backend.ran_out


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_an_answer_that_a_client_cut_short_is_its_only_response_whatever_goes_wrong_afterwards(
    served: Served, stream: str
) -> None:
    served.backend.script = (Opened(), Text("one STOP two"), Finish())
    served.backend.fails_to_close = BrowserError("The page did not stop.")
    chat = '"model":"deepseek","messages":[{"role":"user","content":"Hi"}],"stop":"STOP"'
    body = f'{{{chat},"stream":{stream}}}'.encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request(body, "content-type: application/json", "connection: close"))
    async with asyncio.timeout(LIMIT):
        answered = await reader.read()
    writer.close()
    assert answered.count(b"HTTP/1.1 ") == answered.count(b'"content":"one') == 1
    assert b"error" not in answered


async def test_the_next_request_of_a_connection_is_read_once_the_account_is_free(served: Served) -> None:
    settled = asyncio.Event()
    served.backend.scripts = [(*HELLO, settled)]
    body = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}]}
    address, one = f"http://127.0.0.1:{served.port}", aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(address, headers=served.http.headers, connector=one) as http:
        async with http.post("/v1/chat/completions", json=body) as response:
            await response.read()
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(http.post("/v1/chat/completions", json=body))
            await soon(served.backend.waiting)
            assert len(served.backend.requests) == 1
            settled.set()
        assert (await second).status == 200
    assert len(served.backend.requests) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_the_queue_closes_the_generator(served: Served, stream: bool) -> None:
    served.backend.script = (asyncio.Event(), *HELLO)
    asking = asyncio.gather(served.post(stream=stream))
    await soon(served.backend.waiting)
    asking.cancel()
    await soon(served.backend.closed)


async def test_a_client_that_leaves_mid_stream_closes_the_generator(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), asyncio.Event(), Finish())
    async with served.post(stream=True) as response:
        await response.content.readuntil(b"\n\n")
        await soon(served.backend.waiting)
        assert not served.backend.closed.is_set()
    await soon(served.backend.closed)


async def test_a_client_that_leaves_a_whole_answer_closes_the_generator(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), asyncio.Event(), Finish())
    asking = asyncio.gather(served.post())
    await soon(served.backend.waiting)
    asking.cancel()
    await soon(served.backend.closed)


async def test_a_client_that_stops_reading_counts_as_gone() -> None:
    async with serving(ServerSettings(unread=0.2)) as served:
        served.backend.script = (Opened(), *[Text("x" * 100_000)] * 1000, Finish())
        body = b'{"model":"deepseek","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(request(body, "content-type: application/json"))
            await soon(served.backend.closed)
        assert not served.backend.ran_out


def request(body: bytes, *headers: str, line: str = "POST /v1/chat/completions HTTP/1.1") -> bytes:
    lines = (line, "host: localhost", f"authorization: Bearer {KEY}", f"content-length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_silent_stream_gets_comments_and_only_once_it_is_open() -> None:
    async with serving(ServerSettings(keep_alive=0.02)) as served:
        closed, silent = asyncio.Event(), asyncio.Event()
        served.backend.script = (Opened(), silent, Text("Hi"), Finish())
        async with served.post(stream=True) as response:
            await response.content.readuntil(b"\n\n")
            for _ in range(3):
                assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
            silent.set()
            assert frames(await response.read())[-1] == "[DONE]"
        served.backend.script = (closed, PoolFull("Full."))
        asking = asyncio.gather(served.post(stream=True))
        await soon(served.backend.waiting)
        asyncio.get_running_loop().call_later(0.1, closed.set)
        (response,) = await asking
        assert (response.status, response.content_type) == (429, "application/json")
        response.release()


async def test_a_stream_that_is_long_without_an_event_gets_its_headers_all_the_same() -> None:
    async with serving(ServerSettings(headers_after=0.05)) as served:
        gate = asyncio.Event()
        served.backend.script = (gate, *HELLO)
        async with served.post(stream=True) as response:
            assert (response.status, response.content_type) == (200, "text/event-stream")
            assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
            gate.set()
            assert frames(await response.read())[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("path", "has_comments"),
    [
        ("/v1/chat/completions", True),
        ("/v1/responses", True),
        ("/v1/messages", True),
        ("/api/chat", False),
        ("/v1beta/models/deepseek:streamGenerateContent?alt=sse", False),
    ],
)
async def test_after_early_headers_a_comment_says_how_the_conversation_started(path: str, has_comments: bool) -> None:
    said = {"model": "deepseek", "stream": True, "max_tokens": 99}
    asked = {"messages": [{"role": "user", "content": "Hi"}], "input": "Hi", "contents": [{"parts": [{"text": "Hi"}]}]}
    async with serving(ServerSettings(headers_after=0.05)) as served:
        gate = asyncio.Event()
        served.backend.script = (gate, Opened("c", "2", start="context"), Text("Hi"), Finish())
        async with served.http.post(path, json=said | asked) as response:
            assert "x-bridge-conversation" not in response.headers
            gate.set()
            raw = await response.text()
    assert ("\n: x-bridge-conversation: new; reason=context\n\n" in raw) is has_comments
    assert ("reason=context" in raw) is has_comments


async def test_what_goes_wrong_after_early_headers_is_an_error_frame() -> None:
    async with serving(ServerSettings(headers_after=0.05)) as served:
        gate = asyncio.Event()
        served.backend.script = (gate, PoolTimeout("Waited."))
        async with served.post(stream=True) as response:
            assert response.status == 200
            gate.set()
            assert [frame["error"]["code"] for frame in frames(await response.read())] == ["queue_timeout"]
        gate.clear()
        stream = await served.openai.chat.completions.create(
            model="deepseek", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        gate.set()
        with pytest.raises(openai.APIError, match="Waited"):
            await anext(aiter(stream))


async def test_what_is_known_early_keeps_its_status_and_a_whole_answer_always_does() -> None:
    async with serving(ServerSettings(headers_after=0.05)) as served:
        gate = asyncio.Event()
        served.backend.scripts = [(PoolFull("Full."),), (gate, PoolFull("Full."))]
        async with served.post(stream=True) as response:
            assert response.status == 429
        async with served.post(stream=True, model="nothing") as response:
            assert response.status == 404
        asyncio.get_running_loop().call_later(0.2, gate.set)
        async with served.post() as response:
            assert response.status == 429


async def test_an_sdk_takes_no_notice_of_the_comments() -> None:
    async with serving(ServerSettings(keep_alive=0.01)) as served:
        gate = asyncio.Event()
        served.backend.script = (Opened(), gate, Text("Hi"), Finish())
        stream = await served.openai.chat.completions.create(
            model="deepseek", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        asyncio.get_running_loop().call_later(0.1, gate.set)
        assert [chunk.choices[0].delta.content async for chunk in stream] == ["", "Hi", None]


# Requests that are no chat


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe\xfd", 400),
        (b"[" * 90_000, 400),
        (b"[1" + b"0" * 9_999 + b"]", 400),
        (b"null", 400),
        (b"x" * 100_001, 413),
    ],
)
async def test_a_body_that_is_no_json_is_refused(served: Served, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    async with served.http.post("/v1/chat/completions", data=body, headers=headers) as response:
        error = (await response.json())["error"]
        assert response.status == status
        assert response.headers["x-should-retry"] == "false"
    assert error["type"] == "invalid_request_error"
    assert error["message"]


async def test_a_body_of_another_type_is_refused(served: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"content-type": kind}
        async with served.http.post("/v1/chat/completions", data=b"{}", headers=headers) as response:
            assert response.status == 415
            assert "application/json" in (await response.json())["error"]["message"]
    assert served.backend.requests == []


async def test_a_broken_upload_is_refused(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = request(b"", "content-type: application/json", "transfer-encoding: chunked")
    writer.write(head.replace(b"content-length: 0\r\n", b"") + b"zz\r\n")
    answer = await asyncio.wait_for(reader.read(1000), LIMIT)
    writer.close()
    assert b" 400 " in answer.splitlines()[0]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reset", "shown"), [(0.0, "0ms"), (0.1234, "123ms"), (59.4, "59s"), (360, "6m0s"), (3605, "1h0m5s")]
)
async def test_what_is_left_of_a_limit_is_told_in_openai_s_headers(
    served: Served, stream: bool, reset: float, shown: str
) -> None:
    served.backend.limit = RateLimit(60, 7, reset)
    for script in (HELLO, (PoolFull("Full."),)):
        served.backend.script = script
        async with served.post(stream=stream) as response:
            told = [response.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")]
            assert told == ["60", "7", shown]
    async with served.http.get("/v1/models") as response:
        assert "x-ratelimit-limit-requests" not in response.headers


async def test_where_nothing_is_limited_no_limit_is_told(served: Served) -> None:
    async with served.post() as response:
        assert not [name for name in response.headers if name.lower().startswith("x-ratelimit")]


async def test_an_unknown_path_is_not_found_in_openai_s_shape(served: Served) -> None:
    for path in ("/v1/nothing", "/v1/chat", "/v1/models/a/b"):
        async with served.http.get(path) as response:
            assert response.status == 404
            assert (await response.json())["error"]["code"] == "not_found"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY", "PROPFIND"])
async def test_a_wrong_method_is_told_the_right_one(served: Served, method: str) -> None:
    async with served.http.request(method, "/v1/chat/completions", json={}) as response:
        assert response.status == 405
        assert response.headers["allow"] == "POST"
        if method != "HEAD":
            assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_a_slash_at_the_end_does_no_harm(served: Served) -> None:
    async with served.http.post(
        "/v1/chat/completions/", json={"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}]}
    ) as response:
        assert response.status == 200
    for path in ("/v1/models/", "/v1/models/deepseek/", "/healthz/", "/ping/"):
        async with served.http.get(path) as response:
            assert response.status == 200


async def test_the_health_paths_tell_how_it_is(served: Served) -> None:
    async with served.http.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    async with served.http.get("/ping") as response:
        assert await response.text() == "pong"
    async with served.http.get("/") as response:
        assert (await response.json())["name"] == "chat-page-bridge"
    async with served.http.get("/readyz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ready", "accounts": []})
    served.backend.reason = "no account is logged in"
    async with served.http.get("/readyz") as response:
        assert (response.status, (await response.json())["reason"]) == (503, "no account is logged in")
    async with served.http.get("/healthz") as response:
        assert response.status == 200


async def test_many_chats_run_side_by_side(served: Served) -> None:
    async def one(stream: bool) -> int:
        async with served.post(stream=stream) as response:
            await response.read()
            return int(response.status)

    assert await asyncio.gather(*(one(number % 2 == 0) for number in range(60))) == [200] * 60
    assert len({request.id for request in served.backend.requests}) == 60
