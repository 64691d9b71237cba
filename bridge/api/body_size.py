"""How much the fields of a body may hold, looked at before any of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from bridge.chat.types import Model
from bridge.errors import ContextTooLong, RequestError

MOST_ENTRIES = {"messages": 10_000, "input": 10_000, "contents": 10_000, "tools": 1_000, "functions": 1_000}
"""Entries that the lists of a body may have."""
PROMPTS = frozenset({"messages", "input", "contents", "prompt", "system", "images"})
"""Fields whose texts are bounded by what the model takes; they carry files as well."""
LARGEST = 1_000_000
"""Characters that the texts in any other field may have together."""


def check_limits(body: Mapping[str, Any], kind: type[BaseModel]) -> None:
    """Raise a `RequestError` that names the first field which holds more than it may, and how much that is."""
    for name, most in MOST_ENTRIES.items():
        if isinstance(entries := body.get(name), list) and len(entries) > most:
            raise RequestError(f"{name} has {len(entries)} entries, and may have {most}; leave some out.", param=name)
    for name in kind.model_fields.keys() - PROMPTS:
        if (size := _size(body.get(name))) > LARGEST:
            raise RequestError(f"{name} has {size} characters, and may have {LARGEST}; shorten it.", param=name)


def check_length(texts: object, model: Model, param: str) -> None:
    """Raise a `ContextTooLong` where `texts` are more than the model can ever take; none of them is copied for that."""
    if model.longest is not None and (size := _size(texts)) > model.longest:
        message = f"{param} has {size} characters, and may have {model.longest}; shorten it."
        raise ContextTooLong(message, param=param)


def _size(value: object) -> int:
    """Return the number of characters in all texts of a value, names of members included."""
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
