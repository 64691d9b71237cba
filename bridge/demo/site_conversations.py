"""Conversations: numbered messages, each the child of another."""

from __future__ import annotations

import time
import uuid
from typing import Any

from bridge.demo.patches import Json
from bridge.demo.script import Script


class Conversation:
    """One conversation with its messages."""

    def __init__(self, seq_id: int) -> None:
        self.id = str(uuid.uuid4())
        self.seq_id = seq_id
        self.title: str | None = None
        self.model_type = "default"
        self.inserted_at = self.updated_at = time.time()
        self.messages: dict[int, dict[str, Json]] = {}
        self.current: int | None = None
        self.rests: dict[int, list[Any]] = {}
        self.scripts: list[Script] = []  # of the next answers

    @property
    def size(self) -> int:
        """Return the number of characters of all messages."""
        return sum(len(f.get("content") or "") for m in self.messages.values() for f in m["fragments"])

    def add_prompt(self, parent: int | None, prompt: str, files: list[Json]) -> dict[str, Json]:
        """Append the user's message."""
        fragments = [{"id": 1, "type": "REQUEST", "content": prompt}]
        return self._add(parent, "USER", fragments, status="FINISHED", files=files)

    def add_response(self, parent: int, *, thinking: bool, search: bool) -> dict[str, Json]:
        """Append an empty answer."""
        return self._add(parent, "ASSISTANT", [], thinking_enabled=thinking, search_enabled=search)

    def drop_after(self, message_id: int | None, *dropped: int) -> None:
        """Remove messages without an answer, and continue from the one before."""
        for one in dropped:
            self.messages.pop(one, None)
        self.current = message_id

    def _add(self, parent: int | None, role: str, fragments: list[Json], **fields: Json) -> dict[str, Json]:
        message = {
            "message_id": max(self.messages, default=0) + 1,
            "parent_id": parent,
            "model": "",
            "role": role,
            "thinking_enabled": False,
            "ban_edit": False,
            "ban_regenerate": False,
            "status": "WIP",
            "incomplete_message": None,
            "accumulated_token_usage": 0,
            "feedback": None,
            "inserted_at": time.time(),
            "search_enabled": False,
            "fragments": fragments,
            "conversation_mode": "DEFAULT",
            "has_pending_fragment": False,
            "auto_continue": False,
            "search_triggered": False,
            "extra_search_providers": [],
            **fields,
        }
        self.messages[message["message_id"]] = message
        self.current, self.updated_at = message["message_id"], time.time()
        return message

    def to_json(self) -> dict[str, Json]:
        """Describe the conversation without its messages."""
        return {
            "id": self.id,
            "seq_id": self.seq_id,
            "agent": "chat",
            "model_type": self.model_type,
            "title": self.title,
            "title_type": "SYSTEM" if self.title else "WIP",
            "version": len(self.messages),
            "current_message_id": self.current,
            "pinned": False,
            "inserted_at": self.inserted_at,
            "updated_at": self.updated_at,
        }
