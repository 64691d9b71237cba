"""A person's visit to the page of an account, which takes no chats from when the person asks until the page is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.errors import BridgeError


@dataclass(slots=True, eq=False)
class Visit:
    """How far a visit has come; `wants_solving` says that the account was parked for a person to help it.

    The order is: asked for, `granted` (no chat is in the page), `began` (the page is the person's), `over` (the person
    has left, or solved what was to be solved), `ended` (the page is the account's again, or is lost).
    """

    wants_solving: bool = False
    stays_parked: bool = False
    """Whether the account is left alone afterwards as it was before, unless the person solves something."""
    granted: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_solved: bool = False
    may_act: Callable[[], bool] = lambda: True
    """Tells whether the account is still this bridge's, so that what the person does may reach its page."""
    on_solved: Callable[[], None] = lambda: None
    """Called when it is solved: the account is about to take chats again."""
    failure: BridgeError | None = None
    """Why it ended, or never began, where the person had no part in that."""

    def solve(self) -> None:
        """Note that what the account was parked for is solved: the visit is over."""
        self.is_solved = True
        self.over.set()
        self.on_solved()

    def leave(self) -> None:
        """Note that the person has left; a visit that had not begun has ended with that."""
        self.over.set()
        if not self.granted.is_set():
            self.end()

    def end(self, failure: BridgeError | None = None) -> None:
        """Note that the page is not the person's any more."""
        if not self.ended.is_set():
            self.failure = failure
        for step in (self.over, self.ended):
            step.set()
