"""OpenAI's `/v1/images/generations`: a prompt in, links to pictures out, answered like a chat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.answer.presenter import present
from bridge.api.body_fields import given_extras, ignored_names, validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, make_request
from bridge.api.openai.chat_completions import OpenAIChat
from bridge.api.openai.openai_request import Dialect, OpenAIRequest
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall
from bridge.chat.prompt import is_blank
from bridge.chat.types import Message
from bridge.errors import RequestError, SiteError
from bridge.printable import as_line

PICTURE = re.compile(r"!\[[^\[\]]{0,200}\]\((https?://[^\s()]{1,8192})\)")
_LONGEST_QUOTE = 200


class ImageBody(Lenient):
    """The body of a request for pictures."""

    model: Annotated[StrictStr, Field(min_length=1)]
    prompt: StrictStr
    n: Annotated[StrictInt, Field(ge=1, le=10)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: StrictBool | None = None


class OpenAIImages(OpenAIChat):
    """The surface for pictures; a request is one chat, and returns as many pictures as the site generates."""

    path = "/v1/images/generations"
    summary = "Generate pictures from a prompt"
    body = ImageBody
    stream_type = ""

    def parse(self, call: ApiCall) -> OpenAIRequest:
        """Return the chat that asks for the pictures."""
        asked = validated(ImageBody, call.body)
        if asked.response_format == "b64_json":
            raise RequestError("Pictures are returned as links; set response_format to url.", param="response_format")
        if asked.stream:
            raise RequestError("Pictures are not streamed; set stream to false.", param="stream")
        meant = call.model(asked.model)
        check_length(asked.prompt, meant, "prompt")
        if is_blank(asked.prompt):
            raise RequestError("The prompt has no text.", param="prompt")
        extras = given_extras(asked) | ({"n": asked.n} if asked.n not in (None, 1) else {})
        options = ChatOptions(
            name=asked.model, model=meant, messages=(Message("user", asked.prompt),), ignored=ignored_names(extras)
        )
        return make_request(options, call.id, Dialect(), self._settings)

    def reply(self, request: OpenAIRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the links; raise a `SiteError` that quotes the model if it generated no picture."""
        text = present(self.style(request), answers[0]).text
        pictures = PICTURE.findall(text)
        if not pictures:
            said = as_line(text[:_LONGEST_QUOTE])
            raise SiteError(f"The model generated no picture and says: {said}", sent=True)
        return {"created": request.created, "data": [{"url": url} for url in pictures]}
