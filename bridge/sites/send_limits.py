"""Limits of drivers on every site's page: how long they wait, and how often they press a key."""

from __future__ import annotations

READY_SHARE = 0.8
"""The share of the time limit within which the page must show a known state; the rest is for finding out why not."""
CONVERSATION_LIMIT = 8_000
"""Milliseconds for an old conversation to show its messages, or for the page to leave one that was deleted."""
GONE_AFTER = 1.5
"""Seconds after which a prompt that disappeared from the composer without being sent is inserted again."""
MOST_ENTERS = 6
"""The number of key presses without effect after which the send button is tried as well."""
