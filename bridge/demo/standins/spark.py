"""A stand-in for spark.xfyun.cn: requests are forms; answers are base64 lines between plain-text marks."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must


def _refused(key: int, text: str) -> bytes:
    return sse("[error]") + sse({"key": key, "descr": text}) + sse("<end>")


def _encoded(text: str) -> bytes:
    return sse(base64.b64encode(text.encode()).decode())


class Spark(Wire):
    """The protocol of Spark: the answer's id follows its end."""

    name = "spark"
    title = "Spark"
    host = "spark.xfyun.cn"
    traps = (
        "an advertisement first",
        "nothing works before the page has hydrated",
        "requests are forms, which change line breaks",
        "base64 between plain-text marks",
        "the answer's id follows its end",
    )
    login = Login(who="/iflygpt/userInfo", cookie="ssoSessionId")
    path = "/iflygpt-chat/u/chat_message/chat"
    creates_at = "/iflygpt/u/chat-list/v1/create-chat-list"
    refusals: ClassVar = {
        "login": Refusal("login", {"code": 80000, "desc": "请重新登录"}),
        "busy": _refused(20002, "请稍后再试"),
        "human": sse("[geeError]"),
    }
    unknown = sse("<kx>")
    broken = sse("%%%")

    def __init__(self) -> None:
        self._ids = itertools.count(1)

    def new_id(self, kind: str) -> str:
        """Return a number for a chat, or an answer's id."""
        number = next(self._ids)
        return f"{7000 + number}" if kind == "chat" else f"cht000b{number}@dx19"

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or an error that asks for sign-in."""
        return {"code": 0, "data": {"uid": account.id}} if account else {"code": 80000, "desc": "请登录"}

    def created(self, thread: Thread) -> Json:
        """Return the id of the new chat."""
        return {"code": 0, "data": {"id": int(thread.id)}}

    async def read(self, request: web.Request) -> Asked:
        """Parse the form."""
        must(request.content_type == "multipart/form-data", "not a form")
        form = await request.post()
        fields = {name: str(value) for name, value in form.items()}
        options = json.loads(fields["options"])
        must(options["chatOption"]["thinkPattern"] == "fast_think", "another way of thinking")
        is_first = fields.get("firstChat") == "true"
        must(is_first != ("sid" in fields), "first and not first")
        text = fields["text"].replace("\r\n", "\n")  # forms turn every line break into CRLF
        return Asked(text, fields["chatId"], fields.get("sid"))

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text."""
        yield _encoded(piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the end, then the answer's id."""
        yield sse("<end>")
        yield sse(f"{exchange.answer_id}<sid>")
        yield _encoded("\n```memoryExtraction\n{}\n```")
