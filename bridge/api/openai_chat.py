"""The dialect of OpenAI's `/v1/chat/completions`; what clients send is read in `openai_request`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from bridge.api.base import Ask, Encoder, Failure, Surface, dump
from bridge.api.openai_request import read
from bridge.api.show import Presenter, present
from bridge.chat import ChatEvent, Finish, FinishReason, Model, Opened
from bridge.sse import encode_sse
from bridge.usage import Meter, Usage

DONE = encode_sse(b"[DONE]")
_quoted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class OpenAIChat(Surface):
    """Chat completions, whole or as chunks."""

    path = "/v1/chat/completions"

    def parse(self, body: object, id: str, model: Callable[[str], Model]) -> Ask:  # noqa: A002
        """Return what `body` asks for."""
        return read(body, id, model)

    def encoder(self, ask: Ask) -> Encoder:
        """Return an encoder of chunks."""
        return ChunkEncoder(ask)

    def reply(self, ask: Ask, events: Sequence[ChatEvent]) -> dict[str, Any]:
        """Return the completion object."""
        shown, reason = present(ask.chat.model, events)
        message: dict[str, Any] = {"role": "assistant", "content": shown.text, "refusal": None}
        if shown.thinking:
            message["reasoning_content"] = shown.thinking
        meter = Meter(ask.chat.messages)
        for event in events:
            meter.add(event)
        return {
            **_name(ask, next((event for event in events if isinstance(event, Opened)), None)),
            "object": "chat.completion",
            "created": ask.created,
            "model": ask.chat.model.id,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
            "usage": _usage(meter.usage()),
        }

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return {
            "error": {
                "message": failure.message,
                "type": failure.kind,
                "param": failure.param,
                "code": failure.code,
            }
        }


class ChunkEncoder:
    """Writes at most one chunk an event, and the last ones at the end; only the text is serialised each time."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._head = self._named(None)
        self._tail = ',"usage":null}' if ask.usage else "}"
        self._usage = ask.usage
        self._presenter = Presenter(ask.chat.model)
        self._meter = Meter(ask.chat.messages)
        self._role = '"role":"assistant"'

    def encode(self, event: ChatEvent) -> bytes:
        """Return the chunks that `event` becomes."""
        self._meter.add(event)
        piece = self._presenter.piece(event)
        if isinstance(event, Opened):
            self._head = self._named(event)
            return self._delta('"content":"","refusal":null')
        frame = b""
        if piece.thinking:
            frame = self._delta(f'"reasoning_content":{_quoted(piece.thinking)}')
        elif piece.text:
            frame = self._delta(f'"content":{_quoted(piece.text)}')
        return frame + self._end(event) if isinstance(event, Finish) else frame

    def _named(self, opened: Opened | None) -> str:
        ask = self._ask
        head = {"object": "chat.completion.chunk", "created": ask.created, "model": ask.chat.model.id}
        return dump(_name(ask, opened) | head)[:-1].decode()

    def _end(self, finish: Finish) -> bytes:
        frames = self._delta("", self._presenter.reason(finish))
        if self._usage:
            usage = _quoted(_usage(self._meter.usage()))
            frames += _frame(f'{self._head},"choices":[],"usage":{usage}}}')
        return frames + DONE

    def _delta(self, delta: str, reason: FinishReason | None = None) -> bytes:
        if self._role:
            delta = f"{self._role},{delta}" if delta else self._role
            self._role = ""
        ended = f'"{reason}"' if reason else "null"
        choice = f'{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{ended}}}'
        return _frame(f'{self._head},"choices":[{choice}]{self._tail}')


def _frame(text: str) -> bytes:
    return encode_sse(text.encode("utf-8", "replace"))


def _name(ask: Ask, opened: Opened | None) -> dict[str, Any]:
    """Return the answer's id, by which a client can go on in the site's own conversation, where it is known."""
    if opened is None or opened.conversation is None or opened.message is None:
        return {"id": f"chatcmpl-{ask.chat.id}"}
    name = f"{opened.conversation}@{opened.message}"
    return {"id": name, "conversation_id": name}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
