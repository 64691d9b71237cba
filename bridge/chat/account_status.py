"""How an account stands, as everybody but the pool sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.telemetry import WorkerState


@dataclass(frozen=True, slots=True)
class AccountError:
    """What went wrong with an account, and when."""

    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """How an account stands now; `until` is when it is opened again, if that is known."""

    name: str
    state: WorkerState
    reason: str
    until: datetime | None
    is_busy: bool
    site: str = ""
    url: str = ""
    is_paused: bool = False
    """Whether its operator lets it take no chats."""
    is_held: bool = False
    """Whether a person is in its page, so that it takes no chats meanwhile."""
    sends_hour: int = 0
    sends_day: int = 0
    """Sends in the last hour, and in the last day."""
    hour_limit: int | None = None
    day_limit: int | None = None
    """What the settings allow of them."""
    last_error: AccountError | None = None
    last_seen: datetime | None = None
    """When its page has last given a sign of life."""
    page_chats: int = 0
    """Chats that its page was used for."""
    is_token_account: bool = False
    """Whether a client's own login opened it, so that only that client's chats may use it."""
    node: str = ""
    """The node that drives it; empty where the bridge is alone."""

    @property
    def takes_chats(self) -> bool:
        """Tell whether a chat may be given to it as soon as it has none; one that sleeps is opened for it."""
        can_answer = self.state in (WorkerState.READY, WorkerState.ASLEEP)
        return can_answer and not self.is_paused and not self.is_held

    def __str__(self) -> str:
        is_ahead = self.until is not None and self.until > datetime.now(UTC)
        until = f" until {self.until:%Y-%m-%d %H:%M:%S %Z}" if is_ahead else ""
        return f"{self.name} is {self._states()}{until}{f' ({self.reason})' if self.reason else ''}"

    def _states(self) -> str:
        """Return the state, and what else keeps chats away."""
        kept = [word for word, applies in (("paused", self.is_paused), ("held by a person", self.is_held)) if applies]
        return " and ".join(kept if kept and self.state is WorkerState.READY else [self.state, *kept])
