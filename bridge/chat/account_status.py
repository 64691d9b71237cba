"""The public state of an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.telemetry import WorkerState


@dataclass(frozen=True, slots=True)
class AccountError:
    """The last error of an account, and its time."""

    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """The current state of an account; `until` is when it is opened again, if that is known."""

    name: str
    state: WorkerState
    reason: str
    until: datetime | None
    is_busy: bool
    site: str = ""
    url: str = ""
    is_paused: bool = False
    """Whether its operator has paused it, so that it takes no chats."""
    is_held: bool = False
    """Whether a person uses its page, so that it takes no chats."""
    sends_hour: int = 0
    sends_day: int = 0
    """Prompts sent in the last hour, and in the last day."""
    hour_limit: int | None = None
    day_limit: int | None = None
    """The limits of the settings; None: no limit."""
    last_error: AccountError | None = None
    last_seen: datetime | None = None
    """When its page last gave a sign of life."""
    page_chats: int = 0
    """Chats that its page has answered."""
    is_token_account: bool = False
    """Whether it belongs to a client's own login, so that only that client's chats may use it."""
    node: str = ""
    """The node that has it; empty without a cluster."""

    @property
    def takes_chats(self) -> bool:
        """Tell whether it can take a chat once it is free; a sleeping account is opened for one."""
        can_answer = self.state in (WorkerState.READY, WorkerState.ASLEEP)
        return can_answer and not self.is_paused and not self.is_held

    def __str__(self) -> str:
        is_ahead = self.until is not None and self.until > datetime.now(UTC)
        until = f" until {self.until:%Y-%m-%d %H:%M:%S %Z}" if is_ahead else ""
        return f"{self.name} is {self._states()}{until}{f' ({self.reason})' if self.reason else ''}"

    def _states(self) -> str:
        """Return the state, and other reasons why it takes no chats."""
        kept = [word for word, applies in (("paused", self.is_paused), ("held by a person", self.is_held)) if applies]
        return " and ".join(kept if kept and self.state is WorkerState.READY else [self.state, *kept])
