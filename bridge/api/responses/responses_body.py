"""Reads the body of a request for a response: accepts what real clients send, refuses only the impossible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictStr

from bridge.api.body_fields import Tokens, given_extras, ignored_names, validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, make_request, parse_switch
from bridge.api.request_model import Lenient
from bridge.api.responses.responses_echo import ECHOED, echo_fields
from bridge.api.responses.responses_input import Item, as_items, is_partial, read_items, refuse_trigger, texts_of
from bridge.api.responses.responses_tools import ToolNames, ToolOffer, read_tools, without_effect
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm

HEEDED = frozenset(
    {
        *ECHOED,
        "type",
        "prompt_cache_retention",
        "prompt_cache_options",
        "truncation",
        "service_tier",
        "client_metadata",
        "stream_options",
        "prompt",
    }
)
"""Fields outside the model that are not reported as ignored."""
SOURCES = "web_search_call.action.sources"
ENCRYPTED = "reasoning.encrypted_content"


class TextFormat(Lenient):
    """The form of the answer."""

    type: StrictStr
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class TextConfig(Lenient):
    """Options of the answer's text."""

    format: TextFormat | None = None


class Reasoning(Lenient):
    """How much the model should think."""

    effort: StrictStr | None = None


class ConversationName(Lenient):
    """A reference to a conversation by its id."""

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
    generate: StrictBool | None = None
    """False: without an answer yet; a later request continues from this one."""

    @property
    def conversation_id(self) -> str | None:
        """Return the id of the conversation to continue."""
        return self.conversation.id if isinstance(self.conversation, ConversationName) else self.conversation


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """The fields of a request that its response repeats, and options for writing the response."""

    id: str
    """The id of the response without its prefix; the ids of its items contain it."""
    echo: Mapping[str, Any]
    """The fields of the response that repeat the request."""
    items: Sequence[Item]
    """The items of the input."""
    names: ToolNames = field(default_factory=ToolNames)
    sources: bool = False
    """Whether to include the addresses that a search found."""
    encrypted: bool = False
    """Whether reasoning has `encrypted_content`, which clients send back."""
    previous: str | None = None
    """The id of the response that this one continues."""
    conversation: str | None = None
    """The id of the conversation that it continues."""
    owner: str | None = None
    """The id of the client's key; None before it is known, and if nothing may be kept for it."""
    call: ApiCall | None = None
    """The call that it was read from, if earlier items must still be added."""
    keep: Callable[[dict[str, Any]], None] | None = None
    """Stores the response at its end, if it is to be kept."""


ResponsesRequest = ParsedRequest[ResponseRequest]


def read(call: ApiCall, settings: ApiSettings, earlier: Sequence[Item] | None = None) -> ResponsesRequest:
    """Parse a body; raise a `RequestError` that names the first bad field.

    `earlier` items precede its own; None if they were not looked up yet.
    """
    asked = validated(ResponseBody, call.body)
    extras = given_extras(asked)
    _refuse_impossible(asked, extras)
    model = call.model(asked.model)
    items = as_items(asked.input)
    refuse_trigger(items)
    names_earlier = asked.previous_response_id is not None or asked.conversation_id is not None
    is_whole = earlier is not None or not (asked.conversation_id is not None or is_partial(items))
    is_whole = is_whole and asked.generate is not False
    check_length([asked.instructions, *texts_of(items), *texts_of(earlier or ())], model, "input")
    tools = read_tools(asked.tools or (), asked.tool_choice, parallel=asked.parallel_tool_calls is not False)
    options = ChatOptions(
        name=asked.model,
        model=model,
        messages=read_items(items, asked.instructions, earlier or (), is_whole=is_whole),
        toolbox=tools.toolbox,
        json=_json_form(asked.text),
        max_tokens=asked.max_output_tokens,
        thinking=parse_switch(asked.reasoning.effort) if asked.reasoning else None,
        search=tools.search,
        stream=bool(asked.stream),
        ignored=ignored_names({**extras, **without_effect(asked.tools or ())}, HEEDED),
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
        conversation=asked.conversation_id,
        call=call if names_earlier or is_partial(items) else None,
    )
    request = make_request(options, call.id, dialect, settings)
    return replace(request, ends_at_once="stop") if asked.generate is False else request


def _refuse_impossible(asked: ResponseBody, extras: Mapping[str, Any]) -> None:
    if asked.previous_response_id is not None and asked.conversation is not None:
        raise RequestError("Send previous_response_id or conversation, not both.", param="previous_response_id")
    if asked.background and asked.store is False:
        message = "A response in the background must be stored: leave out store, or set it to true."
        raise RequestError(message, param="background")
    if extras.get("top_logprobs", 0) != 0:
        raise RequestError("Log probabilities are not available.", param="top_logprobs")
    if "prompt" in extras:
        raise RequestError("Prompt templates are not supported; send their text as input.", param="prompt")


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
    raise RequestError("text.format.type must be text, json_object or json_schema.", param="text.format.type")


def _echo(asked: ResponseBody, body: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a response that are known before its answer."""
    return {
        **echo_fields(body, extras),
        "background": bool(asked.background),
        "conversation": {"id": asked.conversation_id} if asked.conversation_id else None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "metadata": asked.metadata or {},
        "model": asked.model,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        "store": asked.store is not False,
    }
