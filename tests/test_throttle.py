"""How often something may happen for each key, and how much is remembered of it."""

from __future__ import annotations

from bridge.throttle import Throttle


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_after_a_burst_there_is_one_event_an_interval() -> None:
    clock = Clock()
    throttle = Throttle(3, 10.0, clock=clock)
    assert [throttle.take("a") for _ in range(5)] == [0, 0, 0, 10, 10]
    clock.now += 4
    assert throttle.take("a") == 6
    clock.now += 6
    assert [throttle.take("a"), throttle.take("a")] == [0, 10]
    clock.now += 1000
    assert [throttle.take("a") for _ in range(4)] == [0, 0, 0, 10]


def test_keys_do_not_disturb_each_other() -> None:
    throttle = Throttle(1, 10.0, clock=Clock())
    assert [throttle.take(key) for key in ("a", "b", "a")] == [0, 0, 10]


def test_looking_at_the_wait_counts_no_event() -> None:
    throttle = Throttle(1, 10.0, clock=Clock())
    assert [throttle.wait("a"), throttle.wait("a"), throttle.take("a"), throttle.wait("a")] == [0, 0, 0, 10]


def test_no_more_keys_are_remembered_than_allowed() -> None:
    throttle = Throttle(1, 10.0, most_keys=10, clock=Clock())
    for number in range(1000):
        throttle.take(number)
    assert [throttle.wait(number) for number in (0, 989, 990, 999)] == [0, 0, 10, 10]
