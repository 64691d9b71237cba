"""Facts about the running system, and the sinks that receive them.

A fact is emitted once, where it becomes true; the log, the monitor and the dashboard are sinks. No fact holds a prompt,
an answer, a cookie or a token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from bridge.tasks import errors_logged

Step = Literal["waiting", "sending", "thinking", "writing"]
"""What happens with a chat: it has no account yet, the page is at it, the model thinks, the model answers."""


class WorkerState(StrEnum):
    """What an account can do now; whether it is busy follows from its lease instead.

    `CLOSED` is the last state of an account that is removed.
    """

    STARTING = "starting"
    READY = "ready"
    RESTING = "resting"
    MUTED = "muted"
    LOGGED_OUT = "logged_out"
    CHALLENGED = "challenged"
    BROKEN = "broken"
    CLOSED = "closed"


@dataclass(slots=True)
class Timeline:
    """When the steps of one chat happened, in seconds since it arrived."""

    chat: str
    model: str
    account: str = ""
    marks: dict[str, float] = field(default_factory=dict)
    on_mark: Callable[[str], None] | None = None
    """Called with each step when it happens."""
    _start: float = field(default_factory=time.monotonic)

    def mark(self, step: str) -> None:
        """Note that `step` happened now; only its first time counts."""
        if step not in self.marks:
            self.marks[step] = round(time.monotonic() - self._start, 4)
            if self.on_mark is not None:
                self.on_mark(step)

    def forget(self, step: str) -> None:
        """Let `step` happen anew: the chat moves to another account."""
        self.marks.pop(step, None)

    def at(self, step: str) -> float | None:
        """Return when `step` happened on the monotonic clock, or None."""
        seconds = self.marks.get(step)
        return None if seconds is None else self._start + seconds


@dataclass(frozen=True, slots=True)
class ChatQueued:
    """A chat has arrived; `waiting` counts it and those before it that have no account yet."""

    chat: str
    model: str
    waiting: int


@dataclass(frozen=True, slots=True)
class ChatStarted:
    """An account has taken the chat."""

    chat: str
    account: str


@dataclass(frozen=True, slots=True)
class ChatProgress:
    """How far the answer to a chat is; emitted at each new step, and a few times a second at most."""

    chat: str
    step: Step
    tokens: int
    """Estimated tokens of thinking and answer so far."""
    marks: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChatEnded:
    """A chat is over; `result` is the finish reason, an error's code, or `cancelled`."""

    chat: str
    model: str
    account: str
    result: str
    reason: str = ""
    marks: Mapping[str, float] = field(default_factory=dict)
    prompt_chars: int = 0
    answer_chars: int = 0
    tokens: int = 0
    """Estimated tokens of thinking and answer."""
    bundle: str = ""
    """The diagnostic bundle that was written because of its failure."""


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """An account has changed its state."""

    account: str
    state: WorkerState
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountRenamed:
    """An account that was called `before` has the name `account` from now on."""

    before: str
    account: str


@dataclass(frozen=True, slots=True)
class AccountHeld:
    """A person has come into the account's page, or has left it."""

    account: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class PageShown:
    """The account's page was opened, be it that it cannot take chats, or was closed."""

    account: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class BrowserStarted:
    """A Chromium is running; one that the operator runs has its address for an executable, and nothing of a sandbox."""

    version: str
    executable: str
    sandbox: bool | None


@dataclass(frozen=True, slots=True)
class BrowserLost:
    """The Chromium, or a part of it that all accounts need, is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """The site sent something that its decoder does not know: its shape, never a text."""

    site: str
    shape: str
    count: int


@dataclass(frozen=True, slots=True)
class ProfileSaved:
    """The site rotated something of the login, and the profile was written back."""

    account: str


@dataclass(frozen=True, slots=True)
class ConversationDeleted:
    """An unused conversation of the bridge is not on the site any more."""

    account: str
    conversation: str


Fact = (
    ChatQueued
    | ChatStarted
    | ChatProgress
    | ChatEnded
    | WorkerChanged
    | AccountRenamed
    | AccountHeld
    | PageShown
    | BrowserStarted
    | BrowserLost
    | DriftSeen
    | ProfileSaved
    | ConversationDeleted
)
Sink = Callable[[Fact], None]


class Telemetry:
    """Calls every sink with each fact, in the order in which the sinks were added."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)

    def add(self, sink: Sink) -> None:
        """Call `sink` with all facts from now on."""
        self._sinks.append(sink)

    def emit(self, fact: Fact) -> None:
        """Call the sinks; one that fails harms neither the others nor the caller."""
        for sink in self._sinks:
            with errors_logged("in a sink of telemetry"):
                sink(fact)
