"""A stand-in for chat.qwen.ai: events in phases, each with its own end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread
from bridge.demo.standins.standin_frames import sse
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

MODELS = ("qwen3.7-plus", "qwen3.7-max")


def _failed(code: str, details: str) -> Refusal:
    return Refusal(code, {"success": False, "data": {"code": code, "details": details}})


class Qwen(Wire):
    """The protocol of Qwen: each event has the whole summary of the thinking; another call creates the chat."""

    name = "qwen"
    title = "Qwen"
    host = "chat.qwen.ai"
    traps = (
        "Enter only inserts a line break",
        "the button's wrapper ignores clicks",
        "nothing works before the page has hydrated",
        "a dialog swallows the first send",
        "the model resets after each send",
        "the page reloads after the first turn",
        "a guest has the whole composer",
        "thinking has its own end",
        "another request comes before the prompt",
        "an uploaded file is not processed yet, and a prompt is sent without it",
    )
    login = Login(who="/api/v1/auths/", storage="token", cookie="token", sent_in="bearer", guests=True)
    path = "/api/v2/chat/completions"
    creates_at = "/api/v2/chats/new"
    stops_at = "/api/v2/chat/completions/stop"
    uploads_at = "/api/v2/files/upload"
    reads_at = "/api/v2/files/parse/status"
    refusals: ClassVar = {
        "login": _failed("Unauthorized", "please log in"),
        "rate": _failed("RateLimited", "too many requests"),
        "human": sse(
            {
                "ret": ["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::verify"],
                "data": {"url": "https://chat.qwen.ai/punish?action=captcha"},
            }
        ),
        "busy": sse({"error": {"code": "internal_error", "message": "The model is overloaded."}}),
        "refused": sse({"choices": [{"delta": {"error": {"code": "data_inspection_failed", "message": "No."}}}]}),
    }
    unknown = sse({"weather": {"sun": True}})
    broken = sse("{")

    def who(self, account: StandInAccount | None) -> Json:
        """Return the user, or an error."""
        return {"detail": "unauthorized"} if account is None else {"id": account.id, "role": "user"}

    def created(self, thread: Thread) -> Json:
        """Return the id of the new chat."""
        return {"success": True, "data": {"id": thread.id}}

    def uploaded(self, name: str, upload: str) -> Json:
        """Return the id of the file, which is not processed yet."""
        return {"success": True, "data": {"id": upload, "name": name}}

    def read_state(self, *, is_read: bool) -> Json:
        """Return the state of the file."""
        return {"success": True, "data": {"status": "success" if is_read else "running"}}

    async def read(self, request: web.Request) -> Asked:
        """Parse the message, whose chat is also in the URL."""
        must(request.headers.get("bx-ua"), "without the page's own header")
        body = await request.json()
        (message,) = body["messages"]
        feature = message["feature_config"]
        must(request.query["chat_id"] == body["chat_id"], "two chats are named")
        must(body["stream"] is True and body["incremental_output"] is True, "not streamed")
        must(body["model"] in MODELS, "no such model")
        must(message["chat_type"] in ("t2t", "search"), "another kind of chat")
        return Asked(
            message["content"],
            body["chat_id"],
            body["parent_id"],
            feature["thinking_enabled"],
            message["chat_type"] == "search",
            body["model"],
            {file["id"]: "" for file in message["files"]},
        )

    def _delta(self, exchange: Exchange, phase: str, content: str = "", status: str = "typing", **extra: Json) -> bytes:
        role = "function" if phase == "web_search" else "assistant"
        delta = {"role": role, "content": content, "phase": phase, "status": status, **extra}
        return sse({"choices": [{"delta": delta}], "response_id": exchange.answer_id})

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the ids of the chat and the answer."""
        ids = {"chat_id": exchange.thread.id, "parent_id": exchange.prompt_id, "response_id": exchange.answer_id}
        yield sse({"response.created": ids})

    def _summary(self, exchange: Exchange, status: str) -> bytes:
        extra = {
            "summary_title": {"content": ["Looking"]},
            "summary_thought": {"content": exchange.thought.split("\n")},
        }
        return self._delta(exchange, "thinking_summary", status=status, extra=extra)

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Send the whole summary."""
        yield self._summary(exchange, "typing")

    def found(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the results of the search."""
        info = [{name: page.get(name, "") for name in ("url", "title", "snippet")} for page in exchange.results]
        yield self._delta(exchange, "web_search", status="finished", extra={"web_search_info": info})

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text; end the thinking before its first piece."""
        if exchange.text == piece and exchange.thought:
            yield self._summary(exchange, "finished")
        yield self._delta(exchange, "answer", piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """End the phase of the answer."""
        yield self._delta(exchange, "answer", status="finished")

    def cites(self, number: int) -> str:
        """Return the number in double brackets."""
        return f"[[{number}]]"
