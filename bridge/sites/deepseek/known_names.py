"""The names of the wire format that the decoder knows; any other name counts as drift."""

from __future__ import annotations

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
"""Types of fragments that are not part of the answer's text."""
SILENT_EVENTS = frozenset({"update_session", "update_file", "finish"})
"""Named events without information about the answer."""
