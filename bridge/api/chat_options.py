"""The options of a request, independent of dialects, and the chat that is built from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypeVar

from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.surface import ParsedRequest
from bridge.chat.types import ChatRequest, Message, Model
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.notation import Toolbox

MOST_STOPS = 16
LONGEST_STOP = 1000
"""Most characters of a stop sequence."""
OFF = ("none", "minimal", "off", "disabled", "false", "no", "0")
"""Words that switch thinking off; any other word switches it on."""

D = TypeVar("D")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """The client's options; where one is None, the model's name decides."""

    name: str
    """The model's name as the client wrote it."""
    model: Model
    """The model that the name stands for."""
    messages: tuple[Message, ...]
    toolbox: Toolbox | None = None
    json: JsonForm | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    """None or below 1: no limit."""
    thinking: bool | None = None
    search: bool | None = None
    conversation: str | None = None
    stream: bool = False
    choices: int = 1
    ignored: tuple[str, ...] = ()


def make_request(options: ChatOptions, id: str, dialect: D, settings: ApiSettings) -> ParsedRequest[D]:  # noqa: A002
    """Return the chat and the form of its answer."""
    messages = options.messages
    begun = messages[-1].text if messages[-1].role == "assistant" else ""
    checked = None if begun else options.json  # the continuation of JSON is not valid JSON by itself
    most = options.max_tokens if options.max_tokens and options.max_tokens > 0 else None
    format_ = AnswerFormat(options.toolbox, checked, options.stop, most, settings.hold_text, settings.retries, begun)
    return ParsedRequest(
        chat=ChatRequest(id, _switched(options), _with_instructions(options), options.conversation, format_.returned),
        model=options.name,
        dialect=dialect,
        stream=options.stream,
        format=format_,
        choices=options.choices,
        ignored=(*options.ignored, *_lacking(options)),
    )


def check_stops(given: Sequence[str], param: str, *, is_list: bool = True) -> tuple[str, ...]:
    """Return the stop sequences of a field, without empty ones, which would end every answer at once."""
    if len(given) > MOST_STOPS:
        message = f"{param} has {len(given)} sequences, but the limit is {MOST_STOPS}."
        raise RequestError(message, param=param)
    for index, stop in enumerate(given):
        if len(stop) > LONGEST_STOP:
            where = f"{param}[{index}]" if is_list else param
            raise RequestError(f"{where} may have at most {LONGEST_STOP} characters; shorten it.", param=where)
    return tuple(filter(None, given))


def parse_switch(given: str | bool | None) -> bool | None:
    """Return the value of a switch; an empty word means None."""
    if not isinstance(given, str):
        return given
    word = given.strip().lower()
    return word not in OFF if word else None


def _switched(options: ChatOptions) -> Model:
    """Return the model with the request's switches, which override the model's name."""
    model = options.model
    thinking = model.thinking if options.thinking is None or not model.can_think else options.thinking
    search = model.can_search and bool(options.search)
    return replace(model, thinking=thinking, search=model.search or search)


def _lacking(options: ChatOptions) -> tuple[str, ...]:
    """Return the requested switches that the model's site does not have."""
    model = options.model
    wants_more = options.thinking is not None and options.thinking is not model.thinking and not model.can_think
    without_search = bool(options.search) and not model.can_search
    return ("thinking",) * wants_more + ("web_search",) * without_search


def _with_instructions(options: ChatOptions) -> tuple[Message, ...]:
    """Return the messages with the instructions for tools and JSON after the leading system messages."""
    tools = [Message("system", options.toolbox.instructions(), teaches_tools=True)] if options.toolbox else []
    json = [Message("system", options.json.instructions())] if options.json else []
    messages = options.messages
    head = len(list(takewhile(lambda message: message.role == "system", messages)))
    return (*messages[:head], *tools, *json, *messages[head:])
