"""Tools in OpenAI's dialect: what a request offers, in the present form and in the older one of `functions`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictStr

from bridge.api.lenient import Lenient
from bridge.errors import RequestError
from bridge.tools.fitting import check_schema
from bridge.tools.render import Tool, Toolbox

FREE, NEVER, ALWAYS = ("auto",), ("none",), ("required", "any")


class Function(Lenient):
    """A function that the client can run."""

    name: Annotated[StrictStr, Field(pattern=r"^[\w.:/-]{1,128}$")]
    description: StrictStr | None = None
    parameters: dict[str, Any] | None = None


class Offer(Lenient):
    """An entry of `tools`; kinds other than functions cannot be called here."""

    type: StrictStr = "function"
    function: Function | None = None


class ToolFields(Lenient):
    """The fields of a body that are about tools."""

    tools: list[Offer] | None = None
    tool_choice: Any = None
    parallel_tool_calls: StrictBool | None = None
    functions: list[Function] | None = None
    function_call: Any = None


def toolbox(fields: ToolFields) -> Toolbox | None:
    """Return the tools that the model may use, or None where there are none; raise a `RequestError`."""
    legacy = not fields.tools and bool(fields.functions or fields.function_call is not None)
    offered = fields.functions if legacy else _functions(fields.tools or ())
    field, choice = ("function_call", fields.function_call) if legacy else ("tool_choice", fields.tool_choice)
    if isinstance(choice, dict) and choice.get("type") in (*FREE, *NEVER, *ALWAYS):
        choice = choice["type"]
    tools = tuple(_tool(function, where) for where, function in _placed(offered or (), legacy))
    named = _named(choice, field)
    if named and named not in {tool.name for tool in tools}:
        raise RequestError(f"There is no tool {named[:80]!r} among the tools of this request.", param=field)
    if choice in ALWAYS and not tools:
        raise RequestError("A tool call can only be required where tools are given.", param=field)
    if not tools or choice in NEVER:
        return None
    parallel = fields.parallel_tool_calls is not False and not legacy
    return Toolbox(tools, choice in ALWAYS, named, parallel)


def _functions(offers: Iterable[Offer]) -> list[Function | None]:
    for index, offer in enumerate(offers):
        if offer.type == "function" and offer.function is None:
            raise RequestError("A tool of type function needs a function.", param=f"tools[{index}].function")
    return [offer.function if offer.type == "function" else None for offer in offers]


def _placed(functions: Iterable[Function | None], legacy: bool) -> Iterable[tuple[str, Function]]:
    for index, function in enumerate(functions):
        if function is not None:
            yield (f"functions[{index}]" if legacy else f"tools[{index}].function"), function


def _tool(function: Function, where: str) -> Tool:
    schema = function.parameters or {}
    if (wrong := check_schema(schema)) is not None:
        raise RequestError(f"{where}.parameters is no JSON Schema: {wrong}", param=f"{where}.parameters")
    return Tool(function.name, function.description or "", schema)


def _named(choice: Any, field: str) -> str:
    """Return the name of the one function that must be called, or nothing."""
    if choice is None or (isinstance(choice, str) and choice in (*FREE, *NEVER, *ALWAYS)):
        return ""
    if isinstance(choice, dict):
        inner = choice.get("function", choice)
        name = inner.get("name") if isinstance(inner, dict) else None
        if isinstance(name, str) and name:
            return name
    raise RequestError(f"{field} must be none, auto, required, or name a function.", param=field)
