"""An account of the pool: how it stands, and what the pool needs of the worker behind it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from bridge import models
from bridge.chat import Account, ChatEvent, ChatRequest, Model
from bridge.conversations import Place
from bridge.errors import BridgeError, UnknownModel
from bridge.telemetry import Timeline, WorkerState

NEEDS_PERSON = (WorkerState.LOGGED_OUT, WorkerState.CHALLENGED)
"""States that seldom end before a person does something."""
AWAY = (*NEEDS_PERSON, WorkerState.MUTED)
"""States that mostly last for hours."""
JITTER = 0.3
"""The pace varies by up to this share of the minimum interval."""
NOBODY = "No account is logged in; run `bridge login NAME`."


class PoolWorker(Protocol):
    """What the pool needs of a worker; `Worker` is the real one."""

    name: str

    @property
    def models(self) -> Sequence[Model]:
        """Return the base names of the models it serves."""
        ...

    @property
    def min_interval(self) -> float:
        """Return the seconds between two sends."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Open the account, and close it on leaving; raise what stands in the way."""
        ...

    async def lost(self) -> NoReturn:
        """Raise as soon as the open account cannot be used any more."""
        ...

    def give_up(self, error: BridgeError) -> None:
        """Make `lost` raise `error`."""
        ...

    def interrupt(self, error: BridgeError) -> None:
        """End the running chat with `error`; its account is none the worse for it."""
        ...

    async def renewed(self) -> None:
        """Return when somebody has logged the account in again."""
        ...

    @property
    def is_worn(self) -> bool:
        """Tell whether `renew` is due."""
        ...

    async def renew(self) -> None:
        """Begin with a new page."""
        ...

    @property
    def wants_new_chat(self) -> bool:
        """Tell whether `prepare` would make the next chat faster."""
        ...

    async def prepare(self) -> None:
        """Bring up an empty chat."""
        ...

    async def delete(self, conversation: str) -> None:
        """Delete a conversation on the site."""
        ...

    def chat(self, request: ChatRequest, timeline: Timeline, place: Place | None) -> AsyncGenerator[ChatEvent]:
        """Answer one chat, in the conversation at `place` if there is one."""
        ...


@dataclass(slots=True, eq=False)
class Slot:
    """An account and what is known of it; before the clock shows `free_at` it does not send."""

    worker: PoolWorker
    state: WorkerState = WorkerState.STARTING
    reason: str = ""
    until: datetime | None = None
    min_interval: float | None = None
    """Seconds between two sends, where the settings name them."""
    free_at: float = 0.0
    fails: int = 0
    caution: int = 0
    """How many sends more are made at a slower pace, after a rest."""
    is_guest: bool = False
    """Whether a client's own login opened it, so that only that client's chats may use it."""
    sends: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """Unix times of the sends."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the account shall be opened again before its time."""
    looks: int = 0
    """How often it was found out how the account stands."""

    @property
    def is_parked(self) -> bool:
        """Tell whether the account is neither open nor being opened."""
        return self.state not in (WorkerState.STARTING, WorkerState.READY)

    def account(self, *, is_busy: bool) -> Account:
        """Return how the account stands now."""
        return Account(self.worker.name, self.state, self.reason, self.until, is_busy)

    def serves(self, model: Model) -> bool:
        """Tell whether the account's site has that model."""
        try:
            models.resolve(model.id, self.worker.models)
        except UnknownModel:
            return False
        return True

    def pause(self, since: float) -> None:
        """Let the account send nothing for its interval, or a little more, after the clock showed `since`."""
        self.free_at = since + self.least_pause * random.uniform(1, 1 + JITTER)  # noqa: S311 - a pace

    @property
    def least_pause(self) -> float:
        """Return the least seconds between two sends now."""
        least = self.worker.min_interval if self.min_interval is None else self.min_interval
        return least * (1 + self.caution)

    @property
    def back_in(self) -> float | None:
        """Return the seconds until a parked account is opened again, or None where it waits for a person."""
        return None if self.until is None else max((self.until - datetime.now(UTC)).total_seconds(), 0.0)

    def is_back_within(self, seconds: float) -> bool:
        """Tell whether it makes sense to wait that long for the account."""
        back_in = self.back_in if self.is_parked else 0.0
        return back_in is not None and back_in <= seconds


def standing(slots: Sequence[Slot]) -> str:
    """Return how these accounts stand, in words."""
    return "; ".join(str(slot.account(is_busy=False)) for slot in slots) or NOBODY.rstrip(".")
