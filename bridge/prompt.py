"""A whole message history as one prompt, for a site that takes one text.

A single message is its own text, byte for byte. Anything longer is the leading system messages as they are,
then one labelled block a message, the new one last:

    You are terse.

    === User ===
    Hi

    === Assistant ===
    Hello.

    === User ===
    And now?

With more than one block a sentence before them says what they are. No text can pass for a label: where the
history holds such a line, the row of `=` is longer in the true ones. Messages with neither text nor files are
left out; with more than one block, a last line of each message names its files: `[attached: photo.png]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from bridge.chat import Message, Role

LABELS: dict[Role, str] = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool result"}

INTRODUCTION = "The conversation so far. Answer its last message as the assistant, without a label."

LOOKALIKE = re.compile(rf"^\s*(=+) *(?:{'|'.join(LABELS.values())})\b", re.MULTILINE | re.IGNORECASE)


def render(messages: Sequence[Message]) -> str:
    """Return the one prompt that carries all of `messages`."""
    spoken = [message for message in messages if message.text or message.attachments]
    if len(spoken) == 1:
        return spoken[0].text or _files(spoken[0])
    system = list(takewhile(lambda message: message.role == "system", spoken))
    dialogue = spoken[len(system) :]
    parts = [message.text for message in system]
    if len(dialogue) > 1:
        parts.append(INTRODUCTION)
    row = _row(spoken)
    parts.extend(f"{row} {LABELS[message.role]} {row}\n{_whole(message)}" for message in dialogue)
    return "\n\n".join(parts)


def _whole(message: Message) -> str:
    return "\n".join(filter(None, (message.text, _files(message))))


def _files(message: Message) -> str:
    names = ", ".join(attachment.name for attachment in message.attachments)
    return f"[attached: {names}]" if names else ""


def _row(messages: Sequence[Message]) -> str:
    """Return a row of `=` that is longer than in any line of `messages` that looks like a label."""
    rows = (row for message in messages for row in LOOKALIKE.findall(message.text))
    return "=" * max(3, 1 + max(map(len, rows), default=0))
