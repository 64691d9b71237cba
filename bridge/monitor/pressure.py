"""How loaded the bridge is, for load balancers and autoscalers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.chat.types import Account
from bridge.monitor.machine_load import MachineLoad
from bridge.monitor.resource_usage import ResourceSample

QUEUE_FULL = "The queue is full."
IDLE = MachineLoad()


@dataclass(frozen=True, slots=True)
class Pressure:
    """The load at one moment; `unready` is why the bridge can take no chat, as `/readyz` reports it."""

    accounts: Sequence[Account]
    """The operator's accounts, without those of clients' tokens, which serve only that client."""
    running: int
    waiting: int
    queue_limit: int
    oldest_wait: float
    """Seconds."""
    unready: str | None = None
    process: ResourceSample | None = None
    browser: ResourceSample | None = None
    machine: MachineLoad = IDLE
    open_limit: int | None = None
    """Most accounts that may be open, and so answer, at a time; None: all."""

    @property
    def usable(self) -> int:
        """Return how many accounts take chats, now or after their current one."""
        usable = sum(account.takes_chats for account in self.accounts)
        return usable if self.open_limit is None else min(usable, self.open_limit)

    @property
    def free(self) -> int:
        """Return how many accounts can take a chat at once or after waking up."""
        busy = sum(account.takes_chats and account.is_busy for account in self.accounts)
        return max(self.usable - busy, 0)

    @property
    def reason(self) -> str | None:
        """Return why a new chat would be refused, or None if it would not."""
        if self.unready is None and not self.free and self.waiting >= self.queue_limit:
            return QUEUE_FULL
        return self.unready

    @property
    def chats(self) -> float:
        """Return the share of the accounts in demand; 1 means that a new chat must wait."""
        if not self.usable:  # the bridge can still be ready, for clients that bring their own token
            return 0.0 if self.unready is None else 1.0
        return min((self.usable - self.free + self.waiting) / self.usable, 1.0)

    @property
    def value(self) -> float:
        """Return the greatest of all shares; 1 if new chats are refused."""
        return 1.0 if self.reason else round(max(self.chats, self.machine.cpu, self.machine.memory), 4)

    def as_json(self) -> dict[str, Any]:
        """Return the body of `/pressure`."""
        return {
            "pressure": self.value,
            "accepting": self.reason is None,
            "reason": self.reason,
            "shares": {"chats": round(self.chats, 4), "cpu": self.machine.cpu, "memory": self.machine.memory},
            "accounts": {"total": len(self.accounts), "usable": self.usable, "free": self.free},
            "running": self.running,
            "waiting": self.waiting,
            "queue_limit": self.queue_limit,
            "oldest_wait": round(self.oldest_wait, 1),
            "process": _used(self.process),
            "browser": _used(self.browser),
        }


def _used(sample: ResourceSample | None) -> dict[str, float] | None:
    return None if sample is None else {"memory_mb": sample.memory_mb, "cpu_percent": sample.cpu_percent}
