"""Responses that run in the background, without their client: each in a task of the application, with an event log.

A response is `queued` until the chat has begun. It ends like its answer, as `cancelled` if the client cancelled it, or
as `failed` if the bridge stops first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.http_errors import Failure, failure_of
from bridge.api.responses.responses_items import Event
from bridge.api.responses.responses_writer import ResponseWriter
from bridge.api.surface import Run
from bridge.errors import PoolFull
from bridge.tasks import Tasks

MOST_RUNNING = 64
"""Most responses that run in the background at a time."""
RETRY_AFTER = 5.0
"""Seconds after which a client that found no room may retry."""
STOPPED = Failure(503, "stopped", "server_error", "The bridge stopped before the response was complete.")


class EventLog:
    """The events of a response, numbered from 0, for any number of readers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._is_ended = False
        self._changed = asyncio.Event()

    def add(self, events: Sequence[Event]) -> None:
        """Add the next events."""
        self.events += events
        self._wake()

    def end(self) -> None:
        """End the log; readers end when they have read everything."""
        self._is_ended = True
        self._wake()

    async def follow(self, after: int = -1) -> AsyncIterator[list[Event]]:
        """Yield the events after the one numbered `after`, and future ones until the end."""
        place = after + 1
        while True:
            # Read before the events: whatever is added from here on sets this event object.
            changed = self._changed
            if new := self.events[place:]:
                place += len(new)
                yield new
            elif self._is_ended:
                return
            else:
                await changed.wait()

    async def next(self, after: int, limit: float) -> tuple[list[Event], bool]:
        """Wait for events after the one numbered `after`; return them, and whether they are the last."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while len(self.events) <= after + 1 and not self._is_ended:
                    await self._changed.wait()
        return self.events[after + 1 :], self._is_ended

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class BackgroundResponse:
    """One response that runs in the background; calls `on_end` with itself when it has ended in any way."""

    def __init__(
        self, owner: str, writer: ResponseWriter, items: Sequence[Any], on_end: Callable[[BackgroundResponse], None]
    ) -> None:
        self.owner, self.items = owner, items
        self.log = EventLog()
        self._writer, self._on_end = writer, on_end
        self._is_cancelled = False
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.log.add(writer.queue())

    @property
    def response(self) -> dict[str, Any]:
        """Return the current response."""
        return self._writer.response

    def start(self, tasks: Tasks, run: Run) -> None:
        """Run the chat in a task of `tasks`."""
        self._task = tasks.start(self._answer(run))
        # A callback, because a task that is cancelled before its first step runs none of its code.
        self._task.add_done_callback(lambda _: self._end())

    async def cancel(self) -> None:
        """Stop the generation, and wait until it has stopped; an answer that completes first stays complete."""
        # Only once: a second cancellation would interrupt the stopping of the generation on the site.
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()
        await self._ended.wait()

    async def _answer(self, run: Run) -> None:
        try:
            await run(self._take)
        except Exception as error:  # noqa: BLE001 - the edge: only the response can report an error
            if not self._writer.is_ended:
                self.log.add(self._writer.fail(failure_of(error, self.response["id"])))

    async def _take(self, _: int, events: Sequence[AnswerEvent]) -> None:
        for event in events:
            self.log.add(self._writer.take(event))

    def _end(self) -> None:
        if not self._writer.is_ended:
            self.log.add(self._writer.cancel() if self._is_cancelled else self._writer.fail(STOPPED))
        self._on_end(self)
        self.log.end()
        self._ended.set()


class BackgroundResponses:
    """The responses that run in the background, in `tasks` of the application, which end with it."""

    def __init__(self, tasks: Tasks, most: int = MOST_RUNNING) -> None:
        self._tasks, self._most = tasks, most
        self._running: dict[str, BackgroundResponse] = {}

    def start(
        self,
        owner: str,
        writer: ResponseWriter,
        items: Sequence[Any],
        run: Run,
        keep: Callable[[BackgroundResponse], None],
    ) -> BackgroundResponse:
        """Start a response, which `keep` stores now and at its end; raise `PoolFull` if too many run."""
        if len(self._running) >= self._most:
            message = f"{self._most} responses already run in the background; wait until one of them has ended."
            raise PoolFull(message, retry_after=RETRY_AFTER)

        def on_end(ended: BackgroundResponse) -> None:
            keep(ended)
            del self._running[ended.response["id"]]

        made = BackgroundResponse(owner, writer, items, on_end)
        self._running[made.response["id"]] = made
        keep(made)
        made.start(self._tasks, run)
        return made

    def find(self, owner: str, id: str) -> BackgroundResponse | None:  # noqa: A002
        """Return a running response of `owner`, or None."""
        found = self._running.get(id)
        return found if found is not None and found.owner == owner else None
