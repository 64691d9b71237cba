"""Reads the body of a chat completion: takes whatever real clients send, refuses only what cannot be done.

A field that has no effect here is no reason to refuse a request; its name is reported back instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, FailFast, Field, StrictBool, StrictInt, StrictStr, ValidationError

from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.body_size import check_length, check_limits
from bridge.api.openai.history import Turn, read_history, texts
from bridge.api.openai.tools import ToolFields, toolbox
from bridge.api.request_model import Lenient
from bridge.api.surface import ParsedRequest
from bridge.chat.types import ChatRequest, Message, Model
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.notation import Toolbox

POSSIBLE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("logprobs", lambda wanted: wanted is False, "The site gives no log probabilities."),
    ("top_logprobs", lambda number: number == 0, "The site gives no log probabilities."),
    ("modalities", lambda kinds: kinds == ["text"], "Answers are text only."),
)
"""Fields that are fine with some values and impossible with others."""
FIELD_NAME = re.compile(r"\w{1,64}", re.ASCII)
FIELD = re.compile(r"[a-z_]+")
TYPES = ("str", "bool", "int", "list")
MOST_NAMED = 20
MOST_STOPS = 16
LONGEST_STOP = 1000
OFF = ("none", "minimal", "off", "disabled", "false", "no", "0")
"""Words that switch thinking off, where any other one switches it on."""
WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0{1,9})?", re.ASCII)

B = TypeVar("B", bound=Lenient)


def as_whole_number(given: object) -> object:
    """Return a number that is written as a text or with a fraction of nothing as the whole number that it is."""
    if isinstance(given, str) and WHOLE.fullmatch(given.strip()):
        return int(float(given))
    return int(given) if isinstance(given, float) and given.is_integer() else given


def as_reasoning(given: object) -> object:
    """Return what some clients say in one word as the others say it."""
    if isinstance(given, str):
        return {"effort": given}
    return {"enabled": given} if isinstance(given, bool) else given


Switch = StrictBool | StrictStr
"""What is on or off, also in a word."""
Tokens = Annotated[StrictInt, BeforeValidator(as_whole_number)]
"""A number of tokens; below 1 it means that there is no limit."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What only OpenAI's clients ask for."""

    usage: bool = False
    """Whether a stream ends with the usage."""
    legacy: bool = False
    """Whether the client knows calls only in their older form, `function_call`."""


OpenAIRequest = ParsedRequest[Dialect]


class StreamOptions(Lenient):
    """What a stream has beside the answer."""

    include_usage: StrictBool | None = None


class Thinking(Lenient):
    """Whether the model shall think first, as some clients say it."""

    type: StrictStr


class Reasoning(Lenient):
    """The same, as others say it."""

    effort: StrictStr | None = None
    enabled: Switch | None = None


class TemplateFields(Lenient):
    """The same once more, as servers of open models take it."""

    thinking: Switch | None = None
    enable_thinking: Switch | None = None


class Schema(Lenient):
    """The schema that JSON output must fit."""

    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class ResponseFormat(Lenient):
    """The form that the answer shall have."""

    type: StrictStr
    json_schema: Schema | None = None


class Options(ToolFields):
    """The fields of a chat that have an effect, but for what is said; everything else is in `model_extra`."""

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

    messages: Annotated[list[Turn], FailFast(), Field(min_length=1)]


def read(body: object, id: str, model: Callable[[str], Model], settings: ApiSettings) -> OpenAIRequest:  # noqa: A002
    """Return what `body` asks for; raise a `RequestError` whose `param` is the first field at fault."""
    asked = validated(Body, body)
    meant = model(asked.model)
    check_length(texts(asked.messages), meant, "messages")
    return ask_for(asked, read_history(asked.messages), id, meant, settings)


def ask_for(
    asked: Options,
    messages: tuple[Message, ...],
    id: str,  # noqa: A002
    model: Model,
    settings: ApiSettings,
) -> OpenAIRequest:
    """Return what the fields of a body ask for, about `messages`."""
    given = {name: value for name, value in (asked.model_extra or {}).items() if value is not None}
    _refuse_impossible(given)
    tools, json = toolbox(asked), _json_form(asked.response_format)
    begun = messages[-1].text if messages[-1].role == "assistant" else ""
    checked = None if begun else json  # what follows the beginning of some JSON is none by itself
    format_ = AnswerFormat(tools, checked, _stop(asked), _most(asked), settings.hold_text, settings.retries, begun)
    taught = _taught(messages, tools, json)
    usage = bool(asked.stream_options and asked.stream_options.include_usage)
    return ParsedRequest(
        chat=ChatRequest(id, _switched(model, asked), taught, asked.conversation_id, format_.returned),
        model=asked.model,
        dialect=Dialect(usage, legacy=not asked.tools and bool(asked.functions)),
        stream=bool(asked.stream),
        format=format_,
        choices=_choices(asked, settings.max_choices),
        ignored=_ignored(given),
    )


