"""Limits on the size of a body's fields, checked before the body is parsed into a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from bridge.chat.types import Model
from bridge.errors import ContextTooLong, RequestError

MOST_ENTRIES = {"messages": 10_000, "input": 10_000, "contents": 10_000, "tools": 1_000, "functions": 1_000}
"""Most entries of the lists in a body."""
PROMPTS = frozenset({"messages", "input", "contents", "prompt", "system", "images"})
"""Fields that the model's context bounds instead; they carry files as well."""
LARGEST = 1_000_000
"""Most characters of all texts in any other field."""


def check_limits(body: Mapping[str, Any], kind: type[BaseModel]) -> None:
    """Raise a `RequestError` that names the first field over its limit, its size, and the limit."""
    for name, most in MOST_ENTRIES.items():
        if isinstance(entries := body.get(name), list) and len(entries) > most:
            raise RequestError(f"{name} has {len(entries)} entries, but the limit is {most}.", param=name)
    for name in kind.model_fields.keys() - PROMPTS:
        if (size := _size(body.get(name))) > LARGEST:
            raise RequestError(f"{name} has {size} characters, but the limit is {LARGEST}; shorten it.", param=name)


def check_length(texts: object, model: Model, param: str) -> None:
    """Raise a `ContextTooLong` if `texts` are longer than the model can ever take; copies no text."""
    if model.longest is not None and (size := _size(texts)) > model.longest:
        message = f"{param} has {size} characters, but the limit is {model.longest}; shorten it."
        raise ContextTooLong(message, param=param)


def _size(value: object) -> int:
    """Return the number of characters in all texts of a value, including names of members."""
    size, todo = 0, [value]
    while todo:
        match todo.pop():
            case str(text):
                size += len(text)
            case list(entries):
                todo += entries
            case dict(members):
                todo += [*members, *members.values()]
            case _:
                pass
    return size
