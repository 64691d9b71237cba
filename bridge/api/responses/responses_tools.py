"""The tools of a request: functions, custom tools with free text as input, and both in namespaces.

The model knows each by one name; `ToolNames` maps that to the client's name and namespace and to the type of its calls.
A web search becomes a switch of the site. Other tools run on OpenAI's servers and are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StrictStr

from bridge.api.history_turns import LONGEST_NAME, NO_NAME
from bridge.api.request_model import Lenient
from bridge.api.responses.responses_grammars import lark_misfit, regex_misfit
from bridge.api.tool_choice import ToolChoice, make_toolbox
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call, Tool, Toolbox, canonical

SEARCH = "web_search"
"""Prefix of the types of web search tools."""
CALLABLE, NAMESPACE = ("function", "custom"), "namespace"
INPUT = "input"
"""The argument with the text of a call of a custom tool."""
FREE_TEXT = "The argument `input` is free text: write it as it is, and not as JSON inside of it."
GRAMMAR = "The text of `input` must match this {syntax}, from its first to its last character:\n\n{definition}"
Check = Callable[[Mapping[str, Any]], str | None]
"""Returns why the arguments of a call do not fit."""
SYNTAXES = {"lark": "Lark grammar", "regex": "regular expression"}

Kind = Literal["function", "custom"]


class ToolOffer(Lenient):
    """An entry of `tools`."""

    type: StrictStr
    name: StrictStr | None = None
    description: StrictStr | None = None
    parameters: Annotated[dict[str, Any] | None, BeforeValidator(lambda given: given if given else None)] = None
    format: dict[str, Any] | None = None
    tools: list[ToolOffer] | None = None


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that the client runs."""

    kind: Kind
    name: str
    namespace: str
    tool: Tool
    """The description for the model."""


class ToolNames:
    """The callable tools by the names that the model knows."""

    def __init__(self, offers: Iterable[OfferedTool] = ()) -> None:
        self._by_name: dict[str, OfferedTool] = {}
        for offer in offers:
            self._by_name.setdefault(offer.tool.name, offer)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Return the tools in their order."""
        return tuple(offer.tool for offer in self._by_name.values())

    def find(self, name: str) -> OfferedTool | None:
        """Return the tool that the model calls `name`, or None."""
        return self._by_name.get(name)


@dataclass(frozen=True, slots=True)
class ReadTools:
    """The result of parsing the fields about tools."""

    names: ToolNames
    toolbox: Toolbox | None
    search: bool
    """Whether the site may search the web."""


def read_tools(offers: Sequence[ToolOffer], choice: Any, *, parallel: bool) -> ReadTools:
    """Return the tools that may be called; raise a `RequestError` that names the bad field."""
    names = ToolNames(_offered(offers, "tools"))
    has_search = any(offer.type.startswith(SEARCH) for offer in offers)
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools, mode, may_search = _allowed(names, choice)
        choice, has_search = mode, has_search and may_search
    else:
        tools = names.tools
    asked = _choice(choice, parallel=parallel)
    if asked.mode == "required" and not tools and offers:
        asked = ToolChoice("auto", parallel=parallel)  # the required tool is the site's search or is not available
    return ReadTools(names, make_toolbox(tools, asked), has_search and asked.mode != "none")


def without_effect(offers: Iterable[ToolOffer]) -> dict[str, bool]:
    """Return the types of tools that are not offered to the model."""
    inner = (tool for offer in offers for tool in ((offer.tools or ()) if offer.type == NAMESPACE else (offer,)))
    return {tool.type: True for tool in inner if tool.type not in CALLABLE and not tool.type.startswith(SEARCH)}


def write_custom(text: str) -> str:
    """Return the arguments for the text of a call of a custom tool."""
    return canonical({INPUT: text})


def read_custom(call: Call) -> str:
    """Return the text of a call of a custom tool."""
    with suppress(ValueError, RecursionError):
        if isinstance(found := json.loads(call.arguments), dict) and isinstance(text := found.get(INPUT), str):
            return text
    return call.arguments


def visible_name(name: str, namespace: object) -> str:
    """Return the name of a tool for the model."""
    return f"{namespace}.{name}" if isinstance(namespace, str) and namespace else name


def _offered(offers: Sequence[ToolOffer], where: str, namespace: str = "") -> Iterator[OfferedTool]:
    for index, offer in enumerate(offers):
        place = f"{where}[{index}]"
        if offer.type == NAMESPACE and not namespace:
            yield from _offered(offer.tools or (), f"{place}.tools", _name(offer, place))
        elif offer.type in CALLABLE:
            yield _tool(offer, _name(offer, place), namespace)


def _name(offer: ToolOffer, place: str) -> str:
    if not offer.name or len(offer.name) > LONGEST_NAME or NO_NAME.search(offer.name):
        message = f"{place}.name must be 1 to {LONGEST_NAME} letters, digits, or any of _ . : / -"
        raise RequestError(message, param=f"{place}.name")
    return offer.name


def _tool(offer: ToolOffer, name: str, namespace: str) -> OfferedTool:
    known_as = visible_name(name, namespace)
    if offer.type == "function":
        tool = Tool(known_as, offer.description or "", offer.parameters or {})
        return OfferedTool("function", name, namespace, tool)
    form = _form(offer.format)
    lines = [offer.description or "", FREE_TEXT]
    if form is not None:
        lines.append(GRAMMAR.replace("{syntax}", SYNTAXES[form[0]]).replace("{definition}", form[1]))
    schema = {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
    described = "\n\n".join(filter(None, lines))
    tool = Tool(known_as, described, {**schema, "additionalProperties": False}, form and _check(*form))
    return OfferedTool("custom", name, namespace, tool)


def _form(given: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return syntax and definition of the grammar of a custom tool's input, or None."""
    match given:
        case {"type": "grammar", "syntax": "lark" | "regex" as syntax, "definition": str(definition)} if definition:
            return syntax, definition
    return None


