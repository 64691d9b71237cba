"""A stand-in for chat.stepfun.com: Connect frames of JSON both ways, with one event in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from aiohttp import web

from bridge.demo.envelope import Refusal
from bridge.demo.patches import Json
from bridge.demo.standins.standin_accounts import Login, StandInAccount, Thread
from bridge.demo.standins.standin_frames import END_OF_STREAM, connect, read_connect
from bridge.demo.standins.standin_wire import Asked, Exchange, Wire, must

_SERVICE = "/api/agent/capy.agent.v1.AgentService"


def _event(kind: str, **fields: Json) -> bytes:
    return connect({"data": {"event": {kind: fields}}})


def _failed(code: str, message: str) -> bytes:
    return _event("startEvent") + connect({"error": {"code": code, "message": message}}, END_OF_STREAM)


class StepFun(Wire):
    """The protocol of StepFun: a failure is the body of the last frame."""

    name = "stepfun"
    title = "StepFun"
    host = "chat.stepfun.com"
    traps = (
        "a dialog covers the page for signed-out users",
        "another request comes before the prompt",
        "the URL of a new chat looks like a conversation's",
        "a failure is the body of the last frame",
        "a file is the bare body, is not processed yet when uploaded, and a prompt is sent without it",
    )
    login = Login(who="/api/agent/user", cookie="Oasis-Token")
    path = f"{_SERVICE}/ChatStream"
    creates_at = f"{_SERVICE}/CreateChatSession"
    uploads_at = "/api/storage"
    uploads_by = "PUT"
    reads_at = "/api/proto.file.v1.FileService/GetFileStatus"
    content_type = "application/connect+json"
    refusals: ClassVar = {
        "login": Refusal("login", {"code": "CODE_ACCOUNT_NEED_SIGN_IN", "message": "请先登录"}, 403),
        "busy": _failed("unavailable", "the service is busy"),
        "rate": _failed("resource_exhausted", "too many requests"),
    }
    unknown = _event("weatherEvent", sun=True)
    broken = connect("{")

    def who(self, account: StandInAccount | None) -> Json:
        """Return whether the visitor's token is an account's."""
        return {"activated": account is not None}

    def created(self, thread: Thread) -> Json:
        """Return the id of the new session."""
        return {"chatSession": {"chatSessionId": thread.id, "chatId": thread.id}}

    async def read_upload(self, request: web.Request) -> tuple[str, bytes]:
        """Return the file's name, and the body, which is its content."""
        content = await request.read()
        if request.headers.get("stepchat-meta-size") != str(len(content)):
            raise Refusal("upload", {"message": "another size"}, 400)
        return request.query["file_name"], content

    def read_state(self, *, is_read: bool) -> Json:
        """Return the state of the file."""
        return {"fileStatus": 1 if is_read else 0, "needFurtherCall": not is_read}

    async def read(self, request: web.Request) -> Asked:
        """Parse the only frame of the body; the page has created the session before."""
        must(request.content_type == "application/connect+json", "the body is not in Connect's format")
        must(request.headers.get("oasis-appid") == "10200", "another application")
        body = read_connect(await request.read())
        message, config = body["message"], body["config"]
        must(message["chatSessionId"], "no session")
        said = message["content"]["userMessage"]["qa"]["content"]
        parent = message.get("parentMessageId")
        files = {one["attachmentId"]: "" for one in message["content"]["userMessage"]["qa"].get("attachments", ())}
        thinking, model = config["enableReasoning"], config["model"]
        return Asked(said, message["chatSessionId"], parent, thinking, model=model, files=files)

    def opening(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the ids of the messages."""
        yield _event("startEvent", messageId=exchange.answer_id, parentMessageId=exchange.prompt_id)
        yield _event("messageEvent", message={"messageId": exchange.answer_id})
        if exchange.asked.thinking:
            yield _event("pipelineEvent", type="EVENT_TYPE_REASONING", action="EVENT_ACTION_START")

    def thinking(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the reasoning."""
        yield _event("reasoningEvent", text=piece)

    def text(self, exchange: Exchange, piece: str) -> Iterator[bytes]:
        """Append to the text; end the reasoning before its first piece."""
        if exchange.text == piece and exchange.asked.thinking:
            yield _event("pipelineEvent", type="EVENT_TYPE_REASONING", action="EVENT_ACTION_END")
            yield _event("heartBeatEvent")
        yield _event("textEvent", text=piece)

    def ending(self, exchange: Exchange) -> Iterator[bytes]:
        """Send the end of the message, then that of the stream."""
        yield _event("messageDoneEvent")
        yield _event("doneEvent")
        yield connect({}, END_OF_STREAM)
