"""Reads the body of `generateContent`, in both spellings of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, FailFast, Field, StrictBool, StrictStr

from bridge.api.body_fields import Tokens, given_extras, ignored_names, validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, check_stops, make_request, parse_switch
from bridge.api.gemini.gemini_fields import with_snake_case
from bridge.api.gemini.gemini_history import GeminiContent, read_contents, system_text, texts
from bridge.api.gemini.gemini_schema import as_json_schema
from bridge.api.gemini.gemini_tools import GeminiToolFields, gemini_toolbox, other_tools, wants_search
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm, OneOf

CONFIG = "generation_config"
JSON, TEXT, ENUM = "application/json", "text/plain", "text/x.enum"


def as_contents(given: object) -> object:
    """Return a single content or a text as a list of contents."""
    if isinstance(given, str):
        given = {"parts": [{"text": given}]}
    return [given] if isinstance(given, dict) else given


@dataclass(frozen=True, slots=True)
class GeminiDetails:
    """Options that only Gemini's clients have."""

    thoughts: bool = False
    """Whether to return thoughts."""
    sse: bool = False
    """Whether a stream consists of events; otherwise it is a JSON array."""


GeminiRequest = ParsedRequest[GeminiDetails]


class ThinkingConfig(Lenient):
    """How much the model thinks, and whether the client gets its thoughts."""

    include_thoughts: StrictBool | None = None
    thinking_budget: Tokens | None = None
    thinking_level: StrictStr | None = None


class GenerationConfig(Lenient):
    """The options that have an effect here; all others, about sampling, are reported as ignored."""

    stop_sequences: list[StrictStr] | None = None
    max_output_tokens: Tokens | None = None
    candidate_count: Annotated[Tokens, Field(ge=1)] | None = None
    response_mime_type: StrictStr | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_modalities: list[StrictStr] | None = None
    response_logprobs: StrictBool | None = None
    thinking_config: ThinkingConfig | None = None


class GeminiBody(GeminiToolFields):
    """The body of a chat."""

    contents: Annotated[list[GeminiContent], FailFast(), BeforeValidator(as_contents), Field(min_length=1)]
    system_instruction: Any = None
    generation_config: GenerationConfig | None = None
    cached_content: StrictStr | None = None


def read_gemini(call: ApiCall, settings: ApiSettings, *, stream: bool = False) -> GeminiRequest:
    """Parse a body; raise a `RequestError` whose `param` is the first bad field."""
    name = call.path["model"]
    model = call.model(name)
    asked = validated(GeminiBody, with_snake_case(call.body))
    config = asked.generation_config or GenerationConfig()
    _refuse_impossible(asked, config)
    system = system_text(asked.system_instruction)
    check_length([*texts(asked.contents), system], model, "contents")
    thinking = config.thinking_config or ThinkingConfig()
    wanted = ChatOptions(
        name=name,
        model=model,
        messages=read_contents(asked.contents, system),
        toolbox=gemini_toolbox(asked),
        json=_json_form(config),
        stop=check_stops(config.stop_sequences or [], f"{CONFIG}.stop_sequences"),
        max_tokens=config.max_output_tokens,
        thinking=_thinking_switch(thinking),
        search=wants_search(asked),
        stream=stream,
        choices=_choices(config, settings.max_choices),
        ignored=ignored_names(_without_effect(asked, config)),
    )
    details = GeminiDetails(bool(thinking.include_thoughts), call.query.get("alt", "").lower() == "sse")
    return make_request(wanted, call.id, details, settings)


def _without_effect(asked: GeminiBody, config: GenerationConfig) -> Mapping[str, Any]:
    return given_extras(asked) | given_extras(config) | other_tools(asked)


def _refuse_impossible(asked: GeminiBody, config: GenerationConfig) -> None:
    if asked.cached_content:
        raise RequestError("Cached contents are not supported; send the contents.", param="cached_content")
    if any(kind.upper() not in ("TEXT", "MODALITY_UNSPECIFIED") for kind in config.response_modalities or []):
        raise RequestError("Answers can only be text.", param=f"{CONFIG}.response_modalities")
    if config.response_logprobs:
        raise RequestError("Log probabilities are not available.", param=f"{CONFIG}.response_logprobs")


def _json_form(config: GenerationConfig) -> JsonForm | None:
    schema = config.response_json_schema or as_json_schema(config.response_schema)
    match config.response_mime_type:
        case "text/x.enum":
            return OneOf(values=_values(schema))
        case "application/json":
            return JsonForm(schema)
        case None | "" | "text/plain":
            return JsonForm(schema) if schema else None
    field = f"{CONFIG}.response_mime_type"
    raise RequestError(f"{field} must be {TEXT}, {JSON} or {ENUM}.", param=field)


def _values(schema: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the values from which the answer must be chosen."""
    match schema:
        case {"enum": [_, *_] as values} if all(isinstance(value, str) and value.strip() for value in values):
            return tuple(values)
    field = f"{CONFIG}.response_schema.enum"
    raise RequestError(f"{field} must be a list of texts, one of which is the answer.", param=field)


def _thinking_switch(config: ThinkingConfig) -> bool | None:
    """Return whether the model should think; None for a budget of -1 or no option: the model's name decides."""
    if config.thinking_level and config.thinking_level.upper() != "THINKING_LEVEL_UNSPECIFIED":
        return parse_switch(config.thinking_level)
    if config.thinking_budget is None:
        return True if config.include_thoughts else None
    return None if config.thinking_budget < 0 else config.thinking_budget > 0


def _choices(config: GenerationConfig, most: int) -> int:
    count = config.candidate_count or 1
    if count > most:
        field = f"{CONFIG}.candidate_count"
        raise RequestError(f"{field} may be at most {most}, because each answer needs an account.", param=field)
    return count
