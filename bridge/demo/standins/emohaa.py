"""A stand-in for echo.turing-world.com: the prompt stands in the address, and the answer is bare text."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must


class Emohaa(Wire):
    """Asks another origin by GET."""

    name = "emohaa"
    title = "Emohaa"
    host = "echo.turing-world.com"
    traps = (
        "the prompt stands in the address",
        "another origin answers, after a preflight",
        "bare text",
    )
    login = Login(who="/api/user", storage="token", sent_in="token")
    path = "/echo-prod/chat"
    method = "GET"
    elsewhere = "ai-role.cn"
    creates_at = "/echo-prod/generate/id"
    names_parents = False
    refusals: ClassVar = {
        "login": Refusal("login", {"status": 401, "title": "Unauthorized", "detail": "log in"}, 401),
        "busy": Refusal("busy", {"status": 503, "title": "Busy", "detail": "try later"}, 503),
    }

    def who(self, account: StandInAccount | None) -> Json:
        """Name the user."""
        return {"id": account.id if account else None}

    def new_id(self, kind: str) -> str:
        """Return hexadecimal digits."""
        return uuid.uuid4().hex[:16]

    def created(self, thread: Thread) -> Json:
        """Name the conversation that was made."""
        return {"id": thread.id}

    async def read(self, request: web.Request) -> Asked:
        """Read the address."""
        query = request.query
        must(query.get("xts") and query.get("xid") and query.get("xreal"), "not signed by the page")
        must(query["role"] == "echo", "another role")
        return Asked(query["prompt"], query["cid"])

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Add to the text."""
        yield sse(piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """End."""
        yield sse("[DONE]")
