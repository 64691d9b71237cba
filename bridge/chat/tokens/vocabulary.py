"""A model's own vocabulary: counts and cuts whole texts and pieces at an exact number of tokens.

Each word is counted once, when it can no longer change; until then its text waits. Waiting text is examined again only
when it has doubled, so that the time is linear in the text however small its pieces are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.chat.tokens.byte_pairs import BytePairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.chat.tokens.words import WordCutter

WAITING = 256
"""Characters that wait to be counted together: more would delay a chunk, fewer cost more in total."""

CACHED = 32_768
"""Words whose token counts are cached."""
PIECE = 16_384
"""Characters whose words are in memory at the same time: words take fifty times the memory of their text."""
REMEMBERED = 8_192
"""Texts whose token counts are cached: agents send their whole history with each step."""


class Vocabulary:
    """The tokenizer of a vocabulary, by its words and merges."""

    is_estimate = False

    def __init__(self, cutter: WordCutter, pairs: BytePairs) -> None:
        self.cutter = cutter
        self._pairs = pairs
        self.tokens_of_word = lru_cache(CACHED)(self._tokens_of_word)
        """Returns the number of tokens of a word, cached."""
        self._known: dict[tuple[int, int], int] = {}  # by hash and length, so that no text is stored
        self._last: tuple[str, tuple[int, int]] = ("", (0, 0))

    def tokens(self, text: str) -> int:
        """Return the number of tokens of a whole text."""
        return self.tokens_of_words(text) if len(text) <= PIECE else self._remembered(text, self._count_in_pieces)

    def tokens_of_words(self, text: str) -> int:
        """Return the number of tokens of a text whose words are all in memory at the same time."""
        return self._remembered(text, self._count)

    def settled(self, text: str) -> tuple[int, int]:
        """Return the tokens and characters of the first words of a text that cannot change any more.

        The last result is cached: the site's text and the client's text are counted right after each other, and are
        mostly equal.
        """
        known, result = self._last
        if known != text:
            words = self.cutter.settled(text)
            result = sum(map(self.tokens_of_word, words)), sum(map(len, words))
            self._last = text, result
        return result

    def _tokens_of_word(self, word: str) -> int:
        return 1 if word in self.cutter.special else len(self._pairs.tokens(word))

    def fitting(self, word: str, tokens: int) -> int:
        """Return how many characters of `word` its first `tokens` tokens hold, without an incomplete last character.

        A token without its last bytes may become several tokens, so further characters may have to go.
        """
        if word in self.cutter.special:
            return 0
        held = b"".join(self._pairs.tokens(word)[:tokens]).decode("utf-8", "ignore")
        while held and len(self._pairs.tokens(held)) > tokens:
            held = held[:-1]
        return len(held)

    def _remembered(self, text: str, count: Callable[[str], int]) -> int:
        """Return `count(text)`, cached.

        The end of an answer is counted twice, too: the site's text and the client's text are mostly equal.
        """
        key = hash(text), len(text)
        if (known := self._known.get(key)) is not None:
            return known
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        return self._known.setdefault(key, count(text))

    def _count(self, text: str) -> int:
        return sum(map(self.tokens_of_word, self.cutter.words(text)))

    def _count_in_pieces(self, text: str) -> int:
        count = self.count()
        for place in range(0, len(text), PIECE):
            count.add(text[place : place + PIECE])
        return count.tokens

    def count(self) -> VocabularyCount:
        """Return a new count."""
        return VocabularyCount(self)

    def limit(self, most: int) -> VocabularyLimit:
        """Return a limit of `most` tokens."""
        return VocabularyLimit(self, most)


class VocabularyCount:
    """The count of a text that arrives in pieces."""

    __slots__ = ("_next", "_pieces", "_settled", "_size", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._pieces: list[str] = []
        self._size = 0  # characters of the pieces
        self._next = WAITING  # their size at which they are examined
        self._settled = 0  # tokens of all words before the pieces

    def add(self, text: str) -> None:
        """Count the next piece."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size >= self._next:
            self._settle()

    @property
    def waiting(self) -> int:
        """Return how many characters are not counted yet."""
        return self._size

    @property
    def tokens(self) -> int:
        """Return the tokens so far, as if the text ended here."""
        return self._settled + self._vocabulary.tokens_of_words("".join(self._pieces))

    @property
    def roughly(self) -> int:
        """Return the tokens so far, with uncounted text by the estimate for English."""
        return self._settled + -(-3 * self._size // 10)

    def _settle(self) -> None:
        text = "".join(self._pieces)
        tokens, size = self._vocabulary.settled(text)
        self._settled += tokens
        rest = text[size:]
        self._pieces, self._size, self._next = [rest], len(rest), len(rest) + max(WAITING, len(rest))


class VocabularyLimit:
    """A limit that cuts texts arriving in pieces at a number of tokens.

    No text has more tokens than bytes, so most of an answer passes uncounted. Near the limit it is returned word by
    word, as the tokens of a word are known only at its end.

    The bytes returned ahead of the count are never more than the tokens left, and the first n tokens of a text have at
    least n bytes, so the cut is never within returned text.
    """

    def __init__(self, vocabulary: Vocabulary, most: int) -> None:
        self._vocabulary = vocabulary
        self._left = most  # tokens, less those of all words before the pieces
        self._pieces: list[str] = []
        self._bytes = self._size = 0  # of the pieces
        self._given = 0  # their characters that were returned
        self._next = 0  # their size at which they are examined
        self.is_reached = False

    def take(self, text: str) -> str:
        """Process the next piece and return the text that surely fits."""
        if self.is_reached or not text:
            return ""
        self._pieces.append(text)
        self._size += len(text)
        self._bytes += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if self._bytes <= self._left:
            self._given = self._size
            return text
        return self._settle(is_whole=False) if self._size >= self._next or not self._left else ""

    def finish(self) -> str:
        """End this text and return its held part."""
        return "" if self.is_reached else self._settle(is_whole=True)

    def _settle(self, *, is_whole: bool) -> str:
        text, cutter = "".join(self._pieces), self._vocabulary.cutter
        place = 0
        for word in cutter.words(text) if is_whole else cutter.settled(text):
            tokens = self._vocabulary.tokens_of_word(word)
            if tokens > self._left:
                return self._cut(text, place + self._vocabulary.fitting(word, self._left))
            self._left -= tokens
            place += len(word)
        if not self._left and place < len(text):
            return self._cut(text, place)
        return self._let_pass(text, place)

    def _cut(self, text: str, end: int) -> str:
        self.is_reached, self._pieces = True, []
        return text[self._given : end]

    def _let_pass(self, text: str, end: int) -> str:
        """Keep the text after `end`, where the counted words end, and return the text that surely fits."""
        rest = text[end:]
        self._bytes, self._size = len(rest.encode("utf-8", "replace")), len(rest)
        if self._bytes <= self._left:
            end = len(text)
        end, given = max(end, self._given), self._given
        self._given = end - (len(text) - len(rest))
        self._pieces, self._next = [rest], 2 * len(rest)
        return text[given:end]
