"""One answer of a stand-in: its frames, changed by the fault of the turn, at their rate."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from bridge.demo.model import Composition
from bridge.demo.standins.standin_accounts import StandInAccount
from bridge.demo.standins.standin_wire import Exchange, Wire
from bridge.demo.stream import EventStream
from bridge.demo.switchboard import Switch
from bridge.demo.turns import Turn

_CITATION = re.compile(r"\[(citation|reference):(\d+)\]")


@dataclass(slots=True)
class Step:
    """One write: frames and the text in them, or an `act` in their place."""

    data: bytes = b""
    text: str = ""
    thinking: str = ""
    act: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Steps:
    """The three parts of an answer."""

    opening: list[Step] = field(default_factory=list)
    pieces: list[Step] = field(default_factory=list)
    ending: list[Step] = field(default_factory=list)


def steps_of(wire: Wire, exchange: Exchange, composition: Composition, fault: Switch | None) -> list[Step]:
    """Return the steps of an answer."""
    steps = Steps(opening=_steps(wire.opening(exchange)))
    rewrites = fault is not None and fault.name == "rewrite"
    empty = fault is not None and fault.name == "empty"
    steps.pieces = list(_pieces(wire, exchange, composition, empty=empty, rewrites=rewrites))
    steps.ending = _steps(wire.ending(exchange))
    if fault is not None and fault.name in _SPOILERS:
        _SPOILERS[fault.name](wire, steps, fault)
    lingering = [Step(act="linger", seconds=wire.lingers)] if wire.lingers and steps.ending else []
    return [*steps.opening, *steps.pieces, *steps.ending, *lingering]


def _steps(frames: Iterable[bytes]) -> list[Step]:
    return [Step(frame) for frame in frames]


def _pieces(wire: Wire, exchange: Exchange, composition: Composition, *, empty: bool, rewrites: bool) -> Iterator[Step]:
    yield from _thoughts(wire, exchange, [token.text for token in composition.thinking or ()])
    if composition.results:
        exchange.results = composition.results
        yield from _steps(wire.found(exchange))
    if composition.thinking is not None:
        yield from _thoughts(wire, exchange, [token.text for token in composition.afterthought])
    for number, token in enumerate(() if empty else composition.answer):
        said = _CITATION.sub(lambda found: wire.cites(int(found[2]) + (found[1] == "reference")), token.text)
        exchange.text += said
        yield Step(b"".join(wire.text(exchange, said)), text=said)
        if rewrites and number == 3:
            yield from _steps(wire.rewritten(exchange))


def _thoughts(wire: Wire, exchange: Exchange, pieces: Iterable[str]) -> Iterator[Step]:
    for piece in pieces:
        exchange.thought += piece
        yield Step(b"".join(wire.thinking(exchange, piece)), thinking=piece)


def _cut_after(steps: Steps, after: int, *instead: Step) -> None:
    del steps.pieces[after:]
    steps.pieces += instead
    steps.ending.clear()


def _refuse_late(wire: Wire, steps: Steps, fault: Switch) -> None:
    refusal = wire.refusals[fault.params["kind"]]
    _cut_after(steps, fault.params["after"], Step(refusal if isinstance(refusal, bytes) else b""))


def _fail_after_end(wire: Wire, steps: Steps, fault: Switch) -> None:
    refusal = wire.refusals[fault.params["kind"]]
    steps.ending.append(Step(refusal if isinstance(refusal, bytes) else b""))


def _add(frame: bytes) -> Callable[[Steps, int], None]:
    return lambda steps, after: steps.pieces.insert(after, Step(frame))


_SPOILERS: dict[str, Callable[[Wire, Steps, Switch], None]] = {
    "late_refusal": _refuse_late,
    "error_after_end": _fail_after_end,
    "abort": lambda _, steps, fault: _cut_after(steps, fault.params["after"], Step(act="abort")),
    "no_end": lambda _, steps, fault: _cut_after(steps, fault.params["after"]),
    "stall": lambda _, steps, fault: steps.pieces.insert(
        fault.params["after"], Step(act="wait", seconds=fault.params["seconds"])
    ),
    "broken_frame": lambda wire, steps, fault: _add(wire.broken)(steps, fault.params["after"]),
    "unknown_frames": lambda wire, steps, fault: _add(wire.unknown)(steps, fault.params["after"]),
}


class Answering:
    """One answer that is written to the page until it ends or is stopped."""

    def __init__(
        self, request: web.Request, account: StandInAccount, turn: Turn, headers: Mapping[str, str], cut: int | None
    ) -> None:
        self._account, self._turn = account, turn
        self._stream = EventStream(request, headers, cut)

    async def play(self, steps: list[Step], period: float, first_byte: float = 0.0) -> web.StreamResponse:
        """Write all steps, `period` seconds apart."""
        self._account.stopped.clear()
        try:
            await self._pause(first_byte)
            await self._stream.open()
            await self._write(steps, period)
            await self._stream.close()
            self._turn.end("finished")
        except ConnectionError:
            self._turn.end("disconnected")
        except asyncio.CancelledError:
            self._turn.end("disconnected")
            raise
        return self._stream.response

    async def _write(self, steps: list[Step], period: float) -> None:
        for step in steps:
            if self._account.stopped.is_set():
                self._turn.end("stopped")
                return
            if step.act == "abort":
                self._turn.end("cut")
                await self._stream.cut(hard=False)
                return
            if step.act == "linger":
                self._turn.end("finished")
            if step.seconds:
                await self._stream.flush()  # a site writes everything before it pauses
            await self._pause(step.seconds or (period if step.text or step.thinking else 0.0))
            self._note(step)
            if step.data:
                await self._stream.send(step.data)

    def _note(self, step: Step) -> None:
        self._turn.note_byte()
        if step.thinking or step.text:
            self._turn.note_text(step.thinking or step.text, thinking=bool(step.thinking))

    async def _pause(self, seconds: float) -> None:
        """Wait, but return early if the answer is stopped."""
        if not seconds:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._account.stopped.wait()
