"""The names of Gemini's fields: clients write `maxOutputTokens` or `max_output_tokens`; here they become the latter."""

from __future__ import annotations

import re
from typing import Any

CAPITAL = re.compile(r"[A-Z]")
LONGEST = 64
"""Most characters of a name; no field of the API has a longer one."""
WITHIN = frozenset(
    {
        "contents",
        "parts",
        "system_instruction",
        "tools",
        "function_declarations",
        "tool_config",
        "function_calling_config",
        "generation_config",
        "thinking_config",
        "inline_data",
        "file_data",
        "function_call",
        "function_response",
        "generate_content_request",
    }
)
"""Fields whose inner fields belong to the API; those of all others, such as arguments and schemas, are the client's."""


def snake_case(name: str) -> str:
    """Return the name of a field in snake case, which the models use."""
    return CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name).lstrip("_") if len(name) <= LONGEST else name


def as_list(given: object) -> object:
    """Return a single object as a list, because Google's API accepts one wherever it accepts a list."""
    return [given] if isinstance(given, dict) else given


def with_snake_case(value: Any) -> Any:
    """Return a body with all fields of the API in snake case."""
    if isinstance(value, list):
        return [with_snake_case(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {snake_case(name): inner for name, inner in value.items()}
    return {name: with_snake_case(inner) if name in WITHIN else inner for name, inner in named.items()}
