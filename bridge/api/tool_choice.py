"""The tools of a request that the model may or must call, independent of dialects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictStr

from bridge.errors import RequestError
from bridge.tool_calls.notation import Tool, Toolbox

ToolName = Annotated[StrictStr, Field(pattern=r"^[\w.:/-]+$", max_length=128)]
"""The name of a client's tool; its length is not part of the pattern, which would then take 12 MB."""
ToolParameters = Annotated[dict[str, Any] | None, BeforeValidator(lambda given: given if given else None)]
"""JSON Schema of a tool's arguments; invalid or unsupported parts of it are ignored."""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The client's options for calls; `param` is the field that they come from."""

    mode: Literal["auto", "none", "required"] = "auto"
    named: str = ""
    """The one tool that must be called."""
    parallel: bool = True
    """Whether several calls may come at once."""
    param: str = "tool_choice"


def make_toolbox(tools: Sequence[Tool], choice: ToolChoice) -> Toolbox | None:
    """Return the tools that the model may use, or None without any; raise a `RequestError` for a bad choice."""
    if choice.named and choice.named not in {tool.name for tool in tools}:
        message = f"There is no tool {choice.named[:80]!r} among the tools of this request."
        raise RequestError(message, param=choice.param)
    if choice.mode == "required" and not tools:
        raise RequestError("A tool call can only be required if the request has tools.", param=choice.param)
    if not tools or choice.mode == "none":
        return None
    return Toolbox(tuple(tools), choice.mode == "required", choice.named, choice.parallel)
