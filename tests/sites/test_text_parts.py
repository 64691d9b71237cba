"""What is given out of a text that the site may change is never silently wrong, and no mark is given out in part."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sites.site_file.text_marks import LONGEST_MARK, TextMarks
from bridge.sites.site_file.text_parts import Emitted, Mode, TextParts

PLAIN = TextMarks((), None, lambda _: None)
Step = tuple[str, Mode, str]


def taken(text: TextParts, *steps: Step) -> list[Emitted]:
    """Return what the steps and the end give out, without what gives out nothing."""
    return [given for given in (*(text.take(*step) for step in steps), text.finish()) if given != Emitted("")]


STEPS = st.lists(
    st.tuples(st.text("ab", max_size=4), st.sampled_from(("delta", "set", "cumulative")), st.sampled_from("xyz"))
)


@given(STEPS, st.integers(0, 6))
def test_what_was_given_out_is_the_text_in_the_end_or_is_taken_back(steps: list[Step], holds: int) -> None:
    text, parts, out = TextParts(PLAIN, holds), dict[str, str](), ""
    for value, mode, key in steps:
        before = parts.get(key, "")
        parts[key] = {"delta": before + value, "set": value, "cumulative": value or before}[mode]
        given = text.take(value, mode, key)
        out = given.text if given.is_rewrite else out + given.text
    given = text.finish()
    out = given.text if given.is_rewrite else out + given.text
    assert out == "".join(parts.values()) == str(text)


@given(STEPS)
def test_reasoning_that_is_changed_is_never_taken_back(steps: list[Step]) -> None:
    text = TextParts(PLAIN, is_fixed=False)
    assert not any(given.is_rewrite for given in taken(text, *steps))


def test_a_change_of_what_is_held_is_not_seen() -> None:
    steps: list[Step] = [("Rain is", "set", "p"), ("Rain was", "set", "p"), ("Rain was water, and more.", "set", "p")]
    assert all(not given.is_rewrite for given in taken(TextParts(PLAIN, holds=8), *steps))
    assert taken(TextParts(PLAIN, holds=1), *steps)[1] == Emitted("Rain was", is_rewrite=True)


def test_a_changed_text_is_given_out_anew_at_once_and_at_the_end() -> None:
    steps: list[Step] = [("One", "delta", "p"), ("Two", "set", "p"), (" three", "delta", "p"), ("Four", "set", "p")]
    assert taken(TextParts(PLAIN), *steps) == [
        Emitted("One"),
        Emitted("Two", is_rewrite=True),
        Emitted("Four", is_rewrite=True),
    ]


def test_an_earlier_part_that_grows_changes_the_text() -> None:
    assert taken(TextParts(PLAIN), ("a", "delta", "x"), ("b", "delta", "y"), ("A", "delta", "x")) == [
        Emitted("a"),
        Emitted("b"),
        Emitted("aAb", is_rewrite=True),
    ]


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        (["Rain ", "falls ", "down."], "Rain falls down."),
        (["Rain", "Rain falls", "Rain falls down", "Rain falls down."], "Rain falls down."),
        (["R", "Ra", "Rain fal", "Rain falls down."], "Rain falls down."),
        ([" ", " the", " cat"], "  the cat"),
        (["Yes.", "Yes."], "Yes."),
        (["ha "] * 5, "ha ha ha ha ha "),
        (["", "a", ""], "a"),
    ],
)
def test_values_that_repeat_those_before_are_told_by_their_beginning(values: list[str], whole: str) -> None:
    assert "".join(given.text for given in taken(TextParts(PLAIN), *((value, "auto", "") for value in values))) == whole


MARKED = TextMarks((r"\[\(deep_\w+\)\]", r"<span>[^<]{0,20}</span>"), r"【(turn\d+)】", {"turn3": "[citation:1]"}.get)


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        ("[(deep_think)]Rain【turn3】 falls.<span>[AI]</span>", "Rain[citation:1] falls."),
        ("No source【turn4】, no mark [(deep", "No source【turn4】, no mark [(deep"),
        ("【【turn3】】", "【[citation:1]】"),
        ("<span>" + "a" * 300, "<span>" + "a" * 300),
    ],
)
def test_marks_are_found_wherever_the_text_is_cut(said: str, clean: str) -> None:
    for at in range(len(said) + 1):
        steps: list[Step] = [(said[:at], "delta", ""), (said[at:], "delta", "")]
        assert "".join(given.text for given in taken(TextParts(MARKED), *steps)) == clean
    single: list[Step] = [(letter, "delta", "") for letter in said]
    assert "".join(given.text for given in taken(TextParts(MARKED), *single)) == clean


def test_only_what_may_be_a_mark_is_held_back() -> None:
    text = TextParts(MARKED)
    assert text.take("Rain 【tur", "delta") == Emitted("Rain ")
    assert text.take("tle", "delta") == Emitted("【turtle")
    text.take("<span>", "delta")
    pieces = [text.take("a", "delta").text for _ in range(LONGEST_MARK)]
    assert "".join(pieces).startswith("<span>a")


def seconds(frames: int) -> float:
    """Return the time that a text takes whose first and last part are changed again and again."""
    text = TextParts(MARKED, holds=8)
    begun = time.process_time()
    for number in range(frames):
        text.take("ab【", "delta", "first")
        text.take("c", "delta", str(number % 3))
    text.finish()
    return time.process_time() - begun


def test_the_time_grows_with_the_text_alone() -> None:
    seconds(1000)
    small, large = (min(seconds(frames) for _ in range(3)) for frames in (4_000, 32_000))
    assert large / small < 8 * 3
