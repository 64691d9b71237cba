"""Byte-pair encoding of one word by a vocabulary's merges."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

LEFT_BITS = 16
"""Bits below a merge's rank that hold the length of its left part."""
LEFT_MASK = (1 << LEFT_BITS) - 1
PRINTABLE = (range(ord("!"), ord("~") + 1), range(0xA1, 0xAD), range(0xAE, 0x100))
"""Bytes that vocabularies write as the character with the same code point."""


class BytePairs:
    """The merges of a vocabulary: two tokens with a space between them, the highest priority first.

    A merge is stored by its resulting token, which takes a third of the memory of pairs. So each token must result from
    only one merge; else `ValueError` is raised.
    """

    def __init__(self, merges: Iterable[str]) -> None:
        byte_of = _byte_of_characters()
        self._ranks: dict[bytes, int] = {}
        rank = -1
        for rank, merge in enumerate(merges):
            left, right = merge.split(" ")
            token = (left + right).translate(byte_of).encode("latin-1")
            self._ranks[token] = rank << LEFT_BITS | len(left)  # a character is a byte
        if len(self._ranks) != rank + 1:
            raise ValueError("two merges of the vocabulary make the same token")

    def tokens(self, word: str) -> Sequence[bytes]:
        """Return the tokens of a word, in O(n log n).

        The heap holds every pair of neighbours that can be merged. Outdated entries stay in it, and are recognized by
        the sizes of their two parts, which have changed.
        """
        text = word.encode("utf-8", "replace")
        sizes, before = [1] * len(text), list(range(-1, len(text) - 1))  # both indexed by the start of a token
        heap: list[tuple[int, int, int]] = []

        def consider(left: int, right: int) -> None:
            end = right + sizes[right]
            found = self._ranks.get(text[left:end])
            if found is not None and found & LEFT_MASK == right - left:
                heapq.heappush(heap, (found, left, end))

        for place in range(len(text) - 1):
            consider(place, place + 1)
        while heap:
            found, left, end = heapq.heappop(heap)
            right = left + (found & LEFT_MASK)
            if sizes[left] != right - left or sizes[right] != end - right:
                continue
            sizes[left], sizes[right] = end - left, 0
            if end < len(text):
                before[end] = left
                consider(left, end)
            if left:
                consider(before[left], left)
        return [text[place : place + size] for place, size in enumerate(sizes) if size]


def _byte_of_characters() -> dict[int, int]:
    """Return the byte for each character of a vocabulary's tokens, in GPT-2's mapping."""
    return {char: byte for byte, char in _characters()}


def _characters() -> Iterator[tuple[int, int]]:
    spare = 0x100
    for byte in range(0x100):
        if any(byte in printable for printable in PRINTABLE):
            yield byte, byte
        else:
            yield byte, spare
            spare += 1
