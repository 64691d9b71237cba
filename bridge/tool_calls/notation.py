"""The notation of tool calls in prompts: the model is asked to use it, and the history shows calls in it.

    <tool_call>
    {"name": "weather", "arguments": {"city": "Rome"}}
    </tool_call>

Tags, since every model knows them and Markdown leaves them unchanged; JSON on one line, always written the same way, so
that a history from a client equals the model's own text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bridge.background import PIECE
from bridge.tool_calls.json_repair import DECODER
from bridge.tool_calls.schemas.typescript import signature

NOTATION = """\
# Tools

You can use tools. To call one, write exactly this, on lines of its own, outside of any code block:

<tool_call>
{"name": "TOOL", "arguments": {"PARAMETER": "VALUE"}}
</tool_call>

- The arguments are one JSON object: quotes inside of strings are escaped, line breaks inside of strings are \\n.
- {several}
- Write nothing beside a call: no explanation before it, nothing after it.
- The results come with the next message, as <tool_result> blocks. Never write such blocks yourself.
- {choice}

You have these tools and no others: {names}

The tools, with the types of their parameters in TypeScript:

"""
SEVERAL = "For several calls that do not depend on each other write one such block after the other."
ONE = "Only one call at a time."
AUTO = "Where no tool helps, just answer, without this notation."
REQUIRED = "This time you must call a tool; do not answer in words."
NAMED = "This time you must call the tool {name}; do not answer in words."
UNSEEN = r"[\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]{0,3}"


def _alike(word: str) -> str:
    """Return a pattern of text that looks like `word`."""
    return UNSEEN.join(f"[{char}{char.upper()}{chr(ord(char) + 0xFEE0)}{chr(ord(char) + 0xFEC0)}]" for char in word)


RESULT_TAG = re.compile(rf"[<＜﹤‹〈⟨《«≺](?=[\W_]{{0,8}}{_alike('tool')}[\W_]{{0,8}}{_alike('result')})")
"""A place in a result that could be read as the end of its block, or as the start of another one."""
REACH = 100
"""Characters after the first one that decide whether text looks like such a tag."""
LONGEST_READ = 1_000_000
"""Most characters of arguments that are parsed; longer ones are shown as a string."""
LARGEST_WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client can run for the model."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of the arguments."""
    check: Callable[[Mapping[str, Any]], str | None] | None = field(default=None, compare=False, repr=False)
    """Returns what is wrong with arguments that fit the schema, or None; may take as long as reading a call."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool by the model; `arguments` is a JSON object as text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one request, and whether one of them must be called; `named` is the one that must be."""

    tools: tuple[Tool, ...]
    required: bool = False
    named: str = ""
    parallel: bool = True

    def instructions(self) -> str:
        """Return the instructions that explain the notation and the tools to the model."""
        choice = NAMED.replace("{name}", self.named) if self.named else REQUIRED if self.required else AUTO
        names = ", ".join(tool.name for tool in self.tools)
        head = NOTATION.replace("{several}", SEVERAL if self.parallel else ONE)
        head = head.replace("{choice}", choice).replace("{names}", names)
        return head + "\n\n".join(signature(tool.name, tool.description, tool.parameters) for tool in self.tools)


def write_call(call: Call) -> str:
    """Return a call in the notation; arguments that are not JSON are shown as a string."""
    arguments: object = call.arguments
    if len(call.arguments) <= LONGEST_READ:
        with suppress(ValueError, RecursionError):
            arguments = _as_numbers(DECODER.decode(call.arguments or "{}"))
    return f"<tool_call>\n{canonical({'name': call.name, 'arguments': arguments})}\n</tool_call>"


def _as_numbers(value: Any) -> Any:
    """Return a JSON value with integral floats as integers: for JavaScript 1.0 and 1 are the same."""
    match value:
        case float() if value.is_integer() and abs(value) < LARGEST_WHOLE:
            return int(value)
        case list():
            return [_as_numbers(one) for one in value]
        case dict():
            return {name: _as_numbers(one) for name, one in value.items()}
    return value


def write_said(text: str, calls: Iterable[Call]) -> str:
    """Return an assistant's message: its text and its calls."""
    return "\n".join(part for part in (text.strip() if text.isspace() else text, *map(write_call, calls)) if part)


def write_results(results: Sequence[tuple[str, str]]) -> str:
    """Return the results of calls, each with its tool's name; no result can end its block or start another."""
    return "\n".join(f'<tool_result name="{name}">\n{_broken(text)}\n</tool_result>' for name, text in results)


def _broken(text: str) -> str:
    """Return the text of a result with a backslash in everything that looks like a result's tag."""
    pieces: list[str] = []
    done = 0
    for place in range(0, len(text), PIECE):
        for tag in RESULT_TAG.finditer(text, place, place + PIECE + REACH):
            if tag.start() >= place + PIECE:
                break
            pieces += text[done : tag.end()], "\\"
            done = tag.end()
    return "".join((*pieces, text[done:]))


def canonical(value: object) -> str:
    """Return JSON in canonical form: one line, without ASCII escapes."""
    return json.dumps(value, ensure_ascii=False)
