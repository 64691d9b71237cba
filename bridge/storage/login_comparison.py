"""Compares two captured browser states for the same login.

A page reorders and renews parts of its storage on every visit. Without this comparison, a profile would be saved after
each chat.
"""

from __future__ import annotations

import json
from typing import Any

EXPIRY_SLACK = 3600.0
"""Seconds by which a cookie's expiry may move in the same login: many sites extend it at each visit."""
_COOKIE_PLACE = ("name", "domain", "path", "partitionKey")
_UNORDERED = frozenset({"cookies", "origins", "localStorage", "indexedDB", "stores", "records", "indexes"})
_OPAQUE = frozenset({"key", "keyEncoded", "value", "valueEncoded", "keyPath", "keyPathArray"})

BrowserState = tuple[dict[str, Any], dict[str, dict[str, str]]]
"""Playwright's storage state, and `{origin: {key: value}}` of the session storage."""


def same_login(one: BrowserState, other: BrowserState) -> bool:
    """Tell whether both are the same login, ignoring order and small shifts of expiries."""
    (ours, our_items), (theirs, their_items) = one, other
    if _unordered(ours) != _unordered(theirs) or _items(our_items) != _items(their_items):
        return False
    expiries = zip(_expiries(ours["cookies"]), _expiries(theirs["cookies"]), strict=True)
    return all(abs(first - second) <= EXPIRY_SLACK for first, second in expiries)


def _items(session_storage: dict[str, dict[str, str]]) -> set[tuple[str, str, str]]:
    return {(origin, *item) for origin, items in session_storage.items() for item in items.items()}


def _unordered(value: Any, field: str = "") -> Any:
    """Return a storage state without order, empty parts and expiries."""
    if field in _OPAQUE:
        return value
    if isinstance(value, dict):
        parts = {name: _unordered(part, name) for name, part in value.items() if name != "expires"}
        filled = {name: part for name, part in parts.items() if part not in ({}, [])}
        return {} if filled.keys() <= {"origin"} else filled
    if isinstance(value, list) and field in _UNORDERED:
        return sorted(filter(None, map(_unordered, value)), key=lambda part: json.dumps(part, sort_keys=True))
    return value


def _expiries(cookies: list[dict[str, Any]]) -> list[float]:
    ordered = sorted(cookies, key=lambda cookie: [str(cookie.get(part)) for part in _COOKIE_PLACE])
    return [float(cookie.get("expires", -1)) for cookie in ordered]
