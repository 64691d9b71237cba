"""A request leaves the browser only where it says what the turn asked for, in whatever way its page writes it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bridge.sites
from bridge.browser.page_messages import PageRequest
from bridge.chat.types import Attachment
from bridge.sites.contract import Turn
from bridge.sites.site_file.body_codecs import Codec, read_request
from bridge.sites.site_file.connect_frames import connect_frame
from bridge.sites.site_file.prompt_check import PromptCheck
from bridge.sites.site_file.schema import load_site_file
from tests.support.site_files import site_file

PROMPT = "What is rain?\nSay it in one line."
TURN = Turn(PROMPT)
KIMI = Path(bridge.sites.__file__).parent / "files" / "kimi.toml"
SECRET = "another text, which nobody may read"


def form(**fields: str) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    return "".join(f"------Form7\r\n{part}\r\n" for part in parts).encode() + b"------Form7--\r\n"


def body_of(codec: Codec, prompt: str) -> bytes:
    document = json.dumps({"prompt": prompt})
    match codec:
        case "json":
            return document.encode()
        case "connect":
            return connect_frame(document.encode())
        case "multipart":
            return form(fd="1", prompt=prompt.replace("\n", "\r\n"))
        case "urlencoded":
            return urlencode({"fd": "1", "prompt": prompt}).encode()
        case "text":
            return prompt.encode()
        case "socketio":
            return f'42/chat,7["client_message",{document}]'.encode()
        case "query":
            return b""


def held(codec: Codec, prompt: str) -> PageRequest:
    query = f"?prompt={quote(prompt)}" if codec == "query" else ""
    method = "GET" if codec == "query" else "POST"
    return PageRequest(method, f"https://chat.invented.test/api/chat{query}", body_of(codec, prompt))


def check_of(codec: Codec) -> PromptCheck:
    paths = {"text": "$body", "socketio": "[1].prompt"}
    method = "GET" if codec == "query" else "POST"
    request = {"path": "/api/chat", "method": method, "body": codec, "prompt": [paths.get(codec, "prompt")]}
    return PromptCheck(site_file(request=request))


CODECS: tuple[Codec, ...] = ("json", "connect", "multipart", "urlencoded", "query", "text", "socketio")


@pytest.mark.parametrize("codec", CODECS)
def test_a_prompt_is_found_in_every_kind_of_body(codec: Codec) -> None:
    check = check_of(codec)
    assert check.differences(TURN, held(codec, PROMPT)) == []
    assert check.differences(TURN, held(codec, f"  {PROMPT}\n")) == []
    (reason,) = check.differences(TURN, held(codec, SECRET))
    assert f"is another prompt ({len(SECRET)} characters instead of {len(PROMPT)})" in reason


@pytest.mark.parametrize("codec", CODECS)
@given(
    body=st.binary(max_size=60) | st.sampled_from([b"--a\r\n--a--", b"\0\0\0\0\2{}", b"\1\0\0\0\2{}", b"42[1", b"=&=&"])
)
def test_no_body_makes_the_check_raise_or_pass(codec: Codec, body: bytes) -> None:
    request = PageRequest("GET" if codec == "query" else "POST", "https://chat.invented.test/api/chat", body)
    assert check_of(codec).differences(TURN, request)
    assert check_of(codec).conversation_of(request) is None


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        ("json", b"no JSON"),
        ("connect", body_of("connect", PROMPT) * 2),
        ("connect", body_of("connect", PROMPT) + b"\0"),
        ("connect", b"\1" + body_of("connect", PROMPT)[1:]),
        ("multipart", form(prompt=PROMPT)[:-4]),
        ("socketio", b"\x1e".join([body_of("socketio", PROMPT)] * 2)),
    ],
)
def test_a_body_that_is_more_or_less_than_one_document_cannot_be_read(codec: Codec, body: bytes) -> None:
    request = PageRequest("POST", "https://chat.invented.test/api/chat", body)
    assert check_of(codec).differences(TURN, request) == [f"its body cannot be read as {codec}"]


def test_a_form_that_names_the_prompt_twice_is_refused() -> None:
    request = PageRequest("POST", "https://chat.invented.test/api/chat", b"prompt=a&prompt=b")
    assert check_of("urlencoded").differences(Turn("a"), request) == ["its prompt is not a text"]


RULES = """
provisional = ["local_*"]

[request]
path = "/v1/*/message"
prompt = ["messages[*].content", "draft|json.text"]
conversation = "$path.1"
parent = "parent_id"
model = "model"
thinking = { path = "deep", on = [1, 3], off = 0 }
search = { path = "tools[type=search].type", on = "search" }
expect = { mode = "chat", "files[*]" = { exists = false } }
others = [{ path = "/v1/*/message", when = { stream = false } }]

