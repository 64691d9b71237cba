"""Streams of the sites that site files describe, written after public clients of them; none is a recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import (
    ChatEvent,
    Finish,
    FinishReason,
    Opened,
    Searched,
    Source,
    Text,
    Thinking,
    Title,
    Withdrawn,
)
from bridge.errors import BridgeError, HumanNeeded, LoginRequired, NoAnswer, RateLimited, SiteBusy, SiteError
from bridge.sites.site_file.connect_frames import END_OF_STREAM, connect_frame

STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Stream:
    """The responses of one turn, and their meaning: events, then an error if there is one."""

    name: str
    site: str
    body: bytes
    events: tuple[ChatEvent, ...] = ()
    error: type[BridgeError] | None = None
    says: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: STREAM)
    url: str = "https://site.invented.test/answer"

    @property
    def response(self) -> PageResponse:
        """Return the head of the response."""
        return PageResponse(self.url, self.status, self.headers)


def sse(*frames: Any) -> bytes:
    """Return server-sent events; a pair is a named event, and a text is sent unchanged."""
    parts = []
    for frame in frames:
        name, data = frame if isinstance(frame, tuple) else ("", frame)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        parts.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
    return "".join(parts).encode()


def connect(*frames: Any, end: Any = None) -> bytes:
    """Return frames of the Connect protocol, the last one of which ends the stream."""
    data = [connect_frame(json.dumps(frame, ensure_ascii=False).encode()) for frame in frames]
    return b"".join(data) + connect_frame(json.dumps(end or {}).encode(), END_OF_STREAM)


def answer(*events: ChatEvent, end: FinishReason = "stop") -> tuple[ChatEvent, ...]:
    """Return the events of an answer."""
    return (*events, Finish(end))


RAIN = Source(1, "https://x.test/r", "Rain")
FOUND = Searched(sources=(RAIN,))

KIMI: Sequence[Any] = (
    {"op": "set", "mask": "chat", "chat": {"id": "19c0-aa", "name": "Untitled Chat"}, "eventOffset": 1},
    {
        "op": "set",
        "mask": "message",
        "message": {"id": "m-1", "role": "user", "blocks": [{"id": "0", "text": {"content": "what is rain"}}]},
        "eventOffset": 2,
    },
    {"op": "set", "mask": "message", "message": {"id": "m-2", "role": "assistant"}, "eventOffset": 3},
    {"op": "set", "mask": "block.think", "block": {"id": "1", "think": {"content": "Let me"}}, "eventOffset": 4},
    {
        "op": "append",
        "mask": "block.think.content",
        "block": {"id": "1", "think": {"content": " see."}},
        "eventOffset": 5,
    },
    {"heartbeat": {}},
    {
        "op": "append",
        "mask": "block.think.content",
        "block": {"id": "1", "think": {"content": " see."}},
        "eventOffset": 5,
    },
    {
        "op": "append",
        "mask": "message.refs.searchChunks",
        "message": {
            "refs": {"searchChunks": [{"refIndex": "1", "base": {"title": "Rain", "url": "https://x.test/r"}}]}
        },
        "eventOffset": 7,
    },
    {"op": "set", "mask": "block.text", "block": {"id": "3", "text": {"content": "Rain is"}}, "eventOffset": 8},
    {
        "op": "append",
        "mask": "block.text.content",
        "block": {"id": "3", "text": {"content": " water."}},
        "eventOffset": 9,
    },
    {"op": "set", "mask": "chat.name", "chat": {"id": "19c0-aa", "name": "About rain"}, "eventOffset": 10},
    {
        "op": "set",
        "mask": "message.status",
        "message": {"id": "m-2", "role": "assistant", "status": "MESSAGE_STATUS_COMPLETED"},
        "eventOffset": 11,
    },
    {"done": {}},
)
KIMI_EVENTS = (
    Opened("19c0-aa", "m-2"),
    Thinking("Let me see."),
    FOUND,
    Text("Rain is water."),
    Title("About rain"),
)
KIMI_REFUSED = {
    "error": {
        "code": "resource_exhausted",
        "details": [{"debug": {"reason": "REASON_X", "localizedMessage": {"message": "try later"}}}],
    }
}
KIMI_BUSY = {
    "op": "set",
    "mask": "block.exception",
    "block": {"id": "4", "exception": {"error": {"reason": "REASON_COMPLETION_OVERLOADED"}}},
}


def zai(**data: Any) -> dict[str, Any]:
    return {"type": "chat:completion", "data": data}


ZAI = (
    zai(id="a1", role="assistant", phase="thinking", delta_content="hm "),
    {"type": "status", "data": {"action": "web_search", "query": "rain", "done": False}},
    zai(phase="tool_call", edit_index=3, edit_content="<glm_block >{…}</glm_block>"),
    zai(phase="answer", delta_content="Rain 【turn0sea"),
    zai(phase="answer", delta_content="rch1】falls."),
    zai(phase="other", usage={"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}),
    zai(phase="done", done=True),
    {"data": "[DONE]"},
)


def glm(status: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "r1", "conversation_id": "66f0", "status": status, "parts": list(parts), **fields}


def part(name: str, *content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"logic_id": name, "role": "assistant", "status": "init", "content": list(content), **fields}


GLM_FOUND = {"search_results": [{"match_key": "turn0search1", "title": "Rain", "url": "https://x.test/r"}]}
GLM = (
    glm("init"),
    glm("processing", part("p1", {"type": "think", "think": "The user asks"})),
    glm("processing", part("p2", {"type": "tool_result"}, meta_data={"tool_result_extra": GLM_FOUND})),
    glm("processing", part("p3", {"type": "text", "text": "Rain is"})),
    glm("processing", part("p3", {"type": "text", "text": "Rain is water【turn0search1】."})),
    glm("finish", last_error={}),
)


def step(kind: str, **fields: Any) -> dict[str, Any]:
    return {"data": {"event": {kind: fields}}}


STEPFUN = (
    step("startEvent", messageId="s-2", parentMessageId="s-1"),
    step("messageEvent", message={"messageId": "s-2"}),
    step("pipelineEvent", type="EVENT_TYPE_REASONING", action="EVENT_ACTION_START"),
    step("reasoningEvent", text="First, "),
    step("pipelineEvent", type="EVENT_TYPE_REASONING", action="EVENT_ACTION_END"),
    step("heartBeatEvent"),
    step("textEvent", text="Rain "),
    step("textEvent", text="falls."),
    step("messageDoneEvent"),
    step("doneEvent"),
)


def qwen(phase: str, content: str = "", status: str = "typing", **extra: Any) -> dict[str, Any]:
    delta = {"role": "assistant", "content": content, "phase": phase, "status": status, "extra": extra}
    return {"choices": [{"delta": delta}], "response_id": "r1"}


QWEN = (
    {"response.created": {"chat_id": "c1", "parent_id": "u1", "response_id": "r1"}},
    qwen("thinking_summary", summary_thought={"content": ["I read the question."]}),
    qwen("thinking_summary", status="finished", summary_thought={"content": ["I read the question.", "Now I answer."]}),
    qwen("web_search", status="finished", web_search_info=[{"title": "Rain", "url": "https://x.test/r"}]),
    qwen("answer", "Rain "),
    qwen("answer", "falls [[1"),
    qwen("answer", "]]."),
    qwen("answer", status="finished"),
)
QWEN_CHECK = {
    "ret": ["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::verify"],
    "data": {"url": "https://chat.qwen.ai/punish?action=captcha"},
}


def qianwen(content: str, status: str, think: str = "") -> tuple[str, dict[str, Any]]:
    loads = [{"type": "deep_think", "content": {"think_content": think}}] if think else []
    message = {
        "mime_type": "multi_load/iframe",
        "status": status,
        "content": content,
        "meta_data": {"multi_load": loads},
    }
    return "message", {
        "communication": {"sessionid": "s9", "reqid": "q9"},
        "data": {"messages": [message]},
        "error_code": 0,
    }


QIANWEN = (
    qianwen("[(deep_think)]", "processing", "Let me"),
    qianwen("[(deep_think)]Rain is", "processing", "Let me see."),
    qianwen("[(deep_think)]Rain is water.", "complete"),
    ("complete", {"communication": {"sessionid": "s9", "reqid": "q9"}}),
)

METASO = (
    {"type": "conversation_init", "data": {"id": "8708"}},
    {"type": "user_message_init", "data": {"id": "m1"}},
    {"type": "response_message_init", "data": {"id": "m2"}},
    {"type": "heartbeat"},
    {"choices": [{"delta": {"citations": [{"title": "Rain", "link": "https://x.test/r"}]}}]},
    {"choices": [{"delta": {"content": "Rain falls[1]."}}]},
    {"choices": [{"delta": {"content": "<span>[AI生"}}]},
    {"choices": [{"delta": {"content": "成]</span>"}}]},
    "[DONE]",
)


def block(kind: int, name: str, text: str = "", parent: str = "", **fields: Any) -> dict[str, Any]:
    inner = {"thinking_block": {}} if kind == 10040 else {"text_block": {"text": text}}
    return {"block_type": kind, "block_id": name, "parent_id": parent, "content": inner, **fields}


def chunk(*blocks: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "STREAM_CHUNK", {"patch_op": [{"patch_object": 1, "patch_value": {"content_block": list(blocks)}}]}


DOUBAO: Sequence[Any] = (
    ("SSE_ACK", {"ack_client_meta": {"conversation_id": "3801"}, "query_list": [{"question_id": "q1"}]}),
    (
        "FULL_MSG_NOTIFY",
        {"message": {"message_id": "q1", "user_type": 1, "content_block": [block(10000, "q", "rain?")]}},
    ),
    ("STREAM_MSG_NOTIFY", {"meta": {"message_id": "a1"}, "content": {"content_block": [block(10040, "t")]}}),
    chunk(block(10000, "t1", "Let me", "t")),
    ("CHUNK_DELTA", {"text": " see."}),
    chunk(block(10040, "t", is_finish=True), block(10000, "b1", "Rain")),
    ("CHUNK_DELTA", {"text": " falls."}),
    ("SSE_HEARTBEAT", {}),
    ("SSE_REPLY_END", {"end_type": 1, "msg_finish_attr": {"brief": "Rain falls."}}),
    ("SSE_REPLY_END", {"end_type": 3}),
)


def minimax(**chunk_fields: Any) -> dict[str, Any]:
    return {"type": 6, "agent_message_chunk": {"msg_id": "a1", **chunk_fields}}


MINIMAX_ECHO = {"type": 2, "agent_message": {"role": "user", "msg_content": "what is rain", "turn_id": "t1"}}
MINIMAX = (
    MINIMAX_ECHO,
    minimax(thinking_content="Let me see.", msg_content=""),
    minimax(msg_content="Rain "),
    minimax(msg_content="falls.", finish=False),
    minimax(msg_content="", finish=True),
    "[DONE]",
)
MINIMAX_CUMULATIVE = (
    MINIMAX_ECHO,
    minimax(msg_content="Rain"),
    minimax(msg_content="Rain falls"),
    minimax(msg_content="Rain falls down."),
    minimax(msg_content="Rain falls down. Always.", finish=True),
)
NO_CREDITS = {
    "type": 2,
    "agent_message": {"role": "assistant", "msg_content": "quota used (2056)", "finish_reason": "error"},
}

SPARK = b"data:UmFpbiA=\n\ndata:ZmFsbHMu\n\ndata:<end>\n\ndata:cht000b1c2@dx19<sid>\n\n"
EMOHAA = b"data:I hear\ndata: you.\n\ndata:Tell me more.\n\ndata:[DONE]\n\n"


STREAMS: Sequence[Stream] = (
    Stream("kimi", "kimi", connect(*KIMI), answer(*KIMI_EVENTS)),
    Stream("kimi busy", "kimi", connect(*KIMI[:3], KIMI_BUSY), error=SiteBusy),
    Stream("kimi refused", "kimi", connect(KIMI_REFUSED), error=SiteBusy, says="try later"),
    Stream("kimi refused after the end", "kimi", connect(*KIMI, KIMI_REFUSED), KIMI_EVENTS, SiteBusy, "try later"),
    Stream("kimi cut", "kimi", connect(*KIMI[:9])[:-7], (*KIMI_EVENTS[:3], Text("Rain is")), SiteError, "cut after 7"),
    Stream(
        "kimi signed out", "kimi", b'{"error":{"code":"unauthenticated"}}', (), LoginRequired, status=401, headers=JSON
    ),
    Stream("z.ai", "zai", sse(*ZAI), answer(Opened(message="a1"), Thinking("hm "), Text("Rain falls."))),
    Stream(
        "z.ai rewrites what it holds",
        "zai",
        sse(
            ZAI[0],
            zai(phase="answer", delta_content="Rain 【turn"),
            zai(phase="answer", edit_content="Rain falls."),
            ZAI[6],
        ),
        answer(Opened(message="a1"), Thinking("hm "), Text("Rain falls.")),
    ),
    Stream(
        "z.ai busy",
        "zai",
        sse(zai(content="", done=True, error={"code": "MODEL_CONCURRENCY_LIMIT", "detail": "too many"})),
        error=SiteBusy,
        says="too many",
    ),
    Stream(
        "z.ai wants a human",
        "zai",
        sse(zai(data={"done": True, "error": {"code": "FRONTEND_CAPTCHA_REQUIRED"}}, done=True)),
        error=HumanNeeded,
    ),
    Stream(
        "chatglm",
        "chatglm",
        sse(*GLM),
        answer(Opened("66f0", "r1"), Thinking("The user asks"), FOUND, Text("Rain is water[citation:1].")),
    ),
    Stream(
        "chatglm changes its last words",
        "chatglm",
        sse(*GLM[:4], glm("processing", part("p3", {"type": "text", "text": "Rain was water."})), GLM[5]),
        answer(Opened("66f0", "r1"), Thinking("The user asks"), FOUND, Text("Rain was water.")),
    ),
    Stream(
        "chatglm withdrawn",
        "chatglm",
        sse(*GLM[:2], glm("intervene", last_error={"intervene_text": "let us talk of something else"})),
        answer(
            Opened("66f0", "r1"),
            Thinking("The user asks"),
            Withdrawn("let us talk of something else"),
            end="content_filter",
        ),
    ),
    Stream(
        "chatglm thinks only",
        "chatglm",
        sse(*GLM[:2], GLM[5]),
        (Opened("66f0", "r1"), Thinking("The user asks")),
        NoAnswer,
    ),
    Stream(
        "stepfun", "stepfun", connect(*STEPFUN), answer(Opened(message="s-2"), Thinking("First, "), Text("Rain falls."))
    ),
    Stream(
        "stepfun fails at the end",
        "stepfun",
        connect(*STEPFUN[:7], end={"error": {"code": "unavailable", "message": "come back"}}),
        (Opened(message="s-2"), Thinking("First, "), Text("Rain ")),
        SiteBusy,
        "come back",
    ),
    Stream(
        "stepfun signed out",
        "stepfun",
        b'{"code":"CODE_ACCOUNT_NEED_SIGN_IN","message":"sign in"}',
        error=LoginRequired,
        says="sign in",
        status=403,
        headers=JSON,
    ),
    Stream(
        "qwen",
        "qwen",
        sse(*QWEN),
        answer(
            Opened("c1", "r1"),
            Thinking("I read the question.\nNow I answer."),
            FOUND,
            Text("Rain falls [citation:1]."),
        ),
    ),
    Stream("qwen checks in its stream", "qwen", sse(QWEN_CHECK), error=HumanNeeded),
    Stream("qwen checks", "qwen", json.dumps(QWEN_CHECK).encode(), error=HumanNeeded, headers=JSON),
    Stream(
        "qwen refuses",
        "qwen",
        b'{"success":false,"data":{"code":"RateLimited","details":"slow down"}}',
        (),
        RateLimited,
        "slow down",
    ),
    Stream(
        "qianwen", "qianwen", sse(*QIANWEN), answer(Opened("s9", "q9"), Thinking("Let me see."), Text("Rain is water."))
    ),
    Stream(
        "qianwen refuses",
        "qianwen",
        sse({"communication": {}, "error_code": 1101, "error_msg": "log in first"}),
        error=LoginRequired,
        says="log in first",
    ),
    Stream("metaso", "metaso", sse(*METASO), answer(Opened("8708", "m2"), FOUND, Text("Rain falls[citation:1]."))),
    Stream(
        "metaso refuses",
        "metaso",
        sse({"type": "error", "code": "TOO_MANY_REQUESTS", "msg": "slow"}),
        (),
        RateLimited,
        "slow",
    ),
    Stream(
        "doubao", "doubao", sse(*DOUBAO), answer(Opened("3801", "a1"), Thinking("Let me see."), Text("Rain falls."))
    ),
    Stream(
        "doubao refuses",
        "doubao",
        sse(("STREAM_ERROR", {"error_code": 710022004, "error_msg": "rate limited"})),
        error=HumanNeeded,
        says="rate limited",
    ),
    Stream(
        "minimax", "minimax", sse(*MINIMAX), answer(Opened(message="a1"), Thinking("Let me see."), Text("Rain falls."))
    ),
    Stream(
        "minimax repeats",
        "minimax",
        sse(*MINIMAX_CUMULATIVE),
        answer(Opened(message="a1"), Text("Rain falls down. Always.")),
    ),
    Stream("minimax has no credits", "minimax", sse(MINIMAX_ECHO, NO_CREDITS), (), RateLimited, "quota used (2056)"),
    Stream("spark", "spark", SPARK, answer(Opened(), Text("Rain falls."))),
    Stream("spark wants a human", "spark", b"data:[geeError]\n\n", error=HumanNeeded),
    Stream("emohaa", "emohaa", EMOHAA, answer(Opened(), Text("I hear\nyou.Tell me more."))),
    Stream(
        "emohaa signed out",
        "emohaa",
        b'{"status":401,"title":"Unauthorized","detail":"log in"}',
        error=LoginRequired,
        says="log in",
        status=401,
        headers=JSON,
    ),
)


def joined(events: Iterable[ChatEvent]) -> list[ChatEvent]:
    """Return events with adjacent pieces of the same text joined."""
    found: list[ChatEvent] = []
    for event in events:
        match event, found[-1:]:
            case (Text(more), [Text(text)]):
                found[-1] = Text(text + more)
            case (Thinking(more), [Thinking(text)]):
                found[-1] = Thinking(text + more)
            case _:
                found.append(event)
    return found
