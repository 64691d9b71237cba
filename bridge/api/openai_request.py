"""Reads the body of a chat completion: takes whatever real clients send, refuses only what cannot be done.

A field that has no effect here is no reason to refuse a request; its name is reported back instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from bridge.api.base import Ask
from bridge.chat import ChatRequest, Message, Model, Role
from bridge.errors import RequestError

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of content parts that are text, and the key it is under."""
CHOICES = ("auto", "none")
POSSIBLE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("n", lambda n: n == 1, "A chat has one answer; leave n at 1."),
    ("logprobs", lambda wanted: wanted is False, "The site gives no log probabilities."),
    ("top_logprobs", lambda number: number == 0, "The site gives no log probabilities."),
    ("response_format", lambda wanted: _kind(wanted) == "text", "JSON output is not supported; only text is."),
    ("tool_choice", lambda choice: _kind(choice) in CHOICES, "A tool call cannot be forced; use auto or none."),
    ("function_call", lambda choice: _kind(choice) in CHOICES, "A tool call cannot be forced; use auto or none."),
    ("modalities", lambda kinds: kinds == ["text"], "Answers are text only."),
)
"""Fields that are fine with some values and impossible with others."""
FIELD_NAME = re.compile(r"\w{1,64}", re.ASCII)
MOST_NAMED = 20


class Lenient(BaseModel):
    """A part of the body; unknown fields are kept, and no error shows what was sent."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)


class Turn(Lenient):
    """One message of the history, as it was sent."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Any = None
    tool_calls: Any = None


class StreamOptions(Lenient):
    """What a stream has beside the answer."""

    include_usage: StrictBool | None = None


class Body(Lenient):
    """The fields that have an effect; everything else is in `model_extra`."""

    model: Annotated[StrictStr, Field(min_length=1)]
    messages: Annotated[list[Turn], Field(min_length=1)]
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    conversation_id: Annotated[StrictStr, Field(min_length=1)] | None = None


def read(body: object, id: str, model: Callable[[str], Model]) -> Ask:  # noqa: A002
    """Return what `body` asks for; raise a `RequestError` whose `param` is the first field at fault."""
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    asked = _validated(body)
    given = {name: value for name, value in (asked.model_extra or {}).items() if value is not None}
    _refuse_impossible(given)
    messages = tuple(_message(turn, f"messages[{index}]") for index, turn in enumerate(asked.messages))
    if not messages[-1].text.strip():
        raise RequestError("The last message has no text.", param=f"messages[{len(messages) - 1}].content")
    return Ask(
        chat=ChatRequest(id, model(asked.model), messages, asked.conversation_id),
        stream=bool(asked.stream),
        usage=bool(asked.stream_options and asked.stream_options.include_usage),
        ignored=_ignored(given),
    )


def _validated(body: dict[Any, Any]) -> Body:
    try:
        return Body.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    param = _path(first["loc"])
    raise RequestError(f"{param}: {first['msg']}.", param=param)


def _path(location: tuple[int | str, ...]) -> str:
    """Return a location as `messages[3].content`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix(".")


def _refuse_impossible(given: Mapping[str, Any]) -> None:
    for name, possible, message in POSSIBLE:
        if name in given and not possible(given[name]):
            raise RequestError(message, param=name)


def _kind(value: object) -> object:
    """Return the `type` of an object, or the value itself."""
    return value.get("type") if isinstance(value, dict) else value


def _ignored(given: Mapping[str, Any]) -> tuple[str, ...]:
    heeded = {name for name, _, _ in POSSIBLE}
    names = (name for name, value in given.items() if name not in heeded and value not in ([], {}))
    return tuple(islice(filter(FIELD_NAME.fullmatch, names), MOST_NAMED))


def _message(turn: Turn, where: str) -> Message:
    role = ROLES[turn.role]
    text = _text(turn.content, f"{where}.content")
    if role == "tool":
        text = text or "(no output)"
    elif isinstance(turn.tool_calls, list):
        text = "\n".join(filter(None, (text, *map(_called, turn.tool_calls))))
    return Message(role, text)


def _called(call: object) -> str:
    """Return a tool call of the history as text, so that the result after it makes sense."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return ""
    return f"[called {function.get('name')} with {function.get('arguments')}]"


def _text(content: object, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RequestError(f"{where} must be a string or a list of text parts.", param=where)
    return "\n".join(_part(part, f"{where}[{index}]") for index, part in enumerate(content))


def _part(part: object, where: str) -> str:
    if not isinstance(part, dict):
        raise RequestError(f"{where} must be an object with a type.", param=where)
    kind = part.get("type", "text")
    if not isinstance(kind, str) or kind not in TEXT_PARTS:
        raise RequestError(f"{where} is no text, and the bridge takes text only for now.", param=where)
    text = part.get(TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise RequestError(f"{where}.{TEXT_PARTS[kind]} must be a string.", param=f"{where}.{TEXT_PARTS[kind]}")
    return text
