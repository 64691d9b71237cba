"""Tools in Gemini's dialect: the client's functions, and the search, which becomes the site's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StrictStr

from bridge.api.body_fields import given_extras
from bridge.api.gemini.gemini_fields import as_list
from bridge.api.gemini.gemini_schema import as_json_schema
from bridge.api.request_model import Lenient
from bridge.api.tool_choice import ToolChoice, ToolName, ToolParameters, make_toolbox
from bridge.errors import RequestError
from bridge.tool_calls.notation import Tool, Toolbox

SEARCHES = frozenset({"google_search", "google_search_retrieval"})
CONFIG = "tool_config.function_calling_config"
MODES: dict[str, Literal["auto", "none", "required"]] = {
    "MODE_UNSPECIFIED": "auto",
    "AUTO": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}


class GeminiFunction(Lenient):
    """A function that the client can run."""

    name: ToolName
    description: StrictStr | None = None
    parameters: ToolParameters = None
    parameters_json_schema: ToolParameters = None


class GeminiTool(Lenient):
    """An entry of `tools`: functions, or in another field a tool of Google's."""

    function_declarations: Annotated[list[GeminiFunction] | None, BeforeValidator(as_list)] = None


class FunctionCallingConfig(Lenient):
    """Which functions may or must be called."""

    mode: StrictStr | None = None
    allowed_function_names: list[StrictStr] | None = None


class ToolConfig(Lenient):
    """How tools are used."""

    function_calling_config: FunctionCallingConfig | None = None


class GeminiToolFields(Lenient):
    """The fields about tools."""

    tools: Annotated[list[GeminiTool] | None, BeforeValidator(as_list)] = None
    tool_config: ToolConfig | None = None


def gemini_toolbox(fields: GeminiToolFields) -> Toolbox | None:
    """Return the functions that the model may call, or None without any; raise a `RequestError` for bad fields."""
    tools = [_tool(one) for entry in fields.tools or [] for one in entry.function_declarations or []]
    config = (fields.tool_config or ToolConfig()).function_calling_config or FunctionCallingConfig()
    mode = MODES.get((config.mode or "AUTO").upper())
    if mode is None:
        raise RequestError(f"{CONFIG}.mode must be AUTO, ANY or NONE.", param=f"{CONFIG}.mode")
    allowed = config.allowed_function_names or []
    tools = _allowed(tools, allowed) if allowed else tools
    named = allowed[0] if mode == "required" and len(allowed) == 1 else ""
    return make_toolbox(tools, ToolChoice(mode, named, param=CONFIG))


def wants_search(fields: GeminiToolFields) -> bool:
    """Tell whether one of the tools is Google's search, which the site's search replaces."""
    return any(not SEARCHES.isdisjoint(given_extras(tool)) for tool in fields.tools or [])


def other_tools(fields: GeminiToolFields) -> dict[str, Any]:
    """Return the tools of Google's that are not available here."""
    given = {name: True for tool in fields.tools or [] for name in given_extras(tool)}
    return {name: True for name in given if name not in SEARCHES}


def _tool(given: GeminiFunction) -> Tool:
    schema = given.parameters_json_schema or as_json_schema(given.parameters) or {}
    return Tool(given.name, given.description or "", schema)


def _allowed(tools: Sequence[Tool], names: Sequence[str]) -> list[Tool]:
    known = {tool.name for tool in tools}
    for index, name in enumerate(names):
        if name not in known:
            where = f"{CONFIG}.allowed_function_names[{index}]"
            raise RequestError(f"{where} must name a function among the tools of this request.", param=where)
    wanted = set(names)
    return [tool for tool in tools if tool.name in wanted]