def validated(kind: type[B], body: object) -> B:
    """Return `body` as the model of its fields."""
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    check_limits(body, kind)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
    field = errors[0]["loc"][:1]
    told = max((one for one in errors if one["loc"][:1] == field), key=lambda one: len(_path(one["loc"])))
    param = "".join(_path(told["loc"])).removeprefix(".")
    raise RequestError(f"{param}: {told['msg']}.", param=param)


def _path(location: tuple[int | str, ...]) -> list[str]:
    """Return the steps of `messages[3].content`, without the names of the types that were tried."""
    names = [step for step in location if isinstance(step, int) or (FIELD.fullmatch(step) and step not in TYPES)]
    return [f"[{step}]" if isinstance(step, int) else f".{step}" for step in names]


def _refuse_impossible(given: Mapping[str, Any]) -> None:
    for name, possible, message in POSSIBLE:
        if name in given and not possible(given[name]):
            raise RequestError(message, param=name)


def _ignored(given: Mapping[str, Any]) -> tuple[str, ...]:
    heeded = {name for name, _, _ in POSSIBLE}
    names = (name for name, value in given.items() if name not in heeded and value not in ([], {}))
    return tuple(islice(filter(FIELD_NAME.fullmatch, names), MOST_NAMED))


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
    raise RequestError("response_format is text, json_object or json_schema.", param="response_format.type")


def _stop(asked: Options) -> tuple[str, ...]:
    """Return the stop sequences; an empty one would end every answer at once, and is none."""
    given = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if len(given) > MOST_STOPS:
        message = f"stop has {len(given)} sequences, and may have {MOST_STOPS}; leave some out."
        raise RequestError(message, param="stop")
    for index, stop in enumerate(given):
        if len(stop) > LONGEST_STOP:
            param = "stop" if isinstance(asked.stop, str) else f"stop[{index}]"
            raise RequestError(f"{param} may have {LONGEST_STOP} characters; shorten it.", param=param)
    return tuple(filter(None, given))


def _most(asked: Options) -> int | None:
    limits = (asked.max_tokens, asked.max_completion_tokens)
    return min((most for most in limits if most is not None and most > 0), default=None)


def _choices(asked: Options, most: int) -> int:
    count = asked.n or 1
    if count > most:
        raise RequestError(f"n is at most {most} here: each answer takes an account of its own.", param="n")
    if count > 1 and asked.conversation_id is not None:
        raise RequestError("A conversation goes on with one answer; leave n at 1.", param="n")
    return count


def _switched(model: Model, asked: Options) -> Model:
    """Return the model as the request's own switches set it; they count more than the model's name."""
    thinking = next((wish for wish in _wishes(asked) if wish is not None), model.thinking)
    return replace(model, thinking=thinking, search=model.search or asked.web_search_options is not None)


def _wishes(asked: Options) -> Iterator[bool | None]:
    """Yield what the ways to switch thinking say, those that are meant for this request first."""
    how = asked.reasoning or Reasoning()
    template = asked.chat_template_kwargs or TemplateFields()
    yield _wish(asked.reasoning_effort)
    yield _wish(how.enabled)
    yield _wish(how.effort)
    yield _wish(asked.thinking.type if isinstance(asked.thinking, Thinking) else asked.thinking)
    yield _wish(asked.enable_thinking)
    yield _wish(template.thinking)
    yield _wish(template.enable_thinking)


def _wish(given: str | bool | None) -> bool | None:
    """Return what a switch says; an empty word says nothing."""
    if not isinstance(given, str):
        return given
    word = given.strip().lower()
    return word not in OFF if word else None


def _taught(messages: tuple[Message, ...], tools: Toolbox | None, form: JsonForm | None) -> tuple[Message, ...]:
    """Return the messages with what the model must know, behind the system messages at their head."""
    texts = [part.instructions() for part in (tools, form) if part is not None]
    head = len(list(takewhile(lambda message: message.role == "system", messages)))
    return (*messages[:head], *(Message("system", text) for text in texts), *messages[head:])
