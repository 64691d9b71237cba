"""Many clients with a few keys: nothing lost, nothing mixed up, keys that wait as long as each other, flat memory.

`python -m tests.load --clients 50 --keys 5 --accounts 8 --minutes 10` plays it, each client asking again as soon as it
has its answer, and prints what it saw. With `--greedy 40` the first key has that many clients more; the others' waits
are compared, which must not be the worse for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import psutil
from loguru import logger

from bridge.settings import PoolSettings, TurnSettings
from bridge.storage.api_keys import KeyStore
from bridge.telemetry import ChatEnded, Fact
from tests.soak import own_memory
from tests.support.live import Live, directive, live

CHAT_LIMIT = 300.0
"""Seconds after which a chat counts as lost."""
LOOKS = 50
"""How often the memory is looked at."""
SETTLED = 0.2
"""The part of the run after which the memory is compared with that at the end: minute 2 of 10."""
MOST_RATIO = 1.3
MOST_GROWTH = 0.1
RECORDS = 20
"""Chats that the demo site remembers of each account: what it keeps for tests is no memory of the bridge."""
LONG = 2.0
"""Minutes from which on the growth of the memory says something."""


@dataclass
class Result:
    """What came of the chats."""

    minutes: float
    greedy: str = ""
    """The key with more clients than the others, if there is one."""
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds that the chats of each key waited for an account."""
    at_once: int = 0
    """The most answers that one account was asked for at the same time."""
    memory: list[float] = field(default_factory=list)
    """Megabytes of all processes, at `LOOKS` equal distances."""

    def __call__(self, fact: Fact) -> None:
        """Take a fact: how long a chat has waited."""
        if isinstance(fact, ChatEnded) and fact.key and "started" in fact.marks:
            self.waits[fact.key].append(fact.marks["started"])

    @property
    def ratio(self) -> float:
        """Return the longest mean wait of a key by the shortest."""
        means = [statistics.fmean(waits) for key, waits in self.waits.items() if key != self.greedy]
        return max(means) / max(min(means), 0.001) if means else 1.0

    @property
    def growth(self) -> float:
        """Return by which share the memory has grown since it had settled; the median of some looks each."""
        settled, part = round(len(self.memory) * SETTLED), max(len(self.memory) // 10, 1)
        if len(self.memory) < LOOKS // 2:
            return 0.0
        before, after = (statistics.median(some) for some in (self.memory[settled:][:part], self.memory[-part:]))
        return after / before - 1

    @property
    def broken(self) -> list[str]:
        """Return the promises that were not kept."""
        found = [*(f"lost: {what}" for what in self.lost), *(f"mixed up: {what}" for what in self.mixed)]
        if self.at_once > 1:
            found.append(f"{self.at_once} answers at once on an account")
        if self.ratio > MOST_RATIO:
            found.append(f"the waits of the keys are in a ratio of {self.ratio:.2f}, above {MOST_RATIO}")
        if self.minutes >= LONG and self.growth > MOST_GROWTH:
            found.append(f"the memory has grown by {self.growth:.0%}")
        return found

    def __str__(self) -> str:
        settled = round(len(self.memory) * SETTLED)
        begin, end = (self.memory[settled], self.memory[-1]) if self.memory else (0.0, 0.0)
        rows = [f"{self.answered} answered, {len(self.lost)} lost, {len(self.mixed)} mixed up"]
        for key, waits in sorted(self.waits.items()):
            mean, most = statistics.fmean(waits), max(waits)
            rows.append(f"{key}: {len(waits)} chats, waited {mean:.2f} s on average, {most:.2f} s at most")
        rows.append(f"ratio of the keys' waits: {self.ratio:.2f}")
        at = self.minutes * SETTLED
        rows.append(f"memory of all processes: {begin:.0f} MB after {at:.1f} minutes, {end:.0f} MB at the end")
        return "\n".join((*rows, *(self.broken or ["every promise was kept"])))


async def load(folder: Path, clients: int, keys: int, accounts: int, minutes: float, greedy: int = 0) -> Result:
    """Run the clients for that many minutes, the same number with each key, and `greedy` more with the first one."""
    store = KeyStore(folder / "config")
    made = [(f"key-{number + 1}", store.add(f"key-{number + 1}", "chat")[1]) for number in range(keys)]
    result = Result(minutes, made[0][0] if greedy else "")
    callers = [made[number % keys] for number in range(clients)] + [made[0]] * greedy
    async with live(
        folder,
        *(f"account-{number + 1}" for number in range(accounts)),
        pool=PoolSettings(min_interval=0, queue_limit=CHAT_LIMIT, queue_size=len(callers)),
        turn=TurnSettings(ready=60, submit=60, first_byte=60, silence=60, stop=10),
    ) as run:
        run.telemetry.add(result)
        end = time.monotonic() + 60 * minutes
        timeout = aiohttp.ClientTimeout(total=CHAT_LIMIT)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(run.bridge.url, timeout=timeout, connector=connector) as http,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(_look(run, result, end))
            for number, (_, key) in enumerate(callers):
                tasks.create_task(_client(http, number, key, result, end))
        result.at_once = max(account.max_parallel for account in run.site.accounts)
    return result


async def _client(http: aiohttp.ClientSession, number: int, key: str, result: Result, end: float) -> None:
    """Ask one chat after the other, whole and as a stream in turn."""
    count = 0
    while time.monotonic() < end:
        count += 1
        text = f"answer {count} of client {number} 答案 🚀 {'x' * (count % 50)}."
        try:
            got = await _answer(http, key, f"{number}-{count} {directive(text=text)}", stream=count % 2 == 0)
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
            result.lost.append(f"chat {count} of client {number}: {type(error).__name__}: {error}")
        else:
            result.answered += 1
            if got != text:
                result.mixed.append(f"{got!r} in place of {text!r}")


async def _answer(http: aiohttp.ClientSession, key: str, prompt: str, *, stream: bool) -> str:
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    headers = {"Authorization": f"Bearer {key}"}
    async with http.post("/v1/chat/completions", json=body, headers=headers) as response:
        if response.status != 200:
            raise ValueError(f"{response.status} {await response.text()}")
        if not stream:
            return str((await response.json())["choices"][0]["message"]["content"])
        return "".join([piece async for piece in _pieces(response)])


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    async for line in response.content:
        data = line.decode().removeprefix("data: ").strip()
        if data.startswith("{"):
            choices: Sequence[Mapping[str, Mapping[str, str | None]]] = json.loads(data)["choices"]
            for choice in choices:
                yield choice["delta"].get("content") or ""


async def _look(run: Live, result: Result, end: float) -> None:
    """Look at the memory again and again, and keep the site's own records short."""
    begin = time.monotonic()
    for look in range(LOOKS):
        for account in run.site.accounts:
            del account.turns[:-RECORDS]
        run.facts.forget()
        result.memory.append(await asyncio.to_thread(_memory))
        await asyncio.sleep(max(begin + (look + 1) * (end - begin) / LOOKS - time.monotonic(), 0))


def _memory() -> float:
    """Return the megabytes of this process, in which bridge, site and clients are, and of all below it."""
    process = psutil.Process()
    found = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.Error, OSError):
            found += own_memory(one.pid)
    return found


def main() -> int:
    """Run the load from the command line; return 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--keys", type=int, default=5)
    parser.add_argument("--accounts", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--greedy", type=int, default=0, help="clients more on the first key")
    given = parser.parse_args()
    logger.remove()
    with TemporaryDirectory() as folder:
        run = load(Path(folder), given.clients, given.keys, given.accounts, given.minutes, given.greedy)
        result = asyncio.run(run)
    print(result)
    return 1 if result.broken else 0


if __name__ == "__main__":
    sys.exit(main())
