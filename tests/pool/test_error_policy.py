"""The one table of what errors mean: complete, and heeded for accounts, chats and clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.errors import (
    BridgeError,
    BrowserError,
    HumanNeeded,
    Muted,
    NoAccount,
    RateLimited,
    SiteBusy,
    SiteChanged,
    SiteError,
    StalePage,
)
from bridge.pool.error_policy import Transition, after_lost, may_retry, transition
from bridge.telemetry import WorkerState


def in_seconds(error: BridgeError, fails: int = 0) -> float:
    what = transition(error, fails)
    assert what is not None
    assert what.until is not None
    return (what.until - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited("often"), 90),
        (RateLimited("often", retry_after=17), 17),
        (SiteBusy("busy"), 15),
        (Muted("muted"), 86_400),
        (HumanNeeded("human"), 600),
        (StalePage("old", sent=True), 0),
    ],
)
def test_an_account_is_left_alone_as_long_as_the_site_says_or_is_known_to_need(
    error: BridgeError, seconds: float
) -> None:
    assert in_seconds(error) == pytest.approx(seconds, abs=2)


def test_the_end_that_the_site_names_counts() -> None:
    until = datetime.now(UTC) + timedelta(hours=72)
    assert transition(Muted("muted", until=until)) == Transition(WorkerState.MUTED, until)


@pytest.mark.parametrize("error", [BrowserError("gone"), SiteChanged("moved"), SiteError("odd")])
def test_an_account_that_is_lost_again_and_again_is_opened_ever_more_slowly(error: BridgeError) -> None:
    now = datetime.now(UTC)
    pauses = []
    for fails in range(7):
        what = after_lost(error, fails)
        assert what.state is WorkerState.BROKEN
        assert what.until is not None
        pauses.append(round((what.until - now).total_seconds()))
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 30


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (SiteBusy("busy"), True),
        (SiteBusy("busy", sent=True), False),
        (NoAccount("none"), False),
        (NoAccount("none", retry_after=60), True),
        (NoAccount("none", retry_after=600), False),
    ],
)
def test_a_client_is_told_to_try_again_only_where_that_does_no_harm(error: BridgeError, may: bool) -> None:
    assert may_retry(error) is may
