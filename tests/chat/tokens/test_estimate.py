"""The estimate of tokens, for sites without a vocabulary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.chat.tokens.estimate import Estimate
from bridge.chat.tokens.usage import Meter, Usage

ESTIMATE = Estimate()


def test_english_costs_three_tenths_and_chinese_six_tenths_of_a_token_a_character() -> None:
    assert ESTIMATE.tokens("a" * 100) == 30
    assert ESTIMATE.tokens("好" * 100) == 60
    assert ESTIMATE.tokens("好a") == 1


def test_nothing_costs_nothing() -> None:
    assert ESTIMATE.tokens("") == 0


@given(st.lists(st.text()))
def test_the_estimate_does_not_depend_on_how_the_text_was_cut(pieces: list[str]) -> None:
    count = ESTIMATE.count()
    for piece in pieces:
        count.add(piece)
    assert count.tokens == ESTIMATE.tokens("".join(pieces))


def test_thinking_is_part_of_the_completion() -> None:
    meter = Meter(3, ESTIMATE)
    meter.add_thinking("x" * 20)
    meter.add_text("x" * 30)
    assert meter.usage() == Usage(prompt=3, completion=15, reasoning=6, is_estimate=True)
    assert meter.usage().total == 18


@given(st.lists(st.text(alphabet="a好é😀 ", max_size=30)), st.integers(0, 30))
def test_what_fits_is_all_that_fits(pieces: list[str], tokens: int) -> None:
    limit = ESTIMATE.limit(tokens)
    given_out, text = "".join(map(limit.take, pieces)), "".join(pieces)
    assert text.startswith(given_out)
    assert ESTIMATE.tokens(given_out) <= tokens
    assert limit.is_reached == (given_out != text) == (ESTIMATE.tokens(text) > tokens)
    if limit.is_reached:
        assert ESTIMATE.tokens(text[: len(given_out) + 1]) > tokens
