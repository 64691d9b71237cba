"""A person's use of an account's page; the account takes no chats from the request until the page is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.errors import BridgeError


@dataclass(slots=True, eq=False)
class Visit:
    """The progress of a visit; `wants_solving` tells that the account was parked until a person helps.

    The order is: requested, `granted` (no chat uses the page), `began` (the person has the page), `over` (the person
    has left, or solved the problem), `ended` (the account has its page back, or the page is lost).
    """

    wants_solving: bool = False
    stays_parked: bool = False
    """Whether the account stays parked afterwards as before, unless the person solves the problem."""
    granted: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_solved: bool = False
    may_act: Callable[[], bool] = lambda: True
    """Tells whether this bridge still has the account, so that the person's input may reach its page."""
    on_solved: Callable[[], None] = lambda: None
    """Called when the problem is solved: the account is about to take chats again."""
    failure: BridgeError | None = None
    """Why it ended, or never began, if not by the person."""

    def solve(self) -> None:
        """Record that the problem is solved, which ends the visit."""
        self.is_solved = True
        self.over.set()
        self.on_solved()

    def leave(self) -> None:
        """Record that the person has left; a visit that was not granted ends at once."""
        self.over.set()
        if not self.granted.is_set():
            self.end()

    def end(self, failure: BridgeError | None = None) -> None:
        """Record that the person no longer has the page."""
        if not self.ended.is_set():
            self.failure = failure
        for step in (self.over, self.ended):
            step.set()
