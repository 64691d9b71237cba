"""Checks lines of `[kind, body]` by the types of Anthropic's SDK, strictly, and writes what is wrong with each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from anthropic import BaseModel
from anthropic.types import (
    Message,
    MessageTokensCount,
    ModelInfo,
    RawMessageStreamEvent,
)
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from pydantic import TypeAdapter, ValidationError

KINDS: dict[str, list[TypeAdapter[Any]]] = {
    "message": [TypeAdapter(Message), TypeAdapter(BetaMessage)],
    "event": [TypeAdapter(RawMessageStreamEvent), TypeAdapter(BetaRawMessageStreamEvent)],
    "error": [TypeAdapter(ErrorResponse)],
    "model": [TypeAdapter(ModelInfo)],
    "count": [TypeAdapter(MessageTokensCount)],
}
KNOWN = {"InvalidRequestErrorObject.details"}
"""Fields that the SDK reads, although its types do not have them."""


def wrong(kind: str, body: object) -> str:
    """Return what is wrong with a body; nothing where it is as the types say."""
    for adapter in KINDS[kind]:
        try:
            made = adapter.validate_json(json.dumps(body), strict=True)
        except ValidationError as error:
            return str(error)
        if odd := [name for name in unknown(made) if name not in KNOWN]:
            return f"no type knows {', '.join(odd)}"
    return ""


def unknown(value: object) -> Iterator[str]:
    """Yield the fields that the SDK's types do not have."""
    if isinstance(value, BaseModel):
        yield from (f"{type(value).__name__}.{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name))
    elif isinstance(value, list):
        for one in value:
            yield from unknown(one)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(wrong(*json.loads(line))), flush=True)
