"""A stand-in for metaso.cn: OpenAI-style chunks between typed events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must


def _error(code: str, message: str) -> bytes:
    return sse({"type": "error", "code": code, "msg": message})


class Metaso(Wire):
    """The protocol of Metaso: always searches, and appends its own words to each answer."""

    name = "metaso"
    title = "Metaso"
    host = "metaso.cn"
    traps = (
        "a provisional address",
        "a human check may come before anything is sent",
        "the site's own words at the end of each answer",
        "heartbeats",
    )
    login = Login(who="/api/my-info", cookie="sid", guests=True)
    path = "/api/search/chat"
    asks_at = "/api/risk"
    refusals: ClassVar = {
        "login": _error("NEED_LOGIN", "请先登录"),
        "rate": _error("TOO_MANY_REQUESTS", "请求过于频繁"),
        "quota": _error("QUOTA_EXCEEDED", "今日搜索额度已用尽"),
        "busy": _error("SYSTEM_BUSY", "系统繁忙"),
    }
    unknown = sse({"type": "weather", "sun": True})
    broken = sse("{")

    def __init__(self) -> None:
        self._ids = itertools.count(8708)

    def new_id(self, kind: str) -> str:
        """Return a number."""
        return str(next(self._ids))

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or none."""
        return {"errCode": 0, "data": {"uid": account.id} if account else None}

    async def read(self, request: web.Request) -> Asked:
        """Parse the only message, which the body has twice."""
        body = await request.json()
        (message,) = body["messages"]
        must(message["content"] == message["markdownContent"], "two prompts")
        must(message["id"].startswith("temp-"), "not an id of the page")
        must(body["model"] in ("fast", "fast_thinking") and body["stream"] is True, "no such model")
        must(message["mode"] in ("concise", "detail", "research"), "no such mode")
        conversation, parent = message["conversationId"], message["parentId"]
        return Asked(message["content"], conversation, parent, body["model"] == "fast_thinking", search=True)

    def _delta(self, **delta: Json) -> bytes:
        return sse({"choices": [{"delta": delta}]})

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the ids of the conversation and its messages."""
        if exchange.is_first:
            yield sse({"type": "conversation_init", "data": {"id": exchange.thread.id}})
        yield sse({"type": "user_message_init", "data": {"id": exchange.prompt_id}})
        yield sse({"type": "response_message_init", "data": {"id": exchange.answer_id}})
        yield sse({"type": "heartbeat"})

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the thinking, whose field is a guess."""
        yield self._delta(reasoning_content=piece)

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the results of the search."""
        pages = [{"title": page.get("title", ""), "link": page["url"]} for page in exchange.results]
        yield self._delta(citations=pages)

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text."""
        yield self._delta(content=piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Append the label of AI-generated text, and end."""
        if exchange.text:
            yield self._delta(content="<span>[AI生成]")
            yield self._delta(content="</span>")
        yield sse("[DONE]")

    def cites(self, number: int) -> str:
        """Return the number in brackets."""
        return f"[{number}]"
