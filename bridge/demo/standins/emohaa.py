"""A stand-in for echo.turing-world.com: the prompt is in the URL, and the answer is plain text."""

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
    """The protocol of Emohaa: a GET to another origin."""

    name = "emohaa"
    title = "Emohaa"
    host = "echo.turing-world.com"
    traps = (
        "the prompt is in the URL",
        "another origin answers, after a preflight",
        "plain text",
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
        """Return the user's id, or none."""
        return {"id": account.id if account else None}

    def new_id(self, kind: str) -> str:
        """Return hexadecimal digits."""
        return uuid.uuid4().hex[:16]

    def created(self, thread: Thread) -> Json:
        """Return the id of the new conversation."""
        return {"id": thread.id}

    async def read(self, request: web.Request) -> Asked:
        """Parse the query of the URL."""
        query = request.query
        must(query.get("xts") and query.get("xid") and query.get("xreal"), "not signed by the page")
        must(query["role"] == "echo", "another role")
        return Asked(query["prompt"], query["cid"])

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text."""
        yield sse(piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the end."""
        yield sse("[DONE]")
