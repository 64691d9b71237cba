"""Sliding windows: never more than the limit in any span, and bounded however much is added."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.api.access.usage_windows import UsageWindow


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=60), st.integers(5, 10))
def test_what_is_added_only_when_it_fits_never_exceeds_the_limit_in_any_span(
    asked: list[tuple[float, int]], limit: int
) -> None:
    window, now, taken = UsageWindow(60, 1), 1_000_000.0, []
    for pause, amount in asked:
        now += pause
        if window.fits_in(amount, limit, now) == 0:
            window.add(now, amount)
            taken.append((now, amount))
    for end, _ in taken:
        assert sum(amount for at, amount in taken if end - 60 < at <= end) <= limit


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), min_size=1, max_size=60), st.integers(1, 5))
def test_after_the_time_that_is_told_it_fits_and_not_much_before(asked: list[tuple[float, int]], amount: int) -> None:
    window, now = UsageWindow(60, 1), 1_000_000.0
    for pause, added in asked:
        now += pause
        window.add(now, added)
    wait = window.fits_in(amount, 5, now)
    assert wait <= 61
    assert wait == 0 or window.fits_in(amount, 5, now + wait - 0.01) > 0
    assert window.fits_in(amount, 5, now + wait) == 0


def test_what_is_taken_back_counts_no_more() -> None:
    window = UsageWindow(60, 1)
    window.add(100.2, 7)
    window.add(130.0, 3)
    window.add(100.9, -7)
    assert (window.used(131), window.used(191)) == (3, 0)
    assert window.empty_in(191) == 0


def test_a_window_keeps_no_more_than_its_steps() -> None:
    window = UsageWindow(60, 1)
    for number in range(10_000):
        window.add(number / 10, 1)
        window.used(number / 10)
    assert len(window._steps) <= 61
    assert window.used(1000) <= 610
