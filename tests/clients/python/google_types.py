"""Checks lines of `[kind, body]` by the types of Google's SDK, which know no further fields; writes what is wrong."""

from __future__ import annotations

import json
import sys
from typing import Any

from google.genai.types import CountTokensResponse, GenerateContentResponse, Model
from pydantic import BaseModel, ValidationError

KINDS: dict[str, Any] = {"answer": GenerateContentResponse, "count": CountTokensResponse, "model": Model}


def wrong(kind: str, body: dict[str, Any]) -> str:
    """Return what is wrong with a body; nothing where it is as the types say."""
    if kind == "model":  # the SDK gives this a name of its own before it reads it
        body["supportedActions"] = body.pop("supportedGenerationMethods")
    if kind == "count":  # and this it does not read
        body.pop("promptTokensDetails")
    try:
        made = KINDS[kind].model_validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        return str(error)
    return "" if isinstance(made, BaseModel) and kind != "answer" else odd_values(made)


def odd_values(answer: Any) -> str:
    """Return what of an answer the SDK knows only as a value that it has never heard of."""
    reasons = [one.finish_reason for one in answer.candidates or ()]
    return "".join(f"unknown reason {reason}" for reason in reasons if reason and not reason.name.isupper())


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(wrong(*json.loads(line))), flush=True)
