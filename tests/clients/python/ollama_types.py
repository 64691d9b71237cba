"""Checks lines of `[kind, body]` by the types of Ollama's SDK, strictly, and writes what is wrong with each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from ollama import ChatResponse, GenerateResponse, ListResponse, ProcessResponse, ShowResponse
from pydantic import BaseModel, ValidationError

KINDS: dict[str, Any] = {
    "chat": ChatResponse,
    "generate": GenerateResponse,
    "tags": ListResponse,
    "ps": ProcessResponse,
    "show": ShowResponse,
}
KNOWN = {"id", "index", "name"}
"""Fields that Ollama sends, although the SDK's types do not have them: of a call, and of a model in the list."""


def wrong(kind: str, body: Any) -> str:
    """Return what is wrong with a body; nothing where it is as the types say."""
    try:
        made = KINDS[kind].model_validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        return str(error)
    odd = [name for name in unknown(made, body) if name.rpartition(".")[2] not in KNOWN]
    return f"no type knows {', '.join(odd)}" if odd else ""


def unknown(made: Any, given: Any) -> Iterator[str]:
    """Yield the fields of a body that its type does not have."""
    if isinstance(made, BaseModel):
        fields = {field.alias or name: name for name, field in type(made).model_fields.items()}
        for name, value in given.items():
            if name not in fields:
                yield f"{type(made).__name__}.{name}"
            else:
                yield from unknown(getattr(made, fields[name]), value)
    elif isinstance(made, list | tuple):
        for inner, value in zip(made, given, strict=True):
            yield from unknown(inner, value)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(wrong(*json.loads(line))), flush=True)
