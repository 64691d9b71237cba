"""What of the wire is known by name, and a count of what is not: the first sign that the site has changed."""

from __future__ import annotations

import re

# fmt: off
MESSAGE_FIELDS = frozenset({
    "message_id", "parent_id", "model", "role", "thinking_enabled", "ban_edit", "ban_regenerate", "status",
    "quasi_status", "incomplete_message", "accumulated_token_usage", "feedback", "inserted_at",
    "search_enabled", "fragments", "conversation_mode", "has_pending_fragment", "auto_continue",
    "search_triggered", "files", "extra_search_providers", "content", "thinking_content",
    "thinking_elapsed_secs", "tips", "search_status", "search_results",
})
FRAGMENT_FIELDS = frozenset({
    "id", "type", "content", "elapsed_secs", "references", "stage_id", "style", "hide_on_wip", "status",
    "queries", "results", "result", "reference",
})
# fmt: on
SILENT_TYPES = frozenset({"SEARCH", "TOOL_SEARCH", "TOOL_OPEN", "READ_LINK", "TIP", "REQUEST", "FILE"})
"""Fragments that are no part of the answer's text."""
SILENT_EVENTS = frozenset({"update_session", "update_file", "finish"})
"""Events that say nothing about the answer."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_MOST_SHAPES = 100


class Drift(dict[str, int]):
    """Counts what was not understood, by shape: names and numbers' places, never a text."""

    def note(self, kind: str, *names: object) -> None:
        """Count one; names that are not plain become `?`, numbers `*`."""
        shape = f"{kind} {'/'.join(map(_plain, names))}" if names else kind
        if shape not in self and len(self) >= _MOST_SHAPES:
            shape = "more"
        self[shape] = self.get(shape, 0) + 1


def _plain(name: object) -> str:
    word = str(name)
    if _PLAIN_NAME.fullmatch(word):
        return word
    return "*" if word.removeprefix("-").isdecimal() else "?"
