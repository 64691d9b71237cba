"""OpenAI's older `/v1/completions`: one prompt in, its text out, answered like a chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import StrictStr

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import PresentationStyle, Presenter, present
from bridge.api.body_fields import validated
from bridge.api.body_size import check_length
from bridge.api.http_errors import Failure, dump, error_body
from bridge.api.openai.chat_completions import DONE, OpenAIChat, name_of, usage_of
from bridge.api.openai.openai_request import OpenAIRequest, Options, make_openai_request
from bridge.api.surface import ApiCall, Encoder
from bridge.chat.prompt import is_blank
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import Message, Opened
from bridge.errors import RequestError
from bridge.sse import encode_sse


class CompletionBody(Options):
    """A completion of a prompt."""

    prompt: StrictStr | list[StrictStr]
    """A text, or a list with one text."""


class OpenAICompletions(OpenAIChat):
    """The surface for text completions, whole or as chunks."""

    path = "/v1/completions"
    summary = "Complete a prompt, whole or as a stream of events"
    body = CompletionBody

    def parse(self, call: ApiCall) -> OpenAIRequest:
        """Return the parsed body."""
        asked = validated(CompletionBody, call.body)
        prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
        if len(prompts) != 1:
            raise RequestError("prompt must be one text; send further prompts in separate requests.", param="prompt")
        (prompt,) = prompts
        meant = call.model(asked.model)
        check_length(prompt, meant, "prompt")
        if is_blank(prompt):
            raise RequestError("The prompt has no text.", param="prompt")
        asked.tools = asked.functions = asked.tool_choice = asked.function_call = None
        return make_openai_request(asked, (Message("user", prompt),), call.id, meant, self._settings)

    def encoder(self, request: OpenAIRequest) -> Encoder:
        """Return the encoder of the stream."""
        return CompletionEncoder(request, self.style(request))

    def reply(self, request: OpenAIRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the completion object."""
        shown = [present(self.style(request), events) for events in answers]
        usages = [event.usage for events in answers for event in events if isinstance(event, AnswerEnd)]
        opened = next((event for event in answers[0] if isinstance(event, Opened)), None)
        choices = [_choice(index, one.text, one.reason) for index, one in enumerate(shown)]
        return {**_head(request, opened), "choices": choices, "usage": usage_of(usages)}


class CompletionEncoder:
    """Writes one chunk for each piece of text, and the last ones at the end."""

    def __init__(self, request: OpenAIRequest, style: PresentationStyle) -> None:
        self._request = request
        self._head = _head(request, None)
        self._presenters = [Presenter(style) for _ in range(request.choices)]
        self._usages: list[Usage] = []

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the chunks of `event`."""
        presenter = self._presenters[choice]
        text = presenter.piece(event).text
        if isinstance(event, Opened):
            self._head = _head(self._request, event) if choice == 0 else self._head
            return self._chunk([_choice(choice, "", None)])
        frames = self._chunk([_choice(choice, text, None)]) if text else b""
        if not isinstance(event, AnswerEnd):
            return frames
        self._usages.append(event.usage)
        frames += self._chunk([_choice(choice, "", presenter.reason(event))])
        return frames + self._last() if len(self._usages) == len(self._presenters) else frames

    def fail(self, failure: Failure) -> bytes:
        """Return the error object as a frame."""
        return encode_sse(dump(error_body(failure)))

    def _last(self) -> bytes:
        if not self._request.dialect.usage:
            return DONE
        return encode_sse(dump({**self._head, "choices": [], "usage": usage_of(self._usages)})) + DONE

    def _chunk(self, choices: list[dict[str, Any]]) -> bytes:
        usage = {"usage": None} if self._request.dialect.usage else {}
        return encode_sse(dump({**self._head, "choices": choices, **usage}))


def _head(request: OpenAIRequest, opened: Opened | None) -> dict[str, Any]:
    head = {"object": "text_completion", "created": request.created, "model": request.model}
    name = name_of(request, opened)
    return {**name, "id": name["id"].replace("chatcmpl-", "cmpl-"), **head}


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
