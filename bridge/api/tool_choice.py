"""Which of a request's tools the model may or must call, in the terms of no dialect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictStr

from bridge.errors import RequestError
from bridge.tool_calls.notation import Tool, Toolbox

ToolName = Annotated[StrictStr, Field(pattern=r"^[\w.:/-]+$", max_length=128)]
"""The name of a tool that the client offers; its length is no part of the pattern, which would take 12 MB then."""
ToolParameters = Annotated[dict[str, Any] | None, BeforeValidator(lambda given: given if given else None)]
"""JSON Schema of a tool's arguments; what of it is odd, or not understood, asks for nothing."""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """What the client says about calls; `param` is the field in which it says it."""

    mode: Literal["auto", "none", "required"] = "auto"
    named: str = ""
    """The one tool that must be called."""
    parallel: bool = True
    """Whether several calls may come at once."""
    param: str = "tool_choice"


def make_toolbox(tools: Sequence[Tool], choice: ToolChoice) -> Toolbox | None:
    """Return the tools that the model may use, or None where there are none; raise a `RequestError`."""
    if choice.named and choice.named not in {tool.name for tool in tools}:
        message = f"There is no tool {choice.named[:80]!r} among the tools of this request."
        raise RequestError(message, param=choice.param)
    if choice.mode == "required" and not tools:
        raise RequestError("A tool call can only be required where tools are given.", param=choice.param)
    if not tools or choice.mode == "none":
        return None
    return Toolbox(tuple(tools), choice.mode == "required", choice.named, choice.parallel)