[answer]
framing = "sse"
call = { path = "/events", method = "GET" }
rules = [{ emit = "text", value = "text" }]
"""
SITE = site_file(RULES)
BODY: dict[str, Any] = {"messages": [{"content": PROMPT}], "model": "m-1", "deep": 0, "mode": "chat"}


def sent(conversation: str = "local_1", **fields: Any) -> PageRequest:
    body = json.dumps({**BODY, **fields}).encode()
    return PageRequest("POST", f"https://chat.invented.test/v1/{conversation}/message", body)


@pytest.mark.parametrize(
    ("turn", "request_"),
    [
        (TURN, sent()),
        (TURN, sent(parent_id="")),
        (TURN, sent(draft=json.dumps({"text": PROMPT}))),
        (Turn(PROMPT, thinking=True), sent(deep=3)),
        (Turn(PROMPT, search=True), sent(tools=[{"type": "search"}])),
        (Turn(PROMPT, conversation="c1", parent="7"), sent("c1", parent_id=7)),
        (Turn(PROMPT, conversation="c1"), sent("c1", parent_id=8)),
    ],
)
def test_a_request_that_says_what_the_turn_asks_for_may_leave(turn: Turn, request_: PageRequest) -> None:
    assert PromptCheck(SITE).differences(turn, request_, SITE.models[0]) == []


@pytest.mark.parametrize(
    ("turn", "request_", "reasons"),
    [
        (TURN, sent(messages=[]), ["its prompt is missing at messages[*].content"]),
        (
            TURN,
            sent(messages=[{"content": PROMPT}] * 2),
            ["its messages[*].content has 2 texts instead of the prompt alone"],
        ),
        (TURN, sent(messages=[{"content": [SECRET]}]), ["its messages[*].content is not a text"]),
        (
            TURN,
            sent(draft=json.dumps({"text": SECRET})),
            [f"its draft|json.text is another prompt ({len(SECRET)} characters instead of {len(PROMPT)})"],
        ),
        (TURN, sent(deep=1), ["its deep is 1 instead of 0"]),
        (TURN, sent(deep=SECRET), ["its deep is str instead of 0"]),
        (TURN, sent(deep=None), ["its deep is missing instead of 0"]),
        (Turn(PROMPT, thinking=True), sent(), ["its deep is 0 instead of 1 or 3"]),
        (Turn(PROMPT, search=True), sent(), ["its tools[type=search].type is missing instead of 'search'"]),
        (TURN, sent(tools=[{"type": "search"}]), ["its tools[type=search].type is str instead of False"]),
        (TURN, sent("c1"), ["its $path.1 belongs to an old conversation"]),
        (TURN, sent(parent_id="7"), ["its parent_id belongs to an old conversation"]),
        (Turn(PROMPT, conversation="c1"), sent("c2"), ["its $path.1 is another conversation"]),
        (Turn(PROMPT, conversation="c1", parent="7"), sent("c1", parent_id=6), ["its parent_id is another message"]),
        (
            TURN,
            sent(mode="agent", files=[1]),
            [f"its {it} is not what the site file expects" for it in ("mode", "files[*]")],
        ),
        (TURN, PageRequest("POST", "https://x.test/other", b"{}"), ["an unexpected request: POST /other"]),
        (TURN, PageRequest("PUT", "https://x.test/v1/a/message", b"{}"), ["an unexpected request: PUT /v1/a/message"]),
    ],
)
def test_a_request_that_says_anything_else_is_refused_without_a_word_of_it(
    turn: Turn, request_: PageRequest, reasons: list[str]
) -> None:
    assert PromptCheck(SITE).differences(turn, request_) == reasons


def test_a_model_that_the_page_changed_by_itself_is_seen() -> None:
    model = SITE.models[0].model_copy(update={"wire": ("m-1", "m-1-think")})
    assert PromptCheck(SITE).differences(TURN, sent(), model) == []
    assert PromptCheck(SITE).differences(TURN, sent(model="m-2"), model) == [
        "its model is m-2 instead of m-1 or m-1-think"
    ]
    secret = PromptCheck(SITE).differences(TURN, sent(model=SECRET), model)
    assert secret == ["its model is another one instead of m-1 or m-1-think"]


def test_a_page_that_creates_its_conversation_first_may_name_it_in_a_new_chat() -> None:
    site = site_file(RULES.replace("parent =", "creates_first = true\nparent ="))
    assert PromptCheck(site).differences(TURN, sent("c1")) == []
    assert PromptCheck(site).differences(TURN, sent("c1", parent_id="7")) == [
        "its parent_id belongs to an old conversation"
    ]


def test_a_provisional_conversation_is_none() -> None:
    check = PromptCheck(SITE)
    assert check.conversation_of(sent("c1")) == "c1"
    assert check.conversation_of(sent("local_9")) is None


def test_requests_beside_the_prompt_are_told_apart() -> None:
    check = PromptCheck(SITE)
    assert check.role_of(sent()) == "prompt"
    assert check.role_of(sent(stream=False)) == "other"
    assert check.role_of(PageRequest("GET", "https://chat.invented.test/events", b"")) == "answer"
    assert check.role_of(PageRequest("POST", "https://chat.invented.test/v1/a/b/other", b"{}")) == "prompt"


def test_the_conditions_of_the_prompt_come_before_those_of_the_other_requests() -> None:
    own = {"path": "/call", "when": {"data[0]": {"matches": ""}}, "prompt": ["data[0]"], "others": [{"path": "/call"}]}
    check = PromptCheck(site_file(request=own))
    roles = [
        check.role_of(PageRequest("POST", "https://chat.invented.test/call", json.dumps({"data": data}).encode()))
        for data in ([PROMPT], [""], [], [None, PROMPT])
    ]
    assert roles == ["prompt", "prompt", "other", "other"]


def test_the_prompt_of_kimi_is_read_out_of_its_frame() -> None:
    check = PromptCheck(load_site_file(KIMI))
    url = "https://www.kimi.com/apiv2/kimi.gateway.chat.v1.ChatService/Chat"
    body: dict[str, Any] = {
        "message": {"role": "user", "blocks": [{"file": {"id": "f"}}, {"text": {"content": PROMPT}}]}
    }
    request = PageRequest("POST", url, connect_frame(json.dumps(body).encode()))
    files = (Attachment("notes.txt", "text/plain", b"hello"),)
    assert check.differences(replace(TURN, attachments=files), request) == []
    assert check.differences(TURN, request) == ["its message.blocks[*].file.id has 1 files instead of 0"]
    old = connect_frame(json.dumps({**body, "chat_id": "19c0", "tools": [{"type": "TOOL_TYPE_SEARCH"}]}).encode())
    turn = Turn(PROMPT, search=True, conversation="19c0", attachments=files)
    assert check.differences(turn, PageRequest("POST", url, old)) == []
    assert check.conversation_of(PageRequest("POST", url, old)) == "19c0"


def test_a_file_in_a_form_is_not_taken_for_a_text() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="prompt"\r\n\r\nwords\r\n' + b"--b--\r\n"
    assert read_request(PageRequest("POST", "https://x.test/", body), "multipart").document == {"f": ""}


ON_SOCKET = {
    "method": "WEBSOCKET",
    "path": "/socket",
    "body": "socketio",
    "when": {"[0]": "prompt"},
    "prompt": ["[1]"],
    "conversation": "[2]",
    "others": [{"method": "WEBSOCKET", "path": "/socket", "when": {"[0]": "typing"}}],
}
POLLED = f'42["prompt",{json.dumps(PROMPT)},"c1"]'
IN_CHAT = Turn(PROMPT, conversation="c1")


def of_socketio(method: str, *packets: str) -> PageRequest:
    url = "https://chat.invented.test/socket?EIO=4&transport=polling"
    return PageRequest(method, url, "\x1e".join(packets).encode())


@pytest.mark.parametrize("method", ["POST", "WEBSOCKET"])
@pytest.mark.parametrize(
    ("packets", "role", "reasons"),
    [
        pytest.param([POLLED], "prompt", [], id="the prompt"),
        pytest.param(["3", '42["typing"]', POLLED, "3"], "prompt", [], id="the prompt beside others"),
        pytest.param([POLLED, '42["pay",9]'], "prompt", ["unexpected"], id="something unknown beside it"),
        pytest.param([POLLED, POLLED], "prompt", ["cannot be read"], id="two prompts"),
        pytest.param(['42["pay",9]'], "prompt", ["unexpected"], id="something unknown"),
        pytest.param(['42["prompt","another","c1"]'], "prompt", ["another prompt"], id="another prompt"),
        pytest.param(['42["typing"]'], "other", None, id="what is described as no prompt"),
        pytest.param(["40"], "other", None, id="the protocol's own"),
        pytest.param(["bAAAA", "3"], "other", None, id="binary data"),
    ],
)
def test_what_a_page_of_socketio_posts_is_judged_as_what_it_sends_over_its_socket(
    method: str, packets: list[str], role: str, reasons: list[str] | None
) -> None:
    check = PromptCheck(site_file(request=ON_SOCKET))
    request = of_socketio(method, *packets)
    assert check.role_of(request) == role
    if reasons is not None:
        found = check.differences(IN_CHAT, request)
        assert len(found) == len(reasons)
        assert all(reason in one for reason, one in zip(reasons, found, strict=True))
    if reasons == []:
        assert check.conversation_of(request) == "c1"


def test_what_a_page_of_socketio_polls_for_is_the_answer() -> None:
    rules = {"framing": "socketio", "rules": [{"emit": "text", "value": "[1]"}]}
    check = PromptCheck(site_file(request=ON_SOCKET, answer=rules))
    assert check.role_of(of_socketio("GET")) == "answer"
    apart = rules | {"call": {"method": "WEBSOCKET", "path": "/socket"}}
    check = PromptCheck(site_file(answer=apart))
    assert check.role_of(of_socketio("GET")) == "answer"
    assert check.role_of(of_socketio("POST", "3")) == "other"
    assert check.role_of(held("json", PROMPT)) == "prompt"
