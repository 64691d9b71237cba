"""Tools in OpenAI's dialect, in the current form and in the older one of `functions`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import StrictBool, StrictStr, ValidationError

from bridge.api.request_model import Lenient
from bridge.api.tool_choice import ToolChoice, ToolName, ToolParameters, make_toolbox
from bridge.errors import RequestError
from bridge.tool_calls.notation import Tool, Toolbox

FREE, NEVER, ALWAYS = ("auto",), ("none",), ("required", "any")
FUNCTION = "function"
ALLOWED = "allowed_tools"
"""The type of a choice that allows some of the tools."""


class Function(Lenient):
    """A function that the client can run."""

    name: ToolName
    description: StrictStr | None = None
    parameters: ToolParameters = None


class ToolEntry(Lenient):
    """An entry of `tools`, with the function as an inner object or inline; only functions can be called."""

    type: StrictStr = "function"
    function: Function | None = None


class ToolFields(Lenient):
    """The fields about tools."""

    tools: list[ToolEntry] | None = None
    tool_choice: Any = None
    parallel_tool_calls: StrictBool | None = None
    functions: list[Function] | None = None
    function_call: Any = None


def toolbox(fields: ToolFields) -> Toolbox | None:
    """Return the tools that the model may use, or None without any; raise a `RequestError` for bad fields."""
    legacy = not fields.tools and bool(fields.functions or fields.function_call is not None)
    offered = fields.functions if legacy else _functions(fields.tools or ())
    field, choice = ("function_call", fields.function_call) if legacy else ("tool_choice", fields.tool_choice)
    if isinstance(choice, dict) and choice.get("type") in (*FREE, *NEVER, *ALWAYS):
        choice = choice["type"]
    tools = tuple(_tool(function) for function in offered or () if function is not None)
    if isinstance(choice, dict) and choice.get("type") == ALLOWED:
        tools, choice = _allowed(tools, choice, field)
    parallel = fields.parallel_tool_calls is not False and not legacy
    return make_toolbox(tools, ToolChoice(_mode(choice), _named(choice, field), parallel, field))


def without_effect(fields: ToolFields) -> dict[str, bool]:
    """Return the types of tools that are not offered to the model."""
    return {entry.type: True for entry in fields.tools or () if entry.type != FUNCTION}


def _mode(choice: Any) -> Literal["auto", "none", "required"]:
    if not isinstance(choice, str):
        return "auto"
    return "none" if choice in NEVER else "required" if choice in ALWAYS else "auto"


def _functions(entries: Iterable[ToolEntry]) -> list[Function | None]:
    return [_function(entry, f"tools[{index}]") for index, entry in enumerate(entries)]


def _function(entry: ToolEntry, where: str) -> Function | None:
    """Return the function of a tool, which may be an inner object or inline."""
    if entry.type != FUNCTION:
        return None
    given = entry.model_extra or {}
    if entry.function is not None or "name" not in given:
        if entry.function is None:
            raise RequestError("A tool of type function needs a function.", param=f"{where}.function")
        return entry.function
    try:
        return Function.model_validate({"parameters": given.get("input_schema"), **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    param = f"{where}.{first['loc'][0]}"
    raise RequestError(f"{param}: {first['msg']}.", param=param)


def _tool(function: Function) -> Tool:
    return Tool(function.name, function.description or "", function.parameters or {})


def _allowed(tools: Sequence[Tool], choice: dict[str, Any], field: str) -> tuple[tuple[Tool, ...], Any]:
    """Return the allowed tools, and the mode of the choice."""
    inner, where = (choice[ALLOWED], f"{field}.{ALLOWED}") if ALLOWED in choice else (choice, field)
    given = inner if isinstance(inner, dict) else {}
    if not isinstance(given.get("tools"), list):
        raise RequestError(f"{where}.tools must be a list of tools.", param=f"{where}.tools")
    if (mode := given.get("mode", "auto")) not in ("auto", "required"):
        raise RequestError(f"{where}.mode must be auto or required.", param=f"{where}.mode")
    names = [_name(tool) for tool in given["tools"]]
    for index, name in enumerate(names):
        if name not in {tool.name for tool in tools}:
            what = f"{where}.tools[{index}]"
            raise RequestError(f"{what} must name a function among the tools of this request.", param=what)
    return tuple(tool for tool in tools if tool.name in names), mode


def _named(choice: Any, field: str) -> str:
    """Return the name of the function that must be called, or an empty text."""
    if choice is None or (isinstance(choice, str) and choice in (*FREE, *NEVER, *ALWAYS)):
        return ""
    if isinstance(choice, dict) and choice.get("type", "function") != "function":
        raise RequestError(f"Only functions can be called here; {field} names another kind of tool.", param=field)
    if name := _name(choice):
        return name
    raise RequestError(f"{field} must be none, auto, required, allowed_tools, or name a function.", param=field)


def _name(tool: Any) -> str:
    """Return the name of the function that `tool` refers to, or an empty text."""
    inner = tool.get("function", tool) if isinstance(tool, dict) else None
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else ""
