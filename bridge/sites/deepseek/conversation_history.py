"""The page's second way to an answer: where a stream broke and cannot be resumed, it loads the conversation; no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NOT_RUNNING = 22
"""The code with which the site says that there is nothing to resume: the answer is over."""


def is_over(body: bytes) -> bool:
    """Tell whether a refused resumption says that the answer is not being written any more."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return _inner(envelope).get("biz_code") == NOT_RUNNING


def message_of(envelope: Any, number: str | None) -> Mapping[str, Any] | None:
    """Return the message of that id out of a conversation's history."""
    messages = _dict(_inner(envelope).get("biz_data")).get("chat_messages")
    found = (one for one in messages if isinstance(one, dict)) if isinstance(messages, list) else ()
    return next((one for one in found if number is not None and str(one.get("message_id")) == number), None)


def _inner(envelope: Any) -> Mapping[str, Any]:
    return _dict(_dict(envelope).get("data"))


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
