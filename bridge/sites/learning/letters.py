"""Compares texts by their letters and digits alone, because a page shows an answer without markup and line breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 6
"""The least number of equal letters in a row that counts as a match."""
LONGEST = 200_000
"""The most letters of a text that are compared."""


def letters(text: str) -> str:
    """Return the letters and digits of a text, in lower case."""
    return "".join(character for character in text[: 4 * LONGEST].casefold() if character.isalnum())[:LONGEST]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The overlap of a text with the truth: the share of the truth that was found, and the matching letters."""

    share: float
    marks: bytes
    """One byte for each letter of the text: 1 if it belongs to the truth."""


def overlap(text: str, truth: str) -> Overlap:
    """Find where `text` repeats `truth`; both are letters. Of several complete repetitions the last one counts."""
    if not truth or not text:
        return Overlap(0.0, bytes(len(text)))
    if (at := text.rfind(truth)) >= 0:
        return Overlap(1.0, bytes(at) + b"\1" * len(truth) + bytes(len(text) - at - len(truth)))
    if text in truth:
        return Overlap(len(text) / len(truth), b"\1" * len(text))
    marks = _marked(text, _windows(truth))
    return Overlap(sum(_marked(truth, _windows(text))) / len(truth), bytes(marks))


def _windows(text: str) -> set[str]:
    return {text[at : at + WINDOW] for at in range(len(text) - WINDOW + 1)}


def _marked(text: str, known: set[str]) -> bytearray:
    marks = bytearray(len(text))
    for at in range(len(text) - WINDOW + 1):
        if text[at : at + WINDOW] in known:
            marks[at : at + WINDOW] = b"\1" * WINDOW
    return marks


def belonging(pieces: Sequence[str], marks: bytes) -> list[bool]:
    """Tell for each piece of the marked text whether most of it belongs to the truth; an empty one does not."""
    found, at = [], 0
    for piece in pieces:
        here = sum(marks[at : at + len(piece)])
        found.append(here * 2 > len(piece))
        at += len(piece)
    return found
