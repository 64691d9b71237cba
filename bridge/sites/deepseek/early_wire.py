"""Translates the wire format of early 2025 (OpenAI-like chunks) into the patches that replaced it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_FIELDS = {"thinking": "thinking_content", "text": "content"}
_STATUSES = {"stop": "FINISHED", "length": "INCOMPLETE", "content_filter": "CONTENT_FILTER"}


def frames_of_chunk(chunk: Mapping[str, Any], *, first: bool) -> Iterator[Mapping[str, Any]]:
    """Yield a chunk as frames; the first chunk of a response begins with a snapshot."""
    if first:
        yield {"v": {"response": {"message_id": chunk.get("message_id"), "status": "WIP"}}}
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield from _frames_of_choice(choice)


def _frames_of_choice(choice: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    delta = choice.get("delta")
    delta = delta if isinstance(delta, dict) else {}
    for name in ("search_results", "search_indexes"):
        if pages := delta.get(name):
            yield _append("search_results", pages)
    field = _FIELDS.get(str(delta.get("type") or "text"))
    if field and (content := delta.get("content")):
        yield _append(field, content)
    if reason := choice.get("finish_reason"):
        status = _STATUSES.get(str(reason), str(reason).upper())
        yield {"p": "response/status", "o": "SET", "v": status}


def _append(field: str, value: Any) -> dict[str, Any]:
    return {"p": f"response/{field}", "o": "APPEND", "v": value}
