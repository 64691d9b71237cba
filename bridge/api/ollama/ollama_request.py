"""Reads the bodies of `/api/chat` and `/api/generate`; one without a prompt is a request to load the model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import FailFast, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from bridge.api.body_fields import Switch, Tokens, given_extras, ignored_names
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, check_stops, make_request, parse_switch
from bridge.api.ollama.ollama_history import OllamaMessage, read_images, read_ollama_history, texts
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.api.tool_choice import ToolChoice, ToolName, ToolParameters, make_toolbox
from bridge.chat.prompt import is_blank
from bridge.chat.types import Message, Model
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.notation import Tool, Toolbox


@dataclass(frozen=True, slots=True)
class OllamaTiming:
    """The time at which the request was read."""

    started: int
    """Nanoseconds of `time.monotonic_ns`."""


OllamaRequest = ParsedRequest[OllamaTiming]


class OllamaOptions(Lenient):
    """The options that have an effect here; all others, about sampling, are reported as ignored."""

    stop: StrictStr | list[StrictStr] | None = None
    num_predict: Tokens | None = None


class OllamaFunction(Lenient):
    """A function that the client can run."""

    name: ToolName
    description: StrictStr | None = None
    parameters: ToolParameters = None


class OllamaTool(Lenient):
    """An entry of `tools`; only functions can be called."""

    type: StrictStr | None = None
    function: OllamaFunction | None = None


class OllamaFields(Lenient):
    """The fields that chats and completions share."""

    model: Annotated[StrictStr, Field(min_length=1)]
    stream: StrictBool | None = None
    format: StrictStr | dict[str, Any] | None = None
    think: Switch | None = None
    keep_alive: StrictStr | StrictInt | StrictFloat | None = None
    options: OllamaOptions | None = None
    logprobs: StrictBool | None = None


class OllamaChatBody(OllamaFields):
    """A chat; without messages it loads the model."""

    messages: Annotated[list[OllamaMessage] | None, FailFast()] = None
    tools: list[OllamaTool] | None = None


class OllamaGenerateBody(OllamaFields):
    """A completion of a prompt; without one it loads the model."""

    prompt: StrictStr | None = None
    system: StrictStr | None = None
    suffix: StrictStr | None = None
    images: list[StrictStr] | None = None


def read_ollama_chat(asked: OllamaChatBody, call: ApiCall, settings: ApiSettings) -> OllamaRequest | None:
    """Return the request of a chat's body; None without messages."""
    model = call.model(asked.model)
    if not asked.messages:
        return None
    check_length(texts(asked.messages), model, "messages")
    return _request(asked, read_ollama_history(asked.messages), _toolbox(asked.tools or []), call, model, settings)


def read_ollama_generate(asked: OllamaGenerateBody, call: ApiCall, settings: ApiSettings) -> OllamaRequest | None:
    """Return the request of a completion's body; None without a prompt and pictures."""
    model, prompt = call.model(asked.model), asked.prompt or ""
    if asked.suffix:
        raise RequestError("Completion before a suffix is not supported; leave out suffix.", param="suffix")
    if not prompt and not asked.images:
        return None
    check_length([prompt, asked.system], model, "prompt")
    if is_blank(prompt) and not asked.images:
        raise RequestError("The prompt has no text.", param="prompt")
    message = Message("user", prompt, read_images(asked.images, "images"))
    head = (Message("system", asked.system),) if asked.system else ()
    return _request(asked, (*head, message), None, call, model, settings)


def loaded(asked: OllamaFields) -> dict[str, Any]:
    """Return the end of the answer to a request that only loads the model or, with `keep_alive` 0, unloads it."""
    is_out = asked.keep_alive in (0, "0", "0s", "0m")
    return {"done": True, "done_reason": "unload" if is_out else "load"}


def ollama_time(seconds: float | None = None) -> str:
    """Return a Unix time in Ollama's form, by default the current time."""
    at = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _request(
    asked: OllamaFields,
    messages: tuple[Message, ...],
    toolbox: Toolbox | None,
    call: ApiCall,
    model: Model,
    settings: ApiSettings,
) -> OllamaRequest:
    if asked.logprobs:
        raise RequestError("Log probabilities are not available.", param="logprobs")
    options = asked.options or OllamaOptions()
    wanted = ChatOptions(
        name=asked.model,
        model=model,
        messages=messages,
        toolbox=toolbox,
        json=_json_form(asked.format),
        stop=_stop(options),
        max_tokens=options.num_predict,
        thinking=parse_switch(asked.think),
        stream=asked.stream is not False,
        ignored=ignored_names(given_extras(asked) | given_extras(options)),
    )
    return make_request(wanted, call.id, OllamaTiming(time.monotonic_ns()), settings)


def _json_form(wanted: str | dict[str, Any] | None) -> JsonForm | None:
    match wanted:
        case None | "":
            return None
        case "json":
            return JsonForm()
        case dict():
            return JsonForm(wanted)
    raise RequestError("format must be json or a JSON schema.", param="format")


def _stop(options: OllamaOptions) -> tuple[str, ...]:
    if isinstance(options.stop, str):
        return check_stops([options.stop], "options.stop", is_list=False)
    return check_stops(options.stop or [], "options.stop")


def _toolbox(tools: list[OllamaTool]) -> Toolbox | None:
    offered = [tool.function for tool in tools if tool.type in (None, "function") and tool.function is not None]
    return make_toolbox([Tool(one.name, one.description or "", one.parameters or {}) for one in offered], ToolChoice())
