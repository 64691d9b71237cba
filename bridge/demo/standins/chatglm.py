"""A stand-in for chatglm.cn: each event is the state of the message, in parts that replace earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

ASSISTANT = "65940acff94777010aa6b796"


def _last(status: str, **error: str) -> bytes:
    return sse({"id": "r0", "conversation_id": "", "status": status, "parts": [], "last_error": error})


def _handed_on() -> bytes:
    said = {"type": "system_error", "failedCommand": "change_mode_to_engine_ppt"}
    part = {"logic_id": "p0", "role": "assistant", "status": "finish", "content": [said], "meta_data": {}}
    return sse({"id": "r0", "conversation_id": "", "status": "init", "parts": [part]}) + _last("finish")


class ChatGlm(Wire):
    """The protocol of ChatGLM: each event has the whole text, which may change; only `finish` is the end."""

    name = "chatglm"
    title = "ChatGLM"
    host = "chatglm.cn"
    traps = (
        "the page hydrates late",
        "Escape does not close a menu",
        "one menu for models and levels, whose button shows both as one word",
        "a guest has the whole composer",
        "each event has the whole text, which may change",
        "only one of several states is the end",
        "the page never reads the body of a refusal",
        "a prompt is sent without a file that is still uploading",
        "an answer of slides comes in a second stream, which the page requests by itself",
    )
    login = Login(who="/chatglm/user-api/user/info", cookie="chatglm_token", guests=True)
    path = "/chatglm/backend-api/assistant/stream"
    names_parents = False
    uploads_at = "/chatglm/backend-api/assistant/file_upload"
    refusals: ClassVar = {
        "login": Refusal("login", {"status": 401, "message": "请先登录", "result": {}}, 401),
        "refused": _last("intervene", intervene_text="让我们换个话题吧"),
        "elsewhere": _handed_on(),
        "busy": _last("init") + _last("error", err_msg="服务繁忙"),
    }
    unknown = sse({"id": "r0", "status": "weather", "parts": []})
    broken = sse("{")

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or none."""
        return {"status": 0, "result": {"user_id": account.id} if account else {}}

    def uploaded(self, name: str, upload: str) -> Json:
        """Return the id and name of the file."""
        return {"status": 0, "result": {"source_id": upload, "file_name": name, "file_url": "https://x.test/f"}}

    async def read(self, request: web.Request) -> Asked:
        """Parse the only message."""
        must(request.headers.get("x-sign"), "not signed by the page")
        body = await request.json()
        (message,), meta = body["messages"], body["meta_data"]
        (text,) = (item["text"] for item in message["content"] if item["type"] == "text")
        files = {item["file"][0]["source_id"]: "" for item in message["content"] if item["type"] == "file"}
        must(body["assistant_id"] == ASSISTANT, "another assistant")
        must(meta["chat_mode"] in ("", "zero"), "another mode of chat")
        thinking = meta["chat_mode"] == "zero"
        # the field for the model in the real request is unknown; this one is the stand-in's own
        return Asked(text, body["conversation_id"], None, thinking, meta["is_networking"], meta["model"], files)

    def _state(self, exchange: Exchange, *parts: Json, status: str = "processing", **more: Json) -> bytes:
        ids = {"id": exchange.answer_id, "conversation_id": exchange.thread.id, "assistant_id": ASSISTANT}
        return sse({**ids, "status": status, "parts": list(parts), **more})

    def _part(self, name: str, content: Json, status: str = "init", role: str = "assistant", **meta: Json) -> Json:
        return {"logic_id": name, "role": role, "status": status, "content": [content], "meta_data": meta}

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the id of the conversation."""
        yield self._state(exchange, status="init")

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Send the whole thinking."""
        yield self._state(exchange, self._part("p1", {"type": "think", "think": exchange.thought}))

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the results of the search."""
        results = [
            {"match_key": f"turn0search{number}", "title": page.get("title", ""), "url": page["url"]}
            for number, page in enumerate(exchange.results, start=1)
        ]
        extra = {"tool_result_extra": {"search_results": results}}
        yield self._state(exchange, self._part("p2", {"type": "tool_result"}, "finish", "tool", **extra))

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Send the whole text."""
        yield self._state(exchange, self._part("p3", {"type": "text", "text": exchange.text}))

    def rewritten(self, exchange: Exchange) -> Iterator[bytes]:
        """Change the beginning of the text."""
        exchange.text = f"No: {exchange.text[2:]}"
        return iter(())

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """End the last part, then the message."""
        if exchange.text:
            yield self._state(exchange, self._part("p3", {"type": "text", "text": exchange.text}, "finish"))
        yield self._state(exchange, status="finish", last_error={})

    def cites(self, number: int) -> str:
        """Return the key of a result."""
        return f"【turn0search{number}】"
