"""A stand-in for www.qianwen.com: another origin answers, with the whole text in each event."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must


def _error(code: int, message: str) -> bytes:
    return sse({"communication": {}, "error_code": code, "error_msg": message}, "message")


class Qianwen(Wire):
    """The protocol of Qianwen: a mark in the text stands for the thinking."""

    name = "qianwen"
    title = "千问"
    host = "www.qianwen.com"
    traps = (
        "an editor that reverts text set by scripts",
        "a login dialog over a guest's page",
        "another origin answers, after a preflight",
        "each event has the whole text, with marks in it",
    )
    login = Login(who="/api/user/info", cookie="tongyi_sso_ticket", guests=True)
    path = "/api/v2/chat"
    elsewhere = "chat2.qianwen.com"
    refusals: ClassVar = {"login": _error(1101, "请先登录"), "busy": _error(1500, "服务繁忙")}
    unknown = sse({"communication": {}, "weather": {"sun": True}}, "weather")
    broken = sse("{", "message")

    def new_id(self, kind: str) -> str:
        """Return 32 hexadecimal digits."""
        return uuid.uuid4().hex

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or none."""
        return {"data": {"userId": account.id} if account else None}

    async def read(self, request: web.Request) -> Asked:
        """Parse the only message, which the body has twice."""
        must(request.query.get("biz_id") == "ai_qwen" and request.query.get("nonce"), "not sent by the page")
        body = await request.json()
        (message,) = body["messages"]
        is_first = body["parent_req_id"] == "0"
        must(message["content"] == message["meta_data"]["ori_query"], "two prompts")
        must(body["scene_param"] == ("first_turn" if is_first else "continue_chat"), "another scene")
        must(body["deep_search"] in ("0", "1"), "no such search")
        parent = None if is_first else body["parent_req_id"]
        return Asked(message["content"], body["session_id"], parent, body["deep_search"] == "1")

    def _state(self, exchange: Exchange, status: str = "processing") -> bytes:
        thinks = exchange.asked.thinking
        content = f"[(deep_think)]{exchange.text}" if thinks else exchange.text
        loads = [{"type": "deep_think", "content": {"think_content": exchange.thought}}] if thinks else []
        message = {
            "mime_type": "multi_load/iframe",
            "status": status,
            "content": content,
            "meta_data": {"multi_load": loads},
        }
        ids = {"sessionid": exchange.thread.id, "reqid": exchange.answer_id}
        return sse({"communication": ids, "data": {"messages": [message]}, "error_code": 0}, "message")

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Send everything so far."""
        yield self._state(exchange)

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Send everything so far."""
        yield self._state(exchange)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send everything, and the end."""
        yield self._state(exchange, "complete")
        yield sse({"communication": {"sessionid": exchange.thread.id, "reqid": exchange.answer_id}}, "complete")
