"""Tools in Anthropic's dialect: which the client runs, which the server would, and which may be called now.

Only the client's tools are offered to the model. The server's search becomes the site's; other server tools and tools
of unknown types are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StrictBool, StrictStr, ValidationError

from bridge.api.anthropic.anthropic_blocks import kind_of
from bridge.api.anthropic.anthropic_client_tools import client_tool
from bridge.api.anthropic.anthropic_history import AnthropicMessage
from bridge.api.request_model import Lenient
from bridge.api.tool_choice import ToolChoice, ToolName, make_toolbox
from bridge.errors import RequestError
from bridge.tool_calls.notation import Tool, Toolbox

FUNCTIONS = (None, "custom", "function")
"""Types of tools that the client runs and describes."""
SEARCH = "web_search"
TOOL_SEARCH = "tool_search_tool"
MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}


class AnthropicTool(Lenient):
    """An entry of `tools`."""

    type: StrictStr | None = None
    name: ToolName | None = None
    description: StrictStr | None = None
    input_schema: Annotated[dict[str, Any] | None, BeforeValidator(lambda given: given if given else None)] = None
    """JSON Schema of the arguments; invalid or unsupported parts of it are ignored."""
    defer_loading: StrictBool | None = None
    """Whether the model gets the tool only after a message refers to it."""

    @property
    def is_function(self) -> bool:
        """Whether the client runs the tool."""
        return self.type in FUNCTIONS or client_tool(self.type or "", "") is not None


class AnthropicToolChoice(Lenient):
    """Which tool must be called, if any."""

    type: StrictStr
    name: StrictStr | None = None
    disable_parallel_tool_use: StrictBool | None = None


class ToolFields(Lenient):
    """The fields about tools."""

    tools: list[AnthropicTool] | None = None
    tool_choice: Annotated[
        AnthropicToolChoice | None, BeforeValidator(lambda given: {"type": given} if isinstance(given, str) else given)
    ] = None


def is_searching(fields: ToolFields) -> bool:
    """Tell whether the server should search the web."""
    return any(not tool.is_function and (tool.type or "").startswith(SEARCH) for tool in fields.tools or ())


def without_effect(fields: ToolFields) -> dict[str, bool]:
    """Return the types of tools that are not offered to the model."""
    types = [tool.type or "" for tool in fields.tools or () if not tool.is_function]
    return {kind: True for kind in types if not kind.startswith((SEARCH, TOOL_SEARCH))}


def toolbox(fields: ToolFields, messages: Sequence[AnthropicMessage]) -> Toolbox | None:
    """Return the tools that the model may call, or None without any; raise a `RequestError` for a bad one."""
    given = [*(fields.tools or ())]
    tools = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(given) if tool.is_function]
    late = {tool.name for tool in given if tool.defer_loading}
    if any((tool.type or "").startswith(TOOL_SEARCH) for tool in given):
        late = set()  # tool search is not available here, so the model must know all tools
    offered = {tool.name: tool for tool in tools if tool.name not in late}
    known = {tool.name: tool for tool in tools}
    for is_added, name, defined in _changes(messages):
        if not is_added:
            offered.pop(name, None)
        elif tool := defined or known.get(name):
            offered[name] = known[name] = tool
    return make_toolbox([*offered.values()], _choice(fields, [*offered]))


def _tool(tool: AnthropicTool, where: str) -> Tool:
    if not tool.name:
        raise RequestError(f"{where}.name is missing: a tool that the client runs needs one.", param=f"{where}.name")
    known = client_tool(tool.type or "", tool.name)
    return known or Tool(tool.name, tool.description or "", tool.input_schema or {})


def _choice(fields: ToolFields, offered: Sequence[str]) -> ToolChoice:
    choice = fields.tool_choice
    if choice is None:
        return ToolChoice()
    if choice.type not in MODES:
        raise RequestError(f"tool_choice.type must be one of {', '.join(MODES)}.", param="tool_choice.type")
    if choice.type == "tool" and not choice.name:
        raise RequestError("tool_choice.name must name one of the tools.", param="tool_choice.name")
    mode, name = MODES[choice.type], (choice.name or "") if choice.type == "tool" else ""
    of_server = [tool.name for tool in fields.tools or () if not tool.is_function]
    if name in of_server or (of_server and not offered):
        mode, name = "auto", ""  # the model cannot call server tools
    param = "tool_choice.name" if name else "tool_choice"
    return ToolChoice(mode, name, choice.disable_parallel_tool_use is not True, param)


def _changes(messages: Iterable[AnthropicMessage]) -> Iterator[tuple[bool, str, Tool | None]]:
    """Yield the changes of tools in the messages: whether a tool is added, its name, and its definition if given."""
    for message in messages:
        for block in message.content if isinstance(message.content, list) else ():
            match block:
                case {"type": "tool_result", "content": list(content)}:
                    yield from ((True, name, None) for one in content if (name := _reference(one)))
                case {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": dict(given)}}:
                    if (tool := _defined(given)) is not None:
                        yield True, tool.name, tool
                case {"type": "tool_addition" | "tool_removal" as kind, "tool": {"name": str(name)}}:
                    yield kind == "tool_addition", name, None


def _reference(block: object) -> str:
    name = block.get("tool_name") if isinstance(block, dict) and kind_of(block) == "tool_reference" else None
    return name if isinstance(name, str) else ""


def _defined(given: dict[str, Any]) -> Tool | None:
    """Return a tool that a message defines; None for an invalid one, because clients cannot repair old messages."""
    try:
        tool = AnthropicTool.model_validate(given)
    except ValidationError:
        return None
    return _tool(tool, "") if tool.is_function and tool.name else None
