"""A stand-in for chat.z.ai: events in phases; the page may ask for a human check before it sends anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

MODELS = ("glm-5.3", "glm-5.3-flash")


def _error(code: str, detail: str, **more: str) -> bytes:
    error = {"code": code, "detail": detail, **more}
    return sse({"type": "chat:completion", "data": {"content": "", "done": True, "error": error}})


def _captcha(kind: str) -> bytes:
    error = {"code": "FRONTEND_CAPTCHA_REQUIRED", "captcha_error_type": kind}
    return sse({"type": "chat:completion", "data": {"data": {"done": True, "error": error}, "done": True}})


class Zai(Wire):
    """The protocol of Z.ai: an invalid token silently becomes a guest's."""

    name = "zai"
    title = "Z.ai"
    host = "chat.z.ai"
    traps = (
        "Enter only inserts a line break",
        "a human check may come before anything is sent",
        "the prompt may be sent a second time, with a proof that the first request lacked",
        "a stale token silently becomes a guest's",
        "one model's name is a prefix of another's",
        "text may be replaced",
        "nothing can be sent while a file uploads, and a refused one vanishes with a message",
        "marks of sources are split across frames",
    )
    login = Login(who="/api/v1/auths/", storage="token", sent_in="bearer", guests=True, makes_guests=True)
    path = "/api/v2/chat/completions"
    creates_at = "/api/v1/chats/new"
    asks_at = "/api/config"
    uploads_at = "/api/v1/files/"
    no_file = Refusal("file", {"detail": "File type not allowed"}, 400)
    refusals: ClassVar = {
        "login": _error("UNAUTHORIZED", "session expired"),
        "human": _captcha("verify_failed"),
        "again": _captcha("missing_param"),
        "busy": _error("MODEL_CONCURRENCY_LIMIT", "the model is busy"),
    }
    unknown = sse({"type": "weather", "data": {"sun": True}})
    broken = sse("{")

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user, or a guest."""
        return {"id": account.id if account else "g1", "email": account.email if account else "guest-1@guest.com"}

    def created(self, thread: Thread) -> Json:
        """Return the id of the new chat."""
        return {"id": thread.id, "title": "New Chat"}

    def uploaded(self, name: str, upload: str) -> Json:
        """Describe the file."""
        return {"id": upload, "filename": name, "meta": {"name": name}}

    def asks(self, *, human: bool) -> Json:
        """Return that captchas are on, and whether this one passes silently."""
        return {"features": {"enable_captcha": True}, "silent": not human}

    async def read(self, request: web.Request) -> Asked:
        """Parse the last message, which is signed."""
        must(request.headers.get("x-signature") and request.headers.get("x-fe-version"), "not signed by the page")
        body = await request.json()
        must(body["model"] in MODELS, "no such model")
        must(body["captcha_verify_param"], "no captcha")
        must(body["signature_prompt"] == body["messages"][-1]["content"], "another text is signed")
        features = body["features"]
        must(features["web_search"] is False, "the other search is on")
        return Asked(
            body["messages"][-1]["content"],
            body["chat_id"],
            body["current_user_message_parent_id"],
            features["enable_thinking"],
            features["auto_web_search"],
            body["model"],
            {file["id"]: "" for file in body.get("files", ())},
        )

    def _say(self, phase: str | None, **data: Json) -> bytes:
        return sse({"type": "chat:completion", "data": {"phase": phase, **data}})

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the id of the answer."""
        phase = "thinking" if exchange.asked.thinking else "answer"
        yield self._say(phase, id=exchange.answer_id, role="assistant", delta_content="")
        yield sse({"type": "conn:heartbeat"})

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the thinking."""
        yield self._say("thinking", delta_content=piece)

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the search; the field for its results is unknown."""
        yield sse(
            {"type": "status", "data": {"action": "web_search", "query": exchange.asked.prompt[:20], "done": False}}
        )
        yield self._say("tool_call", edit_index=0, edit_content="<glm_block >{}</glm_block>")

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text."""
        yield self._say("answer", delta_content=piece)

    def rewritten(self, exchange: Exchange) -> Iterator[bytes]:
        """Replace the whole text."""
        exchange.text = f"No: {exchange.text}"
        yield self._say("answer", edit_index=0, edit_content=exchange.text)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the token counts and the end."""
        usage = {"prompt_tokens": 5, "completion_tokens": exchange.pieces, "total_tokens": 5 + exchange.pieces}
        yield self._say("other", usage=usage)
        if exchange.is_first:
            yield sse({"type": "chat:title", "data": exchange.title})
        yield self._say("done", done=True)
        yield sse({"data": "[DONE]"})

    def cites(self, number: int) -> str:
        """Return the key of a result."""
        return f"【turn0search{number}】"
