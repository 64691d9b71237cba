"""Decides what an error means for its account, for the chat, and for the client; no other module does.

`TABLE` has a rule for each class of error; a class without its own rule has that of its nearest base.
`docs/faults.md` shows the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

from bridge.durations import DAY
from bridge.errors import (
    BridgeError,
    BrowserError,
    ChatCancelled,
    ClusterUnavailable,
    HumanNeeded,
    KeyLimitReached,
    LeaseLost,
    LoginRequired,
    Muted,
    NetworkError,
    NoAccount,
    PoolError,
    RateLimited,
    RequestError,
    SendTimeout,
    SetupError,
    SiteBusy,
    SiteChanged,
    SiteError,
    SiteTimeout,
    StalePage,
    StorageError,
    UnknownConversation,
)
from bridge.telemetry import WorkerState

REST = 90.0
"""Seconds; a site's rate limit clears within one to three minutes."""
LONGEST_RETRY = 120.0
"""Seconds; SDKs ignore a longer `Retry-After`."""
UNKNOWN_WAIT = 60.0
"""Seconds to wait after an HTTP 429 without a named time."""
BACKOFF = (0.0, 0.5, 2.0, 10.0, 30.0)
"""Pauses in seconds before an account whose page or browser failed is opened again."""
CHANGED = (5.0, 60.0, 300.0)
"""The same if the page is not as the driver expects, which seldom ends by itself."""


class AnotherTry(StrEnum):
    """Where the bridge itself retries a chat of which nothing was generated."""

    NOWHERE = "no"
    ANYWHERE = "on any account"
    ELSEWHERE = "on another account"
    RELOADED = "on another account, or once more on this one with its page reloaded"
    ANEW = "once, with all of the history, in a new conversation"


class Retry(StrEnum):
    """When the client may safely send the same request again soon."""

    NO = "no"
    UNSENT = "if nothing was sent"
    TIMED = "if there is a `Retry-After`"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one class of error."""

    state: WorkerState | None = None
    """The account's next state; None: it does not change."""
    pauses: tuple[float, ...] = ()
    """Seconds until it is opened again, by consecutive failures, the last repeating; empty: only with a new login."""
    rests: float = 0.0
    """Instead of `pauses`: a share of the setting `pool.rest`."""
    named: bool = False
    """Whether a time named by the site replaces the pause."""
    again: AnotherTry = AnotherTry.NOWHERE
    refusal: bool = False
    """Whether the site raises it before it generates anything; others leave that open once the prompt was sent."""
    retry: Retry = Retry.NO
    noted: bool = True
    """Whether it is shown as the account's last error, as it concerns the site, the browser or the login."""


