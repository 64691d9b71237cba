"""Reads an answer from the conversation that the page loads when a stream broke and cannot be resumed; no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NOT_RUNNING = 22
"""The code of the site for nothing to resume: the answer is over."""


def is_over(body: bytes) -> bool:
    """Tell whether a refused resumption says that the answer is no longer being written."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return _inner(envelope).get("biz_code") == NOT_RUNNING


def message_of(envelope: Any, number: str | None) -> Mapping[str, Any] | None:
    """Return the message with that id from a conversation's history, or None."""
    messages = _dict(_inner(envelope).get("biz_data")).get("chat_messages")
    found = (one for one in messages if isinstance(one, dict)) if isinstance(messages, list) else ()
    return next((one for one in found if number is not None and str(one.get("message_id")) == number), None)


def _inner(envelope: Any) -> Mapping[str, Any]:
    return _dict(_dict(envelope).get("data"))


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
