"""The one table of what errors mean: complete, and heeded for accounts, chats and clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.errors import (
    BridgeError,
    BrowserError,
    ChatCancelled,
    HumanNeeded,
    Muted,
    NetworkError,
    NoAccount,
    NoAnswer,
    PoolFull,
    RateLimited,
    RequestError,
    SetupError,
    SiteBusy,
    SiteChanged,
    SiteError,
    SiteTimeout,
    StalePage,
    TokenRefused,
    UnknownConversation,
)
from bridge.pool.error_policy import (
    Transition,
    after_lost,
    conversation_is_gone,
    conversation_is_unclear,
    for_client,
    may_retry,
    retry_after,
    rule_of,
    transition,
)
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


@pytest.mark.parametrize("kind", [Muted, RateLimited, SiteBusy])
def test_a_time_that_is_over_is_no_reason_to_send_again_at_once(kind: type[SiteError]) -> None:
    """As where the site's clock is behind ours."""
    error = kind("refused", until=datetime.now(UTC) - timedelta(hours=1))
    assert in_seconds(error) == pytest.approx(90, abs=2)


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


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (SiteBusy("busy"), None),
        (SiteBusy("busy", retry_after=0.2), 1),
        (RateLimited("often"), 60),
        (RateLimited("often", until=datetime.now(UTC) + timedelta(hours=3)), 120),
        (NoAccount("none", retry_after=600), 120),
    ],
)
def test_a_client_hears_when_to_come_back_after_every_429_and_never_more_than_it_would_heed(
    error: BridgeError, seconds: float | None
) -> None:
    assert retry_after(error) == seconds


def test_a_client_hears_of_the_rest_of_the_account_by_an_error_of_its_own() -> None:
    error = RateLimited("often")
    copy = for_client(error, transition(error))
    assert copy.retry_after == pytest.approx(90, abs=2)
    assert error.retry_after is None


@pytest.mark.parametrize("kind", [SiteError, NoAnswer, BrowserError, SetupError, TokenRefused, NetworkError])
def test_what_went_wrong_with_site_browser_or_login_is_shown_with_the_account(kind: type[BridgeError]) -> None:
    assert rule_of(kind).noted


@pytest.mark.parametrize("kind", [BridgeError, RequestError, UnknownConversation, PoolFull, NoAccount, ChatCancelled])
def test_what_a_client_or_the_operator_did_is_not_shown_with_the_account(kind: type[BridgeError]) -> None:
    assert not rule_of(kind).noted


@pytest.mark.parametrize(
    ("error", "is_gone", "is_unclear"),
    [
        (UnknownConversation("gone"), True, False),
        (SiteTimeout("late", sent=True), False, True),
        (SiteTimeout("late"), False, False),
        (StalePage("old", sent=True), False, False),
    ],
)
def test_a_conversation_is_forgotten_where_it_is_gone_or_nobody_knows_how_it_stands(
    error: BridgeError, is_gone: bool, is_unclear: bool
) -> None:
    assert (conversation_is_gone(error), conversation_is_unclear(error)) == (is_gone, is_unclear)
