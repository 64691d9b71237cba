"""Checks every body that a test's client reads strictly against the OpenAI SDK's own types."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any, get_args

import aiohttp
from openai import BaseModel
from openai.types import Completion, FileDeleted, FileObject, ImagesResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.responses import CompactedResponse, Response, ResponseItem, ResponseStreamEvent
from openai.types.shared import ErrorObject
from pydantic import ConfigDict, TypeAdapter

from bridge.api.routes import dialects
from bridge.settings import Settings

WHOLE: dict[str, type[BaseModel]] = {
    "/v1/chat/completions": ChatCompletion,
    "/v1/completions": Completion,
    "/v1/images/generations": ImagesResponse,
}
FOREIGN = re.compile(r"/(?:api|v1beta)/|/v1/models/[^/]+:")
"""The prefixes of other dialects' paths."""
CHUNKS: dict[str, type[BaseModel]] = {"/v1/chat/completions": ChatCompletionChunk, "/v1/completions": Completion}


RESPONSES = "/v1/responses"
CONVERSATIONS = "/v1/conversations"
EVENTS: dict[str, type[BaseModel]] = {
    name: kind
    for kind in get_args(get_args(ResponseStreamEvent)[0])
    for name in get_args(kind.model_fields["type"].annotation)
}
"""The type of each event by its name; trying all types would take long."""
LATER = ConfigDict(defer_build=True)
"""Delays the building of the items' validators: it takes a tenth of a second, and most test processes need none."""
ITEMS = {
    RESPONSES: TypeAdapter[Any](ResponseItem, config=LATER),
    CONVERSATIONS: TypeAdapter[Any](ConversationItem, config=LATER),
}
OBJECTS: dict[str, type[BaseModel]] = {
    "response": Response,
    "response.compaction": CompactedResponse,
    "conversation": Conversation,
    "conversation.deleted": ConversationDeletedResource,
}


def check(path: str, body: bytes) -> None:
    """Raise if `body`, whole or a stream, does not have the SDK's type for `path`; other paths are not checked."""
    path = path.rstrip("/")
    if body.startswith((b"data: ", b"event: ", b": ")):
        _check_stream(path, body)
    elif path.startswith((RESPONSES, CONVERSATIONS)):
        _check_object(path, json.loads(body))
    elif path in WHOLE:
        _check(json.loads(body), WHOLE[path])
    elif path.startswith(("/v1/models", "/v1/files")) and not path.endswith("/content"):
        answer = json.loads(body)
        kind = Model if path.startswith("/v1/models") else FileDeleted if "deleted" in answer else FileObject
        for one in answer.get("data", [answer]):
            _check(one, kind)
    elif path.startswith("/v1") and not path.endswith("/content"):
        _check(json.loads(body), ErrorObject)


def _check_object(path: str, answer: dict[str, Any]) -> None:
    """Check a response, a conversation, or one of their parts."""
    kind = answer.get("object", answer.get("type"))
    if kind in OBJECTS and (kind != "response" or "deleted" not in answer):
        OBJECTS[kind].model_validate_json(json.dumps(answer), strict=True)
    elif "error" in answer:
        _check(answer, ErrorObject)
    elif path.startswith(f"{CONVERSATIONS}/") or kind == "list":
        items = ITEMS[CONVERSATIONS if path.startswith(CONVERSATIONS) else RESPONSES]
        for item in answer.get("data", [answer]):
            items.validate_json(json.dumps(item), strict=True)


def _check_stream(path: str, body: bytes) -> None:
    frames = [frame.partition("data: ")[2] for frame in body.decode().split("\n\n")[:-1] if "data: " in frame]
    for frame in frames:
        if path.startswith(RESPONSES):
            check_event(frame)
        elif frame != "[DONE]":
            _check(json.loads(frame), CHUNKS[path])


def check_event(text: str) -> None:
    """Raise if `text` is not an event of a response."""
    EVENTS[json.loads(text)["type"]].model_validate_json(text, strict=True)


def _check(answer: dict[str, object], kind: type[BaseModel]) -> None:
    if "error" in answer:
        assert answer.keys() == {"error"}
        kind, answer = ErrorObject, dict(answer["error"])  # type: ignore[call-overload]
        assert {"message", "type", "param", "code"} <= answer.keys()
    for choice in answer.get("choices", ()) if kind is Completion else ():  # type: ignore[attr-defined]
        choice["finish_reason"] = choice["finish_reason"] or "stop"  # the type describes only the last chunk
    kind.model_validate_json(json.dumps(answer), strict=True)


def checked() -> aiohttp.TraceConfig:
    """Return the hooks with which a client checks all bodies that it reads whole, except those of other dialects."""
    spoken = dialects(Settings().api)

    async def begin(_: aiohttp.ClientSession, context: SimpleNamespace, sent: aiohttp.TraceRequestStartParams) -> None:
        context.headers = sent.headers

    async def read(
        _: aiohttp.ClientSession, context: SimpleNamespace, seen: aiohttp.TraceResponseChunkReceivedParams
    ) -> None:
        if seen.method == "HEAD" or FOREIGN.match(seen.url.path):
            return
        if spoken.named(seen.url.path, context.headers) in (None, spoken.all[0]):
            check(seen.url.path, seen.chunk)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begin)
    trace.on_response_chunk_received.append(read)
    return trace
