"""Reads the body of a request for a response: takes whatever real clients send, refuses only what cannot be done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictStr

from bridge.api.body_fields import Tokens, given_extras, ignored_names, validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, make_request, wish_of
from bridge.api.request_model import Lenient
from bridge.api.responses.responses_input import Item, as_items, read_items, references, texts_of
from bridge.api.responses.responses_tools import SEARCH, ToolNames, ToolOffer, read_tools
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm

ECHOED = ("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user")
"""Fields that the response only repeats."""
HEEDED = frozenset(
    {
        *ECHOED,
        "type",
        "prompt_cache_options",
        "truncation",
        "service_tier",
        "client_metadata",
        "stream_options",
        "prompt",
    }
)
"""Fields without a model of their own that are no news to the client."""
NEVER = (
    "access_programs",
    "image",
    "input_transformations",
    "moderation",
    "prompt",
    "prompt_cache_options",
    "prompt_cache_diagnostics",
    "tool_usage",
)
"""Fields of a response that say nothing here."""
MODES = ("auto", "none", "required")
SOURCES = "web_search_call.action.sources"
ENCRYPTED = "reasoning.encrypted_content"


class TextFormat(Lenient):
    """The form that the answer shall have."""

    type: StrictStr
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class TextConfig(Lenient):
    """How the text of the answer shall be."""

    format: TextFormat | None = None


class Reasoning(Lenient):
    """How much the model shall think."""

    effort: StrictStr | None = None


class ConversationName(Lenient):
    """A conversation, by its id."""

    id: StrictStr


class ResponseBody(Lenient):
    """A request for a response."""

    model: Annotated[StrictStr, Field(min_length=1)]
    input: StrictStr | list[Any] | None = None
    instructions: StrictStr | None = None
    stream: StrictBool | None = None
    background: StrictBool | None = None
    store: StrictBool | None = None
    previous_response_id: Annotated[StrictStr, Field(min_length=1)] | None = None
    conversation: Annotated[StrictStr, Field(min_length=1)] | ConversationName | None = None
    tools: list[ToolOffer] | None = None
    tool_choice: Any = None
    parallel_tool_calls: StrictBool | None = None
    max_output_tokens: Tokens | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    include: list[StrictStr] | None = None
    metadata: dict[StrictStr, StrictStr] | None = None

    @property
    def conversation_id(self) -> str | None:
        """Return the id of the conversation to go on in."""
        return self.conversation.id if isinstance(self.conversation, ConversationName) else self.conversation


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """What the response repeats of its request, and how it is written."""

    id: str
    """The id of the response without its prefix; ids of its items begin with it."""
    echo: Mapping[str, Any]
    """The fields of the response that say what was asked for."""
    items: Sequence[Item]
    """The items of the input."""
    names: ToolNames = field(default_factory=ToolNames)
    sources: bool = False
    """Whether the addresses that a search found are wanted."""
    encrypted: bool = False
    """Whether reasoning comes with something that can be sent back."""
    previous: str | None = None
    """The response that this one goes on from."""
    kind: str = ""
    """The type of the message that it came in, over a WebSocket."""
    call: ApiCall | None = None
    """What it was read from, where earlier items are still to be put before it."""
    keep: Callable[[dict[str, Any]], None] | None = None
    """Takes the response at its end, where it is to be kept."""


ResponsesRequest = ParsedRequest[ResponseRequest]


def read(call: ApiCall, settings: ApiSettings, earlier: Sequence[Item] = ()) -> ResponsesRequest:
    """Return what a body asks for, after `earlier` items; raise a `RequestError` that names the first bad field."""
    asked = validated(ResponseBody, call.body)
    extras = given_extras(asked)
    _refuse_impossible(asked, extras)
    model = call.model(asked.model)
    items = as_items(asked.input)
    is_recalled = asked.previous_response_id is not None or any(references(items))
    check_length([asked.instructions, *texts_of(items), *texts_of(earlier)], model, "input")
    tools = read_tools(asked.tools or (), asked.tool_choice, parallel=asked.parallel_tool_calls is not False)
    options = ChatOptions(
        name=asked.model,
        model=model,
        messages=read_items([*items], asked.instructions, earlier),
        toolbox=tools.toolbox,
        json=_json_form(asked.text),
        max_tokens=asked.max_output_tokens,
        thinking=wish_of(asked.reasoning.effort) if asked.reasoning else None,
        search=tools.search,
        stream=bool(asked.stream),
        ignored=ignored_names(extras, HEEDED),
    )
    include = asked.include or ()
    body = call.body if isinstance(call.body, dict) else {}
    dialect = ResponseRequest(
        id=call.id.replace("-", ""),
        echo=_echo(asked, body, extras),
        items=items,
        names=tools.names,
        sources=SOURCES in include,
        encrypted=ENCRYPTED in include,
        previous=asked.previous_response_id,
        kind=kind if isinstance(kind := extras.get("type"), str) else "",
        call=call if is_recalled else None,
    )
    return make_request(options, call.id, dialect, settings)


def _refuse_impossible(asked: ResponseBody, extras: Mapping[str, Any]) -> None:
    if asked.previous_response_id is not None and asked.conversation is not None:
        raise RequestError("Send previous_response_id or conversation, not both.", param="previous_response_id")
    if asked.conversation is not None:
        raise RequestError("Conversations are not kept here; send previous_response_id.", param="conversation")
    if extras.get("top_logprobs", 0) != 0:
        raise RequestError("The site gives no log probabilities.", param="top_logprobs")
    if "prompt" in extras:
        raise RequestError("There are no prompt templates here; send their text as input.", param="prompt")


def _json_form(text: TextConfig | None) -> JsonForm | None:
    match text.format if text is not None else None:
        case None | TextFormat(type="text"):
            return None
        case TextFormat(type="json_object"):
            return JsonForm()
        case TextFormat(type="json_schema", schema_=dict(schema)):
            return JsonForm(schema)
        case TextFormat(type="json_schema"):
            raise RequestError("text.format of json_schema needs a schema.", param="text.format.schema")
    raise RequestError("text.format.type is text, json_object or json_schema.", param="text.format.type")


def _echo(asked: ResponseBody, body: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields of a response that are known before its answer."""
    given = body.get("text") or {}
    reasoning = body.get("reasoning") or {}
    return {
        "background": bool(asked.background),
        "conversation": {"id": asked.conversation_id} if asked.conversation_id else None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": _whole(extras.get("max_tool_calls")),
        "metadata": asked.metadata or {},
        "model": asked.model,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        **{name: extras.get(name) if isinstance(extras.get(name), str) else None for name in ECHOED},
        **dict.fromkeys(NEVER),
        "reasoning": {"effort": reasoning.get("effort"), "summary": _text(reasoning.get("summary"))},
        "service_tier": "default",
        "store": asked.store is not False,
        "temperature": _number(extras.get("temperature")),
        "text": {"format": given.get("format") or {"type": "text"}, "verbosity": _text(given.get("verbosity"))},
        "tool_choice": _choice(body.get("tool_choice")),
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": _number(extras.get("top_p")),
        "truncation": "auto" if extras.get("truncation") == "auto" else "disabled",
    }


def _choice(given: object) -> object:
    """Return what the response says of a tool choice; its type knows no forced search."""
    kind = given.get("type") if isinstance(given, dict) else None
    is_search = isinstance(kind, str) and kind.startswith(SEARCH)
    return "auto" if given is None or is_search else kind if kind in MODES else given


def _text(given: object) -> str | None:
    return given if isinstance(given, str) else None


def _whole(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def _number(given: object) -> float:
    """Return a number as it was given; without one, that which OpenAI's server takes."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return given if is_number and math.isfinite(given) else 1.0  # type: ignore[arg-type,return-value]
