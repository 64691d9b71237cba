"""Digests of histories, by which a known history is recognized although no text of it is kept.

Two histories are equal if their messages have the same roles in the same order, the same words, and files of the same
bytes. What clients and the bridge change on the way does not count: white space, folded thinking, lists of sources and
citation marks in answers, names of files, and into how many messages an answer is cut.

A system text is kept as one digest a sentence, so that its new sentences can be told from the old ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, groupby, takewhile

from bridge.chat.types import Message

PIECE = 65_536
"""Characters that are looked at in one go."""
LONGEST = 3_000_000
"""Characters of the longest history that is recognized; it is more than a page takes."""
LONGEST_SYSTEM = 400_000
"""Characters of the longest system text whose changes are told."""
SIZE = 8
"""Bytes of the digest of a sentence."""
FOLDED = re.compile(r"\s*(?:<details>.*?</details>|<think(?:ing)?>.*?</think(?:ing)?>)", re.DOTALL)
"""Thinking at the head of an answer, as the bridge or another tool folds it."""
SOURCES = re.compile(r"\n[^\S\n]*\*\*Sources\*\*[^\S\n]*\n")
MARK = re.compile(r"\[(?:citation|reference):\d{1,9}\]")
"""A citation, which silent answers do not have."""
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+")


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


def outline(messages: Sequence[Message]) -> bytes:
    """Return the digests of the sentences of a system text, one behind the other."""
    if _is_vast(messages):
        return digest(messages)[:SIZE]
    return b"".join(_short(sentence) for line in _lines(messages) for sentence in _sentences(line))


def news(known: bytes, messages: Sequence[Message]) -> str | None:
    """Return the lines of a system text that the one with the outline `known` did not have.

    Return None where the two have little in common, or where something was taken away and nothing came in its place.
    """
    if _is_vast(messages):
        return None
    old = {known[place : place + SIZE] for place in range(0, len(known), SIZE)}
    lines = [(line, [(_short(sentence), len(sentence)) for sentence in _sentences(line)]) for line in _lines(messages)]
    sizes = dict(chain.from_iterable(sentences for _, sentences in lines))
    fresh, gone = sizes.keys() - old, old - sizes.keys()
    if len(gone) > len(fresh) or 2 * sum(sizes[one] for one in fresh) > sum(sizes.values()):
        return None
    return "\n".join(line for line, sentences in lines if any(one in fresh for one, _ in sentences))


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


def _is_vast(messages: Sequence[Message]) -> bool:
    return sum(len(message.text) for message in messages) > LONGEST_SYSTEM


def _lines(messages: Sequence[Message]) -> list[str]:
    return [line.strip() for message in messages for line in message.text.splitlines() if line.strip()]


def _sentences(line: str) -> list[str]:
    return SENTENCE_END.split(line)


def _short(sentence: str) -> bytes:
    return sha256(" ".join(sentence.split()).encode("utf-8", "surrogatepass")).digest()[:SIZE]
