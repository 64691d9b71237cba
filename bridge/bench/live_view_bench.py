"""Measures the live view: frames while an answer streams, delay from key to frame, and what a viewer costs a chat."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bridge.bench.compared_clients import Bridged, StreamTimes, directive
from bridge.bench.figures import BenchReport, median
from bridge.bench.measured_processes import Served

RATE = 50
WINDOW = {"width": 1280, "height": 800}
COMPOSER = {"x": 700, "y": 410}
"""Position of the text box on the page of a new chat, in that window."""
PAUSE = 0.3
"""Seconds between two keys, so that the page comes to rest."""
LIMIT = 20.0
MS = 1000.0


class Watcher:
    """A viewer that acknowledges frames at once; `pictures` are the Unix times at which they came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.pictures: list[float] = []
        self.controls = ""
        self._socket = socket
        self._more = asyncio.Event()

    async def send(self, kind: str, /, **more: Any) -> None:
        """Send a message."""
        await self._socket.send_str(json.dumps({"type": kind, **more}))

    async def read(self) -> None:
        """Read and acknowledge messages until the connection closes."""
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                self.pictures.append(time.time())
                await self.send("drawn", frame=int.from_bytes(message.data[:4], "big"))
            elif message.type is aiohttp.WSMsgType.TEXT:
                self.controls = json.loads(message.data).get("controls", self.controls)
            self._more.set()

    async def until_controls(self) -> None:
        """Wait until this viewer has the controls."""
        async with asyncio.timeout(LIMIT):
            while self.controls != "you":
                await self._next()

    async def seen_after(self, since: float) -> float:
        """Wait for the first picture after the Unix time `since`; return the seconds between them."""
        async with asyncio.timeout(LIMIT):
            while not self.pictures or self.pictures[-1] <= since:
                await self._next()
        return next(at for at in self.pictures if at > since) - since

    async def _next(self) -> None:
        self._more.clear()
        await self._more.wait()


@asynccontextmanager
async def watching(http: aiohttp.ClientSession, served: Served, account: str) -> AsyncGenerator[Watcher]:
    """Watch an account's page within the context."""
    headers = {"Authorization": f"Bearer {served.admin_key}"}
    async with http.ws_connect(f"{served.url}/admin/api/live/account/{account}", headers=headers) as socket:
        watcher = Watcher(socket)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(watcher.read())
            await watcher.send("window", **WINDOW)
            await watcher.seen_after(0)
            try:
                yield watcher
            finally:
                reading.cancel()


async def live_view(
    report: BenchReport, http: aiohttp.ClientSession, served: Served, *, rounds: int, seconds: int
) -> None:
    """Add the figures of the live view of one account."""
    way, account = Bridged(http, served), served.accounts[0]
    prompt = directive(tokens=RATE * seconds, rate=RATE, stamp=True)
    alone, watched, frames = list[StreamTimes](), list[StreamTimes](), list[float]()
    for _ in range(rounds):
        alone.append(await way.stream(account, prompt))
        async with watching(http, served, account) as watcher:
            times = await way.stream(account, prompt)
        watched.append(times)
        during = [at for at in watcher.pictures if times.first <= at <= times.ended]
        frames.append(len(during) / (times.ended - times.first))
    without, beside = _delay(alone), _delay(watched)
    report.add_at_least("pictures of a page while it streams", "1/s", median(frames), target=10.0)
    report.add("delay of a chunk, nobody watching, median", "ms", without)
    report.add("delay of a chunk, somebody watching, median", "ms", beside)
    if without and beside:
        report.add("the same, watched to unwatched", "", beside / without, target=1.5)
    async with watching(http, served, account) as watcher:
        report.add("key to picture, median", "ms", await _keys(watcher, 5 * rounds), target=150.0)


async def _keys(watcher: Watcher, count: int) -> float | None:
    """Press keys in the page's text box, and return the median of milliseconds until the next picture."""
    await watcher.send("take")
    await watcher.until_controls()
    for kind in ("down", "up"):
        await watcher.send("mouse", kind=kind, button="left", clicks=1, **COMPOSER)
    times = []
    for _ in range(count):
        await asyncio.sleep(PAUSE)
        pressed = time.time()
        await watcher.send("key", kind="down", key="a", code="KeyA")
        times.append(await watcher.seen_after(pressed) * MS)
        await watcher.send("key", kind="up", key="a", code="KeyA")
    await watcher.send("leave")
    return median(times)


def _delay(times: Sequence[StreamTimes]) -> float | None:
    found = median([delay for one in times for delay in one.delays])
    return None if found is None else found * MS
