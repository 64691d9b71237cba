"""The names of Gemini's fields: clients write `maxOutputTokens` or `max_output_tokens`, which is what is read here."""

from __future__ import annotations

import re
from typing import Any

CAPITAL = re.compile(r"[A-Z]")
LONGEST = 64
"""Characters of a name; longer ones are none of the API's."""
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
"""Fields whose own fields are the API's; those of all others, such as arguments and schemas, are the client's."""


def snake_case(name: str) -> str:
    """Return the name of a field in the spelling that the models have."""
    return CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name).lstrip("_") if len(name) <= LONGEST else name


def as_list(given: object) -> object:
    """Return one object as the list that it stands for: Google's API takes one wherever it takes several."""
    return [given] if isinstance(given, dict) else given


def with_snake_case(value: Any) -> Any:
    """Return a body in which all fields of the API have names in snake case."""
    if isinstance(value, list):
        return [with_snake_case(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {snake_case(name): inner for name, inner in value.items()}
    return {name: with_snake_case(inner) if name in WITHIN else inner for name, inner in named.items()}
