"""Facts about the running system, and the sinks that receive them.

A fact is emitted once, where it becomes true; the log, the monitor and the dashboard are sinks. No fact contains a
prompt, an answer, a cookie or a token.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from bridge.tasks import log_unexpected

Step = Literal["waiting", "sending", "thinking", "writing"]
"""The step of a chat: it waits for an account, the page sends it, the model thinks, the model answers."""


class WorkerState(StrEnum):
    """The state of an account; whether it is busy follows from its lease instead.

    The page of an `ASLEEP` account is closed while it is not needed: a chat opens it again. `CLOSED` is the last state
    of a removed account.
    """

    STARTING = "starting"
    READY = "ready"
    ASLEEP = "asleep"
    RESTING = "resting"
    MUTED = "muted"
    LOGGED_OUT = "logged_out"
    CHALLENGED = "challenged"
    BROKEN = "broken"
    CLOSED = "closed"


MOST_CHUNKS = 1000
"""Most chunks of an answer whose times are kept until the next report of its progress."""
CANCELLED = "cancelled"  # the result of a chat without an answer and without an error: its client has left
LONGEST_DELAY = 60.0
"""Seconds; a chunk never takes longer from the page to the bridge."""


@dataclass(frozen=True, slots=True)
class ChunkTime:
    """The times of one chunk of an answer."""

    delay: float
    """Seconds from the page's network to the bridge."""
    interval: float | None
    """Seconds between the page's receipt of the previous chunk and this one; None for the first one."""


@dataclass(slots=True)
class Timeline:
    """The times of one chat's steps, in seconds since its arrival."""

    chat: str
    model: str
    account: str = ""
    site: str = ""
    marks: dict[str, float] = field(default_factory=dict)
    on_mark: Callable[[str], None] | None = None
    """Called with each step when it happens."""
    chunks: deque[ChunkTime] = field(default_factory=lambda: deque(maxlen=MOST_CHUNKS))
    """Times of the answer's chunks that no `ChatProgress` has reported yet."""
    _start: float = field(default_factory=time.monotonic)
    _chunk_at: float | None = None

    def mark(self, step: str) -> None:
        """Record that `step` happened now; only its first time counts."""
        if step not in self.marks:
            self.marks[step] = round(time.monotonic() - self._start, 4)
            if self.on_mark is not None:
                self.on_mark(step)

    def arrived(self, at: float) -> None:
        """Record a chunk of the answer that the page received at the monotonic time `at`."""
        delay = time.monotonic() - at
        if 0 <= delay < LONGEST_DELAY:  # else the browser is remote, with another clock
            self.chunks.append(ChunkTime(delay, None if self._chunk_at is None else at - self._chunk_at))
            self._chunk_at = at

    def forget(self, *steps: str) -> None:
        """Clear steps that will happen again on another account."""
        for step in steps:
            self.marks.pop(step, None)

    def at(self, step: str) -> float | None:
        """Return when `step` happened on the monotonic clock, or None."""
        seconds = self.marks.get(step)
        return None if seconds is None else self._start + seconds


@dataclass(frozen=True, slots=True)
class ChatQueued:
    """A chat has arrived; `waiting` counts the chats without an account up to this one."""

    chat: str
    model: str
    waiting: int
    key: str = ""
    """The name of the chat's key."""


@dataclass(frozen=True, slots=True)
class ChatStarted:
    """An account has taken the chat."""

    chat: str
    account: str


@dataclass(frozen=True, slots=True)
class ChatProgress:
    """The progress of an answer, emitted at each new step, and at most a few times a second."""

    chat: str
    step: Step
    tokens: int
    """Approximate tokens of thinking and answer so far."""
    marks: Mapping[str, float]
    chunks: Sequence[ChunkTime] = ()
    """Times of the chunks since the last report."""


@dataclass(frozen=True, slots=True)
class ChatEnded:
    """A chat is over; `result` is the finish reason, an error's code, or `CANCELLED`.

    The marks, in their order: `queued`, `started` (it has an account), `opened` (the page shows its conversation),
    `sent`, `first_byte`, `first_token`, `answered` and `end`.
    """

    chat: str
    model: str
    account: str
    result: str
    reason: str = ""
    marks: Mapping[str, float] = field(default_factory=dict)
    prompt_chars: int = 0
    answer_chars: int = 0
    tokens: int = 0
    """Tokens of the site's thinking and answer; estimated if the model's vocabulary is not known."""
    bundle: str = ""
    """The diagnostic bundle that was written for its failure."""
    variant: str = ""
    """The site's own model behind `model`, with `-think` and `-search` if those are on."""
    dialect: str = ""
    """The API by which it came; empty for none."""
    prompt_tokens: int = 0
    """Tokens of the messages; 0 if not counted."""
    trace_parent: str = ""
    """The client's W3C `traceparent`; empty if it sent none."""
    key: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """An account has changed its state."""

    account: str
    state: WorkerState
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountRenamed:
    """The account `before` was renamed to `account`."""

    before: str
    account: str


@dataclass(frozen=True, slots=True)
class AccountHeld:
    """A person has started or ended a visit to the account's page."""

    account: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class PageShown:
    """The account's page was opened, whether or not it takes chats, or closed."""

    account: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class PageRenewed:
    """The account's page was replaced by a new one in the same browser context."""

    account: str


@dataclass(frozen=True, slots=True)
class BrowserStarted:
    """A Chromium is running; for a remote one, `executable` is its address and `sandbox` is None."""

    version: str
    executable: str
    sandbox: bool | None


@dataclass(frozen=True, slots=True)
class BrowserLost:
    """Chromium, or a part of it that all accounts need, is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class BrowserReplaced:
    """A second Chromium has replaced the first one, which closes after its last chat."""

    reason: str


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """The site sent unknown data or moved a control; `shape` describes it without its text."""

    site: str
    shape: str
    count: int


@dataclass(frozen=True, slots=True)
class ProfileSaved:
    """The site renewed the login, and the profile was written back."""

    account: str


@dataclass(frozen=True, slots=True)
class ConversationDeleted:
    """An unused conversation of the bridge was deleted on the site."""

    account: str
    conversation: str


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The response to an HTTP request was sent, or its client has left."""

    method: str
    """The HTTP method; `OTHER` for an unsupported one."""
    route: str
    """The path in the route table, with parameters in braces; empty if there is no route."""
    status: int
    seconds: float


Fact = (
    ChatQueued
    | ChatStarted
    | ChatProgress
    | ChatEnded
    | WorkerChanged
    | AccountRenamed
    | AccountHeld
    | PageShown
    | PageRenewed
    | BrowserStarted
    | BrowserLost
    | BrowserReplaced
    | DriftSeen
    | ProfileSaved
    | ConversationDeleted
    | RequestAnswered
)
Sink = Callable[[Fact], None]


class Telemetry:
    """The sinks, called with each fact in the order in which they were added."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)

    def add(self, sink: Sink) -> None:
        """Call `sink` with all facts from now on."""
        self._sinks.append(sink)

    def emit(self, fact: Fact) -> None:
        """Call the sinks; an error of one affects neither the others nor the caller."""
        for sink in self._sinks:
            try:
                sink(fact)
            except Exception as error:  # noqa: BLE001 - an outermost edge, of a listener
                log_unexpected(error, "in a sink of telemetry")
