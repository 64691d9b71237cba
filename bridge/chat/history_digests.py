"""Digests of histories, which identify a known history without storing its text.

Two histories are equal if their messages have the same roles in the same order, the same words, and files of the same
bytes. Changes by clients and the bridge are ignored: white space, folded thinking, lists of sources and citation marks
in answers, names of files, and how many messages an answer is split into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby, takewhile

from bridge.background import PIECE
from bridge.chat.types import Message

LONGEST = 3_000_000
"""Characters of the longest history that is recognized, more than a page accepts."""
SIZE = 8
"""Bytes of the digest of a tool result."""
RESULT = SIZE + 4
"""Bytes of the digest and the length of a tool result."""
CUT = re.compile(r"\b(?:cleared|truncated|trimmed|removed|omitted|pruned|compacted|elided)\b", re.IGNORECASE)
"""Words that clients write in place of results that they omit."""
FOLDED = re.compile(r"\s*(?:<details>.*?</details>|<think(?:ing)?>.*?</think(?:ing)?>)", re.DOTALL)
"""Thinking at the start of an answer, as the bridge or another tool folds it."""
SOURCES = re.compile(r"\n[^\S\n]*\*\*Sources\*\*[^\S\n]*\n")
MARK = re.compile(r"\[(?:citation|reference):[\d\s,]{0,40}\]|\[\[\d+\]\]\([^()\s]*\)")
"""A citation as the model writes it, or as the client gets it."""


def split(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Return the history up to the last answer, and the new messages after it; both may be empty.

    Assistant messages at the very end are the beginning of the requested answer, not an answer.
    """
    end = len(messages)
    while end and messages[end - 1].role == "assistant":
        end -= 1
    while end and messages[end - 1].role != "assistant":
        end -= 1
    return messages[:end], messages[end:]


def after(messages: Sequence[Message], answer: str) -> list[Message]:
    """Return the history that a client will send next time, without its new message."""
    return [*messages, Message("assistant", answer)]


def system_head(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the system messages before all others."""
    return list(takewhile(lambda message: message.role == "system", messages))


def is_too_long(messages: Sequence[Message]) -> bool:
    """Tell whether a history is too long to be recognized."""
    return sum(len(message.text) for message in messages) > LONGEST


def digest(messages: Sequence[Message]) -> bytes:
    """Return a digest of the roles, texts and files of messages."""
    # Only answers are joined: clients split them (text, calls), but two user messages are distinct.
    said: list[list[str]] = []
    for role, group in groupby(messages, key=lambda message: message.role):
        same = list(group)
        said += [_said(same)] if role == "assistant" else [_said([message]) for message in same]
    # As JSON, so that no text can imitate the boundary between two messages.
    return sha256(json.dumps(said).encode()).digest()


def skeleton(messages: Sequence[Message]) -> bytes:
    """Return a digest that ignores the texts of tool results, as clients clear old ones."""
    return digest([Message("tool", "") if message.role == "tool" else message for message in messages])


def results(messages: Sequence[Message]) -> bytes:
    """Return the digests and lengths of all tool results, concatenated."""
    return b"".join(map(_result, _results(messages)))


def are_cleared(known: bytes, messages: Sequence[Message]) -> bool:
    """Tell whether all results that differ from the `known` ones are shorter and have a word such as "omitted"."""
    texts = _results(messages)
    if len(known) != len(texts) * RESULT:
        return False
    before = (known[place : place + RESULT] for place in range(0, len(known), RESULT))
    return all(_is_kept_or_cut(old, text) for old, text in zip(before, texts, strict=True))


def _said(messages: Sequence[Message]) -> list[str]:
    """Return the role, text digest and file digests of messages that count as one."""
    text = sha256()
    for piece in _words(map(_bare, messages)):
        text.update(piece)
    files = (attachment.digest for message in messages for attachment in message.attachments)
    return [messages[0].role, text.hexdigest(), *files]


def _bare(message: Message) -> str:
    """Return the text without parts that an answer may have gained or lost on its way to the client and back."""
    text = message.text
    if message.role != "assistant":
        return text
    if folded := FOLDED.match(text):
        text = text[folded.end() :]  # before the sources, as thinking may have that heading, too
    if sources := SOURCES.search(text):
        text = text[: sources.start()]
    return MARK.sub("", text)


def _words(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the texts as one, in pieces, with each run of white space between words as one blank."""
    pieces = (text[place : place + PIECE] for text in texts for place in range(0, len(text), PIECE))
    # `gap`: there was white space since the last word, in this piece or an earlier one; ignored before the first word.
    gap = begun = False
    for piece in pieces:
        words = " ".join(piece.split())
        if words and begun and (gap or piece[0].isspace()):
            yield b" "
        yield words.encode("utf-8", "surrogatepass")
        gap, begun = piece[-1].isspace(), begun or bool(words)


def _results(messages: Sequence[Message]) -> list[str]:
    return [message.text for message in messages if message.role == "tool"]


def _result(text: str) -> bytes:
    words = sha256()
    for piece in _words([text]):
        words.update(piece)
    return words.digest()[:SIZE] + len(text).to_bytes(RESULT - SIZE, "big")


def _is_kept_or_cut(known: bytes, text: str) -> bool:
    now = _result(text)
    return now[:SIZE] == known[:SIZE] or (now[SIZE:] < known[SIZE:] and CUT.search(text) is not None)
