"""Facts about the running system, and the sinks that receive them.

A fact is emitted once, where it becomes true; the log, the monitor and the dashboard are sinks. No fact holds a prompt,
an answer, a cookie or a token.
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
"""What happens with a chat: it has no account yet, the page is at it, the model thinks, the model answers."""


class WorkerState(StrEnum):
    """What an account can do now; whether it is busy follows from its lease instead.

    `ASLEEP` is an account whose page is closed because nobody needs it now: a chat for it opens it again. `CLOSED` is
    the last state of an account that is removed.
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
"""Chunks of one answer whose times are kept until the next report of its progress, a fraction of a second later."""
CANCELLED = "cancelled"  # the result of a chat without an answer and without an error: its client has left
LONGEST_DELAY = 60.0
"""Seconds; a chunk never takes so long from the page to the bridge."""


@dataclass(frozen=True, slots=True)
class ChunkTime:
    """How one chunk of an answer came."""

    delay: float
    """Seconds from the page's network to the bridge."""
    interval: float | None
    """Seconds since the chunk before it, as the page had them; None for the first one."""


@dataclass(slots=True)
class Timeline:
    """When the steps of one chat happened, in seconds since it arrived."""

    chat: str
    model: str
    account: str = ""
    site: str = ""
    marks: dict[str, float] = field(default_factory=dict)
    on_mark: Callable[[str], None] | None = None
    """Called with each step when it happens."""
    chunks: deque[ChunkTime] = field(default_factory=lambda: deque(maxlen=MOST_CHUNKS))
    """Of the chunks of the answer that no `ChatProgress` has reported yet."""
    _start: float = field(default_factory=time.monotonic)
    _chunk_at: float | None = None

    def mark(self, step: str) -> None:
        """Note that `step` happened now; only its first time counts."""
        if step not in self.marks:
            self.marks[step] = round(time.monotonic() - self._start, 4)
            if self.on_mark is not None:
                self.on_mark(step)

    def arrived(self, at: float) -> None:
        """Note a chunk of the answer that the page had when the monotonic clock showed `at`."""
        delay = time.monotonic() - at
        if 0 <= delay < LONGEST_DELAY:  # else the browser's clock is another one: it runs elsewhere
            self.chunks.append(ChunkTime(delay, None if self._chunk_at is None else at - self._chunk_at))
            self._chunk_at = at

    def forget(self, *steps: str) -> None:
        """Let these steps happen again: the chat moves to another account."""
        for step in steps:
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
    key: str = ""
    """What people call the key that it came with."""


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
    """About how many tokens thinking and answer have so far."""
    marks: Mapping[str, float]
    chunks: Sequence[ChunkTime] = ()
    """How the chunks came that arrived since the last report."""


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
    """Tokens of thinking and answer as the site wrote them; estimated where the model's vocabulary is not known."""
    bundle: str = ""
    """The diagnostic bundle that was written because of its failure."""
    variant: str = ""
    """What `model` stands for: a site's own model, with `-think` and `-search` where those are on."""
    dialect: str = ""
    """The API by which it came; empty where it came by none."""
    prompt_tokens: int = 0
    """Tokens of the messages, where they were counted."""
    trace_parent: str = ""
    """The client's `traceparent`, in the form of the W3C; empty where it sent none."""
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
class PageRenewed:
    """A new page has taken the place of the account's page, in the same browser context."""

    account: str


@dataclass(frozen=True, slots=True)
class BrowserStarted:
    """A Chromium is running; one that runs elsewhere has its address for an executable, and nothing of a sandbox."""

    version: str
    executable: str
    sandbox: bool | None


@dataclass(frozen=True, slots=True)
class BrowserLost:
    """The Chromium, or a part of it that all accounts need, is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class BrowserReplaced:
    """A second Chromium has started, and takes over from the one before, which closes when its last chat has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """The site sent something that its decoder does not know, or has moved a control: its shape, never a text."""

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


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The response to an HTTP request is sent, or its client has left."""

    method: str
    """`OTHER` for one that nothing is served for."""
    route: str
    """The path as the route table has it, with its parameters in braces; empty where nothing is served."""
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
    """Calls every sink with each fact, in the order in which the sinks were added."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)

    def add(self, sink: Sink) -> None:
        """Call `sink` with all facts from now on."""
        self._sinks.append(sink)

    def emit(self, fact: Fact) -> None:
        """Call the sinks; one that fails harms neither the others nor the caller."""
        for sink in self._sinks:
            try:
                sink(fact)
            except Exception as error:  # noqa: BLE001 - an outermost edge, of a listener
                log_unexpected(error, "in a sink of telemetry")
