"""Reads the body of a message request of Anthropic's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import FailFast, Field, StrictBool, StrictStr

from bridge.api.anthropic.anthropic_blocks import without_files
from bridge.api.anthropic.anthropic_history import AnthropicMessage, read_history
from bridge.api.anthropic.anthropic_tools import ToolFields, is_searching, toolbox, without_effect
from bridge.api.body_fields import Tokens, given_extras, ignored_names, validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, check_stops, make_request, parse_switch
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.errors import RequestError, ThreadNotHeld
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm

BETA = "anthropic-beta"
"""The header that requests beta features, none of which has an effect here."""


@dataclass(frozen=True, slots=True)
class AnthropicOptions:
    """Options that only Anthropic's clients have."""

    shows_thinking: bool
    """Whether thinking blocks have their text, not only a signature."""
    shows_search: bool
    """Whether the server's search is among the tools, so that blocks show its results."""


AnthropicRequest = ParsedRequest[AnthropicOptions]


class ThinkingConfig(Lenient):
    """Whether the model should think first."""

    type: StrictStr
    display: StrictStr | None = None


class OutputFormat(Lenient):
    """The form of the answer."""

    type: StrictStr
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class OutputConfig(Lenient):
    """Options of the answer."""

    format: OutputFormat | None = None


class MessagesBody(ToolFields):
    """The fields that have an effect; all others are in `model_extra`."""

    model: Annotated[StrictStr, Field(min_length=1)]
    messages: Annotated[list[AnthropicMessage], FailFast(), Field(min_length=1)]
    system: Any = None
    stream: StrictBool | None = None
    max_tokens: Annotated[Tokens, Field(ge=0)] | None = None
    stop_sequences: list[StrictStr] | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    thread: Any = None


def read(call: ApiCall, settings: ApiSettings) -> AnthropicRequest:
    """Parse a body; raise a `RequestError` whose `param` is the first bad field."""
    asked = validated(MessagesBody, call.body)
    if asked.thread is not None:  # a client that sends only new messages must not lose the others
        raise ThreadNotHeld("Threads are not kept here: send all messages, without thread.", param="thread")
    model = call.model(asked.model)
    texts = [text for message in asked.messages for text in without_files(message.content)]
    check_length([*without_files(asked.system), *texts], model, "messages")
    options = ChatOptions(
        name=asked.model,
        model=model,
        messages=read_history(asked.system, asked.messages),
        toolbox=toolbox(asked, asked.messages),
        json=_json_form(asked),
        stop=check_stops(asked.stop_sequences or [], "stop_sequences"),
        max_tokens=asked.max_tokens,
        thinking=parse_switch(asked.thinking.type) if asked.thinking else None,
        search=is_searching(asked),
        stream=bool(asked.stream),
        ignored=ignored_names({**_extras(asked), **without_effect(asked)}) + ((BETA,) if BETA in call.headers else ()),
    )
    dialect = AnthropicOptions(
        shows_thinking=asked.thinking is None or asked.thinking.display != "omitted",
        shows_search=is_searching(asked),
    )
    request = make_request(options, call.id, dialect, settings)
    # With max_tokens 0 a client only warms a prompt cache, which does not exist here.
    return replace(request, ends_at_once="length") if asked.max_tokens == 0 else request


def _extras(asked: MessagesBody) -> Mapping[str, Any]:
    of_output = given_extras(asked.output_config) if asked.output_config else {}
    return {**given_extras(asked), **of_output}


def _json_form(asked: MessagesBody) -> JsonForm | None:
    wanted, where = asked.output_format, "output_format"
    if asked.output_config is not None and asked.output_config.format is not None:
        wanted, where = asked.output_config.format, "output_config.format"
    match wanted:
        case None | OutputFormat(type="text"):
            return None
        case OutputFormat(type="json_schema", schema_=dict(schema)):
            return JsonForm(schema)
        case OutputFormat(type="json_schema"):
            raise RequestError(f"{where}.schema must be a JSON schema.", param=f"{where}.schema")
    raise RequestError(f"{where}.type must be json_schema.", param=f"{where}.type")
