"""The estimate of tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.chat.token_estimate import Count, Meter, Usage, prompt_tokens
from bridge.chat.types import Finish, Message, Text, Thinking


def test_english_costs_three_tenths_and_chinese_six_tenths_of_a_token_a_character() -> None:
    assert Count("a" * 100).tokens == 30
    assert Count("好" * 100).tokens == 60
    assert Count("好a").tokens == 1


def test_nothing_costs_nothing() -> None:
    assert Count().tokens == 0


@given(st.lists(st.text()))
def test_the_estimate_does_not_depend_on_how_the_text_was_cut(pieces: list[str]) -> None:
    count = Count()
    for piece in pieces:
        count.add(piece)
    assert count.tokens == Count("".join(pieces)).tokens


def test_thinking_is_part_of_the_completion() -> None:
    meter = Meter(prompt_tokens([Message("user", "x" * 10)]))
    for event in (Thinking("x" * 20), Text("x" * 30), Finish()):
        meter.add(event)
    assert meter.usage() == Usage(prompt=3, completion=15, reasoning=6)
    assert meter.usage().total == 18


@given(st.text(), st.text(alphabet="a好é😀 ", max_size=30), st.integers(0, 30))
def test_what_fits_is_all_that_fits(before: str, text: str, tokens: int) -> None:
    fits = Count(before).fitting(text, tokens)
    if fits:
        assert Count(before + text[:fits]).tokens <= tokens
    if fits < len(text):
        assert Count(before + text[: fits + 1]).tokens > tokens
