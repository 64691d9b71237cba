"""The events of an answer for the client: those of the chat, the tool calls found in its text, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.chat.tokens.usage import Usage
from bridge.chat.types import Opened, Rewritten, Searched, Text, Thinking, Title, Withdrawn
from bridge.tool_calls.answer_filter import ToolCall

EndReason = Literal["stop", "length", "content_filter", "tool_calls"]


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The end of the answer; always the last event."""

    reason: EndReason
    usage: Usage
    stop_sequence: str | None = None
    """The client's stop sequence that ended the answer, if one did."""


AnswerEvent = Opened | Thinking | Text | Searched | Title | Withdrawn | Rewritten | ToolCall | AnswerEnd
"""One answer has `Opened` first, `AnswerEnd` last, and any of the others in between.

After `Rewritten` the texts and calls before it are void; their replacements follow.
"""
