"""Parrot, an invented chat site: what `docs/adding-a-site.md` writes the site file of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json, encode_json
from bridge.demo.standins import Wire
from bridge.demo.standins.standin_accounts import Login, StandInAccount
from bridge.demo.standins.standin_wire import Asked, Exchange, must


def line(**document: Json) -> bytes:
    """Write one line of the answer."""
    return f"{encode_json(document)}\n".encode()


class Parrot(Wire):
    """Answers in lines of JSON."""

    name = "parrot"
    title = "Parrot"
    host = "parrot.example"
    traps = ("Enter only breaks the line", "a guest has the whole composer")
    page = Path(__file__).with_name("parrot_page.js")
    login = Login(who="/api/me", cookie="seed", guests=True)
    path = "/api/squawk"
    content_type = "application/x-ndjson"
    refusals: ClassVar = {
        "login": Refusal("login", {"problem": "who are you?"}, 401),
        "rate": line(problem="too_fast", words="The parrot needs a rest."),
    }

    def who(self, account: StandInAccount | None) -> Json:
        """Name the user."""
        return {"user": account.name if account else None}

    async def read(self, request: web.Request) -> Asked:
        """Read what the page says."""
        body = await request.json()
        must(set(body) == {"words", "perch", "after", "ponder"}, "other fields")
        return Asked(body["words"], body["perch"] or "", body["after"], body["ponder"] == "yes")

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Name conversation and answer."""
        yield line(kind="start", perch=exchange.thread.id, id=exchange.answer_id)

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Add to the thinking."""
        yield line(kind="thought", words=piece)

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Add to the text."""
        yield line(kind="word", words=piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """End."""
        yield line(kind="end")
