"""Digests of histories, by which a known history is recognized although no text of it is kept.

Two histories are equal if their messages have the same roles in the same order, the same words, and files of the same
bytes. What clients and the bridge change on the way does not count: white space, folded thinking, lists of sources and
citation marks in answers, names of files, and into how many messages an answer is cut.
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
"""Characters of the longest history that is recognized; it is more than a page takes."""
SIZE = 8
"""Bytes of the digest of a result."""
RESULT = SIZE + 4
"""Bytes of the digest and the length of a result."""
CUT = re.compile(r"\b(?:cleared|truncated|trimmed|removed|omitted|pruned|compacted|elided)\b", re.IGNORECASE)
"""What clients write in place of results that they leave out."""
FOLDED = re.compile(r"\s*(?:<details>.*?</details>|<think(?:ing)?>.*?</think(?:ing)?>)", re.DOTALL)
"""Thinking at the head of an answer, as the bridge or another tool folds it."""
SOURCES = re.compile(r"\n[^\S\n]*\*\*Sources\*\*[^\S\n]*\n")
MARK = re.compile(r"\[(?:citation|reference):[\d\s,]{0,40}\]|\[\[\d+\]\]\([^()\s]*\)")
"""A citation, as the model marks it or as the client gets it; silent answers have none, and models write both."""


def split(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Return the history up to the last answer, and what is new after it; both may be empty.

    Messages of the assistant at the very end are no answer yet, but the beginning of the one that is asked for.
    """
    end = len(messages)
    while end and messages[end - 1].role == "assistant":
        end -= 1
    while end and messages[end - 1].role != "assistant":
        end -= 1
    return messages[:end], messages[end:]


def after(messages: Sequence[Message], answer: str) -> list[Message]:
    """Return the history that a client will send next time, but for its own new message."""
    return [*messages, Message("assistant", answer)]


def system_head(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the system messages that stand before all others."""
    return list(takewhile(lambda message: message.role == "system", messages))


def is_too_long(messages: Sequence[Message]) -> bool:
    """Tell whether a history is too long to be recognized."""
    return sum(len(message.text) for message in messages) > LONGEST


def digest(messages: Sequence[Message]) -> bytes:
    """Return a digest of who said what, with which files."""
    # Only answers are joined: clients split them (text, calls), but two messages of a user are two.
    said: list[list[str]] = []
    for role, group in groupby(messages, key=lambda message: message.role):
        same = list(group)
        said += [_said(same)] if role == "assistant" else [_said([message]) for message in same]
    # As JSON, so that no text of a message can pass for the border between two.
    return sha256(json.dumps(said).encode()).digest()


def skeleton(messages: Sequence[Message]) -> bytes:
    """Return a digest that does not depend on what the results of tools say: clients clear old ones."""
    return digest([Message("tool", "") if message.role == "tool" else message for message in messages])


def results(messages: Sequence[Message]) -> bytes:
    """Return digest and length of each message of results, one behind the other."""
    return b"".join(map(_result, _results(messages)))


def are_cleared(known: bytes, messages: Sequence[Message]) -> bool:
    """Tell whether all results that differ from the `known` ones are shorter now, and say that they were cut."""
    texts = _results(messages)
    if len(known) != len(texts) * RESULT:
        return False
    before = (known[place : place + RESULT] for place in range(0, len(known), RESULT))
    return all(_is_kept_or_cut(old, text) for old, text in zip(before, texts, strict=True))


def _said(messages: Sequence[Message]) -> list[str]:
    """Return role, text and files of messages that count as one."""
    text = sha256()
    for piece in _words(map(_bare, messages)):
        text.update(piece)
    files = (attachment.digest for message in messages for attachment in message.attachments)
    return [messages[0].role, text.hexdigest(), *files]


def _bare(message: Message) -> str:
    """Return the text without what an answer may have gained or lost on its way to the client and back."""
    text = message.text
    if message.role != "assistant":
        return text
    if folded := FOLDED.match(text):
        text = text[folded.end() :]  # before the sources: thinking may hold that heading, too
    if sources := SOURCES.search(text):
        text = text[: sources.start()]
    return MARK.sub("", text)


def _words(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the texts as one, in pieces, with one blank in place of all white space between words."""
    pieces = (text[place : place + PIECE] for text in texts for place in range(0, len(text), PIECE))
    # `gap`: white space was seen since the last word, in this piece or an earlier one; none counts before the first.
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