TABLE: Mapping[type[BridgeError], Rule] = {
    RequestError: Rule(noted=False),
    UnknownConversation: Rule(again=AnotherTry.ANEW, refusal=True, noted=False),
    PoolError: Rule(retry=Retry.UNSENT, noted=False),
    NoAccount: Rule(retry=Retry.TIMED, noted=False),
    KeyLimitReached: Rule(retry=Retry.TIMED, noted=False),
    ChatCancelled: Rule(noted=False),
    LoginRequired: Rule(WorkerState.LOGGED_OUT, again=AnotherTry.ELSEWHERE, refusal=True),
    HumanNeeded: Rule(WorkerState.CHALLENGED, (600.0,), again=AnotherTry.ELSEWHERE, refusal=True),
    Muted: Rule(WorkerState.MUTED, (DAY,), named=True, again=AnotherTry.ELSEWHERE, refusal=True),
    RateLimited: Rule(
        WorkerState.RESTING, rests=1, named=True, again=AnotherTry.ELSEWHERE, refusal=True, retry=Retry.UNSENT
    ),
    SiteBusy: Rule(
        WorkerState.RESTING, rests=1 / 6, named=True, again=AnotherTry.ELSEWHERE, refusal=True, retry=Retry.UNSENT
    ),
    StalePage: Rule(WorkerState.BROKEN, BACKOFF, again=AnotherTry.RELOADED, refusal=True),
    SiteChanged: Rule(WorkerState.BROKEN, CHANGED, again=AnotherTry.ELSEWHERE),
    SiteTimeout: Rule(WorkerState.BROKEN, BACKOFF, again=AnotherTry.ANYWHERE, retry=Retry.UNSENT),
    SendTimeout: Rule(retry=Retry.UNSENT),
    NetworkError: Rule(retry=Retry.UNSENT),
    SiteError: Rule(retry=Retry.UNSENT),
    BrowserError: Rule(WorkerState.BROKEN, BACKOFF, again=AnotherTry.ANYWHERE, retry=Retry.UNSENT),
    StorageError: Rule(noted=False),
    ClusterUnavailable: Rule(retry=Retry.UNSENT, noted=False),
    LeaseLost: Rule(WorkerState.BROKEN, BACKOFF, again=AnotherTry.ELSEWHERE, retry=Retry.UNSENT, noted=False),
    SetupError: Rule(WorkerState.BROKEN, BACKOFF, again=AnotherTry.ANYWHERE),
    BridgeError: Rule(WorkerState.BROKEN, BACKOFF, retry=Retry.UNSENT, noted=False),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """An account's next state; it is opened again at `until`, or if that is None, only for a new login or by hand."""

    state: WorkerState
    until: datetime | None = None


def rule_of(error: BridgeError | type[BridgeError]) -> Rule:
    """Return the rule for an error, or for a class of errors."""
    kind = error if isinstance(error, type) else type(error)
    return next(TABLE[base] for base in kind.__mro__ if base in TABLE)


def transition(
    error: BridgeError, fails: int = 0, rest: float = REST, now: Callable[[], float] = time.time
) -> Transition | None:
    """Return an account's next state after `error`, its `fails`-th consecutive failure; None: it does not change.

    `rest` is the pause in seconds after a refusal for which the site names no time; `now` returns the Unix time.
    """
    rule = rule_of(error)
    if rule.state is None:
        return None
    if rule.named and error.until is not None:
        # a time in the past, by either clock, is no reason to send again at once
        return Transition(rule.state, error.until if error.until.timestamp() > now() else _after(rest, now))
    seconds = error.retry_after if rule.named and error.retry_after else _pause(rule, fails, rest)
    return Transition(rule.state, None if seconds is None else _after(seconds, now))


def after_lost(
    error: BridgeError, fails: int = 0, rest: float = REST, now: Callable[[], float] = time.time
) -> Transition:
    """Return the next state of an account whose page was lost because of `error`; it is never READY."""
    found = transition(error, fails, rest, now)
    return found or Transition(WorkerState.BROKEN, _after(_step(BACKOFF, fails), now))


def _after(seconds: float, now: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(now() + seconds, UTC)


def for_client(error: BridgeError, what: Transition | None, now: Callable[[], float] = time.time) -> BridgeError:
    """Return a copy of `error` for the client, with a `retry_after` if the account rests because of `what`."""
    if what is None or what.state is not WorkerState.RESTING or what.until is None or error.retry_after is not None:
        return error.replace()
    return error.replace(retry_after=what.until.timestamp() - now())


def conversation_is_gone(error: BridgeError) -> bool:
    """Tell whether the site no longer has the conversation."""
    return rule_of(error).again is AnotherTry.ANEW


def conversation_is_unclear(error: BridgeError) -> bool:
    """Tell whether the conversation's state is unknown, as the prompt may be part of it."""
    return error.sent and rule_of(error).again is not AnotherTry.RELOADED


def may_go_on(error: BridgeError) -> bool:
    """Tell whether the bridge may try a chat without an answer so far again."""
    rule = rule_of(error)
    return rule.again is not AnotherTry.NOWHERE and (rule.refusal or not error.sent)


def may_retry(error: BridgeError) -> bool:
    """Tell whether the client may send the same request again soon."""
    retry = rule_of(error).retry
    if error.sent or retry is Retry.NO or (retry is Retry.TIMED and error.retry_after is None):
        return False
    return error.retry_after is None or error.retry_after <= LONGEST_RETRY


def retry_after(error: BridgeError) -> float | None:
    """Return the seconds after which the client should retry, if known; every HTTP 429 has them."""
    if error.retry_after is not None:
        wait = error.retry_after
    elif error.status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    else:
        wait = (error.until - datetime.now(UTC)).total_seconds() if error.until else UNKNOWN_WAIT
    return min(max(wait, 1.0), LONGEST_RETRY)


def _pause(rule: Rule, fails: int, rest: float) -> float | None:
    if rule.rests:
        return rest * rule.rests
    return _step(rule.pauses, fails) if rule.pauses else None


def _step(pauses: tuple[float, ...], fails: int) -> float:
    return pauses[min(fails, len(pauses) - 1)]
