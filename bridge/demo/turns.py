"""The record of requests and answers, and a way to wait for changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.demo.patches import Json


class Changes:
    """A condition on which coroutines wait for changes."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake all waiting coroutines."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def until(self, condition: Callable[[], object], timeout: float | None) -> None:
        """Wait until the condition holds, or raise TimeoutError."""
        async with asyncio.timeout(timeout):
            while not condition():
                await self._next()

    async def _next(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)


@dataclass(slots=True)
class Turn:
    """The record of one request for an answer; times are Unix times."""

    number: int
    kind: str  # "completion", "edit_message", "regenerate" or "continue"
    prompt: str = ""
    thinking_enabled: bool = False
    search_enabled: bool = False
    model_type: str | None = None
    conversation: str = ""
    parent: int | None = None
    files: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()  # names
    accepted_at: float = field(default_factory=time.time)
    first_byte_at: float | None = None
    ended_at: float | None = None
    outcome: str = ""  # "" while it runs, then "finished", "stopped", "disconnected", "refused:<code>", ...
    streams: list[str] = field(default_factory=list)  # the calls that carried the answer
    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)
    _ended: Callable[[], None] = lambda: None

    @property
    def sent_text(self) -> str:
        """Return the part of the answer that was sent."""
        return "".join(self._text)

    @property
    def sent_thinking(self) -> str:
        """Return the part of the thinking that was sent."""
        return "".join(self._thinking)

    def note_text(self, text: str, *, thinking: bool) -> None:
        """Record a piece of the answer that is about to be sent."""
        (self._thinking if thinking else self._text).append(text)

    def note_byte(self) -> None:
        """Record that the response has begun."""
        if self.first_byte_at is None:
            self.first_byte_at = time.time()

    def end(self, outcome: str) -> None:
        """Record the outcome of the turn; only the first one counts."""
        if not self.outcome:
            self.outcome, self.ended_at = outcome, time.time()
            self._ended()

    def to_json(self) -> dict[str, Json]:
        """Describe the turn."""
        public = [name for name in self.__slots__ if not name.startswith("_")]
        return {name: getattr(self, name) for name in [*public, "sent_text", "sent_thinking"]}
