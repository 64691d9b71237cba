"""A stand-in for agent.minimax.io: another origin answers, and leaves its stream open after the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

AGENT = "1001"


def _failed(text: str) -> bytes:
    return sse({"type": 2, "agent_message": {"role": "assistant", "msg_content": text, "finish_reason": "error"}})


class MiniMax(Wire):
    """The protocol of MiniMax: sends the user's own message first; a failure is a message, too."""

    name = "minimax"
    title = "MiniMax"
    host = "agent.minimax.io"
    traps = (
        "Enter does nothing",
        "another origin answers, after a preflight",
        "the conversation's id is in the path",
        "the user's own message comes first",
        "the stream stays open after the end",
        "a failure is a message",
    )
    login = Login(who="/v1/api/user/info", storage="_token", cookie="_token", sent_in="token", guests=True)
    path = "/minimax-cloud/api/v1/session/{id}/message"
    elsewhere = "agent-stream.minimax.io"
    creates_at = f"/minimax-cloud/api/v1/agent/{AGENT}/session"
    names_parents = False
    lingers = 30.0
    refusals: ClassVar = {
        "login": Refusal("login", {"base_resp": {"status_code": 1004, "status_msg": "login required"}}, 401),
        "quota": _failed("quota used (2056)"),
        "busy": _failed("the server is busy (1000)"),
    }
    unknown = sse({"type": 77, "weather": {"sun": True}})
    broken = sse("{")

    def __init__(self) -> None:
        self._ids = itertools.count(500_001)

    def new_id(self, kind: str) -> str:
        """Return a number."""
        return str(next(self._ids))

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user's id, or none."""
        return {"data": {"userInfo": {"id": account.id} if account else None}}

    def created(self, thread: Thread) -> Json:
        """Return the id of the new session."""
        return {"session_id": thread.id}

    async def read(self, request: web.Request) -> Asked:
        """Parse the message; the session is in the URL."""
        must(request.headers.get("x-signature") and request.headers.get("yy"), "not signed by the page")
        body = await request.json()
        model = body["model"]
        must(model["provider_id"] == "minimax" and model["variant"] in ("", "thinking"), "no such model")
        session = request.path.split("/")[-2]
        return Asked(body["content"], session, None, model["variant"] == "thinking", model=model["model_id"])

    def _chunk(self, exchange: Exchange, **chunk: Json) -> bytes:
        return sse({"type": 6, "agent_message_chunk": {"msg_id": exchange.answer_id, "msg_content": "", **chunk}})

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the user's own message."""
        own = {"role": "user", "msg_content": exchange.asked.prompt, "turn_id": exchange.prompt_id}
        yield sse({"type": 2, "agent_message": own})

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the thinking."""
        yield self._chunk(exchange, thinking_content=piece)

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text."""
        yield self._chunk(exchange, msg_content=piece, finish=False)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """End the message; the stream stays open for a while."""
        yield self._chunk(exchange, finish=True)
