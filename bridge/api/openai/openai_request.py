"""Reads the body of a chat completion: accepts what real clients send, refuses only the impossible.

A field without effect is not refused; its name is reported to the client instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, FailFast, Field, StrictBool, StrictInt, StrictStr

from bridge.api.body_fields import Switch, Tokens, given_extras, ignored_names, validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, check_stops, make_request, parse_switch
from bridge.api.openai.openai_history import HistoryTurn, read_history, texts
from bridge.api.openai.openai_tools import ToolFields, toolbox, without_effect
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.chat.types import Message, Model
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm

POSSIBLE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("logprobs", lambda wanted: wanted is False, "Log probabilities are not available."),
    ("top_logprobs", lambda number: number == 0, "Log probabilities are not available."),
    ("modalities", lambda kinds: kinds == ["text"], "Answers can only be text."),
)
"""Fields of which only some values are possible: name, test, error message."""
HEEDED = frozenset(name for name, _, _ in POSSIBLE)


def as_reasoning(given: object) -> object:
    """Return a single word or boolean in the form of an object."""
    if isinstance(given, str):
        return {"effort": given}
    return {"enabled": given} if isinstance(given, bool) else given


@dataclass(frozen=True, slots=True)
class Dialect:
    """Options that only OpenAI's clients have."""

    usage: bool = False
    """Whether a stream ends with the usage."""
    legacy: bool = False
    """Whether the client supports calls only in the older form `function_call`."""


OpenAIRequest = ParsedRequest[Dialect]


class StreamOptions(Lenient):
    """Options of a stream."""

    include_usage: StrictBool | None = None


class Thinking(Lenient):
    """Whether the model should think first, in the form of some clients."""

    type: StrictStr


class Reasoning(Lenient):
    """The same in the form of others."""

    effort: StrictStr | None = None
    enabled: Switch | None = None


class TemplateFields(Lenient):
    """The same in the form of servers of open models."""

    thinking: Switch | None = None
    enable_thinking: Switch | None = None


class Schema(Lenient):
    """The schema of JSON output."""

    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class ResponseFormat(Lenient):
    """The form of the answer."""

    type: StrictStr
    json_schema: Schema | None = None


class Options(ToolFields):
    """The fields that have an effect, except the messages; all others are in `model_extra`."""

    model: Annotated[StrictStr, Field(min_length=1)]
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    conversation_id: Annotated[StrictStr, Field(min_length=1)] | None = None
    n: Annotated[StrictInt, Field(ge=1)] | None = None
    stop: StrictStr | list[StrictStr] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: StrictStr | None = None
    reasoning: Annotated[Reasoning | None, BeforeValidator(as_reasoning)] = None
    thinking: StrictBool | StrictStr | Thinking | None = None
    enable_thinking: Switch | None = None
    chat_template_kwargs: TemplateFields | None = None
    web_search_options: dict[str, Any] | None = None


class Body(Options):
    """A chat completion."""

    messages: Annotated[list[HistoryTurn], FailFast(), Field(min_length=1)]


def read(call: ApiCall, settings: ApiSettings) -> OpenAIRequest:
    """Parse a body; raise a `RequestError` whose `param` is the first bad field."""
    asked = validated(Body, call.body)
    meant = call.model(asked.model)
    check_length(texts(asked.messages), meant, "messages")
    return make_openai_request(asked, read_history(asked.messages), call.id, meant, settings)


def make_openai_request(
    asked: Options,
    messages: tuple[Message, ...],
    id: str,  # noqa: A002
    model: Model,
    settings: ApiSettings,
) -> OpenAIRequest:
    """Return the request for the fields of a body and `messages`."""
    extras = given_extras(asked)
    _refuse_impossible(extras)
    options = ChatOptions(
        name=asked.model,
        model=model,
        messages=messages,
        toolbox=toolbox(asked),
        json=_json_form(asked.response_format),
        stop=_stop(asked),
        max_tokens=_most(asked),
        thinking=next((value for value in _thinking_switches(asked) if value is not None), None),
        search=asked.web_search_options is not None,
        conversation=asked.conversation_id,
        stream=bool(asked.stream),
        choices=_choices(asked, settings.max_choices),
        ignored=ignored_names({**extras, **without_effect(asked)}, HEEDED),
    )
    usage = bool(asked.stream_options and asked.stream_options.include_usage)
    dialect = Dialect(usage, legacy=not asked.tools and bool(asked.functions))
    return make_request(options, id, dialect, settings)


def _refuse_impossible(given: Mapping[str, Any]) -> None:
    for name, possible, message in POSSIBLE:
        if name in given and not possible(given[name]):
            raise RequestError(message, param=name)


def _json_form(wanted: ResponseFormat | None) -> JsonForm | None:
    match wanted:
        case None | ResponseFormat(type="text"):
            return None
        case ResponseFormat(type="json_object"):
            return JsonForm()
        case ResponseFormat(type="json_schema", json_schema=Schema(schema_=dict(schema))):
            return JsonForm(schema)
        case ResponseFormat(type="json_schema"):
            raise RequestError("A response_format of json_schema needs a schema.", param="response_format.json_schema")
    raise RequestError("response_format.type must be text, json_object or json_schema.", param="response_format.type")


def _stop(asked: Options) -> tuple[str, ...]:
    if isinstance(asked.stop, str):
        return check_stops([asked.stop], "stop", is_list=False)
    return check_stops(asked.stop or [], "stop")


def _most(asked: Options) -> int | None:
    limits = (asked.max_tokens, asked.max_completion_tokens)
    return min((most for most in limits if most is not None and most > 0), default=None)


def _choices(asked: Options, most: int) -> int:
    count = asked.n or 1
    if count > most:
        raise RequestError(f"n may be at most {most}, because each answer needs an account.", param="n")
    if count > 1 and asked.conversation_id is not None:
        raise RequestError("A conversation continues with one answer; set n to 1.", param="n")
    return count


def _thinking_switches(asked: Options) -> Iterator[bool | None]:
    """Yield the values of all fields that switch thinking, the most specific first."""
    how = asked.reasoning or Reasoning()
    template = asked.chat_template_kwargs or TemplateFields()
    yield parse_switch(asked.reasoning_effort)
    yield parse_switch(how.enabled)
    yield parse_switch(how.effort)
    yield parse_switch(asked.thinking.type if isinstance(asked.thinking, Thinking) else asked.thinking)
    yield parse_switch(asked.enable_thinking)
    yield parse_switch(template.thinking)
    yield parse_switch(template.enable_thinking)
