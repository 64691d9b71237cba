"""Limits of what drivers do on any site's page: how long they wait for it, and how often they press a key."""

from __future__ import annotations

READY_SHARE = 0.8
"""The part of the time limit in which the page must show something we know; the rest is to say what it lacks."""
CONVERSATION_LIMIT = 8_000
"""Milliseconds until an old conversation shows its messages, or the page has left one that it was told to delete."""
GONE_AFTER = 1.5
"""Seconds after which a prompt that left the composer without a trace is put there again."""
DEAF_TO_ENTER = 6
"""After so many keys without effect the send button is tried, too."""