def _check(syntax: str, definition: str) -> Check:
    misfit = regex_misfit if syntax == "regex" else lark_misfit
    return lambda arguments: misfit(definition, text) if isinstance(text := arguments.get(INPUT), str) else None


def _choice(choice: Any, *, parallel: bool) -> ToolChoice:
    match choice:
        case None | "auto":
            return ToolChoice("auto", parallel=parallel)
        case "none":
            return ToolChoice("none", parallel=parallel)
        case "required" | "any":
            return ToolChoice("required", parallel=parallel)
        case {"type": "function" | "custom", "name": str(name)} if name:
            return ToolChoice("auto", visible_name(name, choice.get("namespace")), parallel)
        case {"type": "function" | "custom"}:
            raise RequestError("tool_choice.name must name the tool.", param="tool_choice.name")
        case {"type": "auto" | "none" | "required" as mode}:
            return ToolChoice(mode, parallel=parallel)
        case {"type": str()}:
            return ToolChoice("auto", parallel=parallel)  # a server tool
    raise RequestError("tool_choice must be none, auto, required, allowed_tools, or name a tool.", param="tool_choice")


def _allowed(names: ToolNames, choice: Mapping[str, Any]) -> tuple[tuple[Tool, ...], Any, bool]:
    """Return the allowed tools, the mode of the choice, and whether the site may search."""
    where = "tool_choice"
    if not isinstance(given := choice.get("tools"), list):
        raise RequestError(f"{where}.tools must be a list of tools.", param=f"{where}.tools")
    if (mode := choice.get("mode", "auto")) not in ("auto", "required"):
        raise RequestError(f"{where}.mode must be auto or required.", param=f"{where}.mode")
    entries = [one if isinstance(one, dict) else {} for one in given]
    allowed: set[str] = set()
    for index, entry in enumerate(entries):
        if entry.get("type") not in ("function", "custom"):
            continue
        name = entry.get("name")
        known_as = visible_name(name, entry.get("namespace")) if isinstance(name, str) else ""
        if names.find(known_as) is None:
            place = f"{where}.tools[{index}]"
            raise RequestError(f"{place} must name one of the tools of this request.", param=place)
        allowed.add(known_as)
    may_search = any(str(entry.get("type")).startswith(SEARCH) for entry in entries)
    return tuple(tool for tool in names.tools if tool.name in allowed), mode, may_search
