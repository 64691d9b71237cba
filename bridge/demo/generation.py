"""Plays one score: streams one answer to the page at its rate.

The page may resume the answer on a second connection, so a generation outlives its streams.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import assert_never

from bridge.demo.model import Token
from bridge.demo.patches import Json, PatchEncoder, apply, encode_event
from bridge.demo.score import (
    LAST_CONTENT,
    Cut,
    Event,
    Lose,
    Open,
    Outcome,
    Patch,
    Raw,
    Say,
    Score,
    Sent,
    Silence,
    Snapshot,
    Step,
    Unattended,
    ending,
)
from bridge.demo.stream import HEARTBEAT, EventStream
from bridge.demo.turns import Turn


class Generation:
    """One answer in progress: plays its score to a stream and keeps the stored message in sync."""

    def __init__(
        self,
        turn: Turn,
        message: dict[str, Json],
        score: Score,
        rate: float,
        heartbeat: float,
        settle: Callable[[Generation], None],
    ) -> None:
        self.turn = turn
        self.message = message
        self.rest: Score = []
        self.shown = False  # whether any of the message was sent to the page
        self._state = {"response": message}
        self._steps = deque(score)
        self._period = 1 / rate if rate > 0 else 0.0
        self._due = 0.0
        self._heartbeat = heartbeat
        self._settle = settle
        self._interrupt = asyncio.Event()
        self._stream: EventStream | None = None
        self._encoder = PatchEncoder()
        self._outcome = "finished"
        self._stopping = False
        self._unattended = False
        self._begun = False

    def stop(self, status: str = "INCOMPLETE", outcome: str = "stopped") -> None:
        """End the answer at once; its rest can be continued later."""
        if self._stopping or self.turn.outcome:
            return
        self._stopping = True
        end = ending(status) if self.message["status"] == "WIP" else []
        self.rest, self._steps = list(self._steps), deque([Outcome(outcome), *end])
        self._disturb()
        if self._begun and self._stream is None:  # no stream reads it
            self._encode_rest()
            self._end(outcome)

    def leave(self, stream: EventStream) -> None:
        """Handle the loss of a client, unless another stream has taken over."""
        if self._unattended and self._steps and not self._stopping and self._stream is stream:
            self._stream = None
        elif self._stream in (None, stream) and not self.turn.outcome:
            self.rest, self._steps = list(self._steps), deque()
            self.message["status"] = "INCOMPLETE"
            self._disturb()
            self._end("disconnected")

    async def play(self, stream: EventStream) -> None:
        """Send the rest of the score; return early if another stream takes over."""
        resumed, self._begun = self._begun, True
        self._stream, self._encoder = stream, PatchEncoder()
        self._disturb()
        self._due = asyncio.get_running_loop().time()
        if resumed:
            await stream.open()
            await stream.send(self._encoder.snapshot(self._state))
        while self._steps and self._stream is stream:
            if await self._wait_for_turn(self._steps[0]) and self._stream is stream:
                await self._perform(self._steps.popleft(), stream)
        if self._stream is stream:
            self._end(self._outcome)

    def _end(self, outcome: str) -> None:
        self._settle(self)
        self.turn.end(outcome)

    async def _wait_for_turn(self, step: Step) -> bool:
        """Wait until a step is due, and tell whether it is still the next one."""
        if isinstance(step, Silence):
            self._steps.popleft()
            await self._wait(asyncio.get_running_loop().time() + step.seconds, step.heartbeats)
            self._due = asyncio.get_running_loop().time()
            return False
        if not isinstance(step, Say):
            return True
        self._due += self._period
        if not self._period:
            await asyncio.sleep(0)
            return bool(self._steps) and self._steps[0] is step
        return await self._wait(self._due)

    async def _wait(self, when: float, heartbeats: bool = True) -> bool:
        """Wait until a time, and tell whether nothing interrupted the wait."""
        clock, stream = asyncio.get_running_loop().time, self._stream
        while (now := clock()) < when:
            until = min(when, now + self._heartbeat)
            try:
                async with asyncio.timeout_at(until):
                    await self._interrupt.wait()
                return False
            except TimeoutError:
                if until < when and heartbeats and stream is not None:
                    await stream.flush()
                    await stream.send(HEARTBEAT)
        return True

    async def _perform(self, step: Step, stream: EventStream) -> None:
        match step:
            case Open():
                await stream.open()
            case Outcome(name):
                self._outcome = name
            case Cut(hard):
                self.message["status"] = "INCOMPLETE"
                await stream.cut(hard)
            case Lose():
                self._encode_rest()
                await stream.cut(hard=False)
            case Unattended():
                self._unattended = True
            case Silence():
                pass
            case _:
                data = self._encode(step)
                self.turn.note_byte()
                await stream.send(data)

    def _encode_rest(self) -> None:
        """Apply the rest of the score to the message at once."""
        while self._steps:
            if isinstance(step := self._steps.popleft(), Sent):
                self._encode(step)

    def _encode(self, step: Sent) -> bytes:
        """Apply a step to the message, and return its bytes."""
        match step:
            case Event(name, data):
                return encode_event({"updated_at": time.time()} if data is None else data, name)
            case Patch(path, op, value, applies):
                return self._patch(path, op, value, applies)
            case Say(token):
                return self._say(token)
            case Snapshot(token, fragments):
                return self._snapshot(token, fragments)
            case Raw(data):
                return data
            case _:
                assert_never(step)

    def _snapshot(self, token: Token | None, fragments: tuple[Json, ...] | None) -> bytes:
        if fragments is not None:
            self.message["fragments"] = list(fragments)
        if token is not None:
            self.message["fragments"][-1]["content"] += self._render(token)
        self.shown = True
        return self._encoder.snapshot(self._state)

    def _patch(self, path: str, op: str, value: Json, applies: bool = True) -> bytes:
        if applies:
            apply(self._state, path, op, value)
        return self._encoder.encode(path, op, value)

    def _say(self, token: Token) -> bytes:
        text = self._render(token)
        if token.reference is None:
            return self._patch(LAST_CONTENT, "APPEND", text)
        opened = [{"id": f["id"], "type": f["type"]} for f in self.message["fragments"] if f["type"] == "TOOL_OPEN"]
        cited = [{"p": "content", "o": "APPEND", "v": text}, {"p": "references", "o": "SET", "v": opened}]
        return self._patch("response/fragments/-1", "BATCH", cited)

    def _render(self, token: Token) -> str:
        """Return the text of a token that is sent now, and record it."""
        text = token.text if token.number is None else f"{token.text}{token.number}@{time.time():.6f} "
        self.turn.note_text(text, thinking=self.message["fragments"][-1]["type"] == "THINK")
        return text

    def _disturb(self) -> None:
        """Wake the current waits, but not later ones."""
        self._interrupt.set()
        self._interrupt.clear()
