"""A stand-in for www.kimi.com: Connect frames of JSON both ways; each frame changes one block of a message."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_frames import END_OF_STREAM, connect, read_connect
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

MODELS = {"k3": "k3", "k2.8": "K2.8 Preview"}
"""The models by their names in a request; only the first name is known from the real page."""


def _refused(code: str, message: str, **debug: Json) -> bytes:
    shown = {"reason": "REASON_X", "localizedMessage": {"message": message}, **debug}
    return connect({"error": {"code": code, "details": [{"debug": shown}]}}) + connect({}, END_OF_STREAM)


def _exception(reason: str) -> bytes:
    block = {"id": "4", "exception": {"error": {"reason": reason}}}
    return connect({"op": "set", "mask": "block.exception", "block": block}) + connect({}, END_OF_STREAM)


class Kimi(Wire):
    """The protocol of Kimi: answers in blocks, after the user's own message; an error may follow the end."""

    name = "kimi"
    title = "Kimi"
    host = "www.kimi.com"
    traps = (
        "the end of a text that is set in two pieces is lost",
        "Enter only inserts a line break",
        "clicks by script are ignored",
        "sign-in buttons come late",
        "a guest has the whole composer",
        "Escape does not close menus",
        "choosing a model leaves the conversation",
        "a list that opens only after its menu has stopped moving",
        "a provisional address",
        "nothing can be sent while a file uploads",
        "the user's own message comes first",
        "an error may follow the end",
    )
    login = Login(who="/api/user", storage="access_token", cookie="kimi-auth", sent_in="bearer", guests=True)
    path = "/apiv2/kimi.gateway.chat.v1.ChatService/Chat"
    stops_at = "/apiv2/kimi.gateway.chat.v1.ChatService/CancelChat"
    uploads_at = "/api/file"
    content_type = "application/connect+json"
    refusals: ClassVar = {
        "login": _refused("unauthenticated", "请先登录"),
        "quota": _refused("resource_exhausted", "升级会员后继续", paywall={"plan": "k"}),
        "busy": _refused("resource_exhausted", "现在和 Kimi 聊天的人太多了"),
        "overloaded": _exception("REASON_COMPLETION_OVERLOADED"),
    }
    unknown = connect({"op": "set", "mask": "weather", "weather": {"sun": True}})
    broken = connect("{")

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or that the visitor is anonymous."""
        return {"is_anonymous": True} if account is None else {"is_anonymous": False, "id": account.id}

    async def read(self, request: web.Request) -> Asked:
        """Parse the only frame of the body."""
        must(request.content_type == "application/connect+json", "the body is not in Connect's format")
        must(request.headers.get("connect-protocol-version") == "1", "no version of the protocol")
        body = read_connect(await request.read())
        message = body["message"]
        (text,) = (block["text"]["content"] for block in message["blocks"] if "text" in block)
        files = [block["file"]["id"] for block in message["blocks"] if "file" in block]
        must(message["role"] == "user", "another role")
        tools = [tool["type"] for tool in body["tools"]]
        thinking = body["options"]["thinking"]
        must(isinstance(thinking, bool), "thinking is not a boolean")
        return Asked(
            text,
            body["chat_id"],
            message["parent_id"] or None,
            thinking,
            "TOOL_TYPE_SEARCH" in tools,
            MODELS[body["options"]["model"]],
            dict.fromkeys(files, ""),
        )

    def _frame(self, exchange: Exchange, **document: Json) -> bytes:
        offset = exchange.notes.setdefault("offset", itertools.count(1))
        return connect({**document, "eventOffset": next(offset)})

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the conversation, the user's own message, and an empty answer."""
        chat = {"id": exchange.thread.id, "name": exchange.thread.title or "Untitled Chat"}
        yield self._frame(exchange, op="set", mask="chat", chat=chat)
        said = [{"id": "0", "text": {"content": exchange.asked.prompt}}]
        own = {"id": exchange.prompt_id, "role": "user", "status": "MESSAGE_STATUS_COMPLETED", "blocks": said}
        yield self._frame(exchange, op="set", mask="message", message=own)
        answer = {"id": exchange.answer_id, "role": "assistant", "status": "MESSAGE_STATUS_GENERATING"}
        yield self._frame(exchange, op="set", mask="message", message=answer)
        yield connect({"heartbeat": {}})

    def _block(self, exchange: Exchange, kind: str, piece: str, name: str) -> bytes:
        block = {"id": name, kind: {"content": piece}}
        if name in exchange.notes:
            return self._frame(exchange, op="append", mask=f"block.{kind}.content", block=block)
        exchange.notes[name] = True
        return self._frame(exchange, op="set", mask=f"block.{kind}", block=block)

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the block of thinking, or start another one after a search."""
        yield self._block(exchange, "think", piece, "5" if exchange.results else "1")

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the search and its results."""
        tool = {"toolCallId": "web_search:1", "args": "{}", "status": "STATUS_RUNNING"}
        yield self._frame(exchange, op="set", mask="block.tool.args", block={"id": "2", "tool": tool})
        for number, page in enumerate(exchange.results, start=1):
            base = {name: page.get(name, "") for name in ("title", "url", "snippet")}
            chunk = {"id": f"c{number}", "refIndex": str(number), "base": base}
            refs = {"refs": {"searchChunks": [chunk]}}
            yield self._frame(exchange, op="append", mask="message.refs.searchChunks", message=refs)

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the block of text."""
        yield self._block(exchange, "text", piece, "3")

    def rewritten(self, exchange: Exchange) -> Iterator[bytes]:
        """Replace the block of text."""
        exchange.text = f"No: {exchange.text}"
        block = {"id": "3", "text": {"content": exchange.text}}
        yield self._frame(exchange, op="set", mask="block.text", block=block)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the conversation's name, and the end."""
        if exchange.is_first:
            chat = {"id": exchange.thread.id, "name": exchange.title}
            yield self._frame(exchange, op="set", mask="chat.name", chat=chat)
        done = {"id": exchange.answer_id, "role": "assistant", "status": "MESSAGE_STATUS_COMPLETED"}
        yield self._frame(exchange, op="set", mask="message.status", message=done)
        yield connect({"done": {}})
        yield connect({}, END_OF_STREAM)
