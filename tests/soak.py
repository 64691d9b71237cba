"""A long run with random faults: every chat ends with the exact answer or a clear error, and memory stays flat.

`python -m tests.soak --chats 1000` plays it on four accounts with a fault in every fifth chat, and prints what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from loguru import logger
from openai import APIError, APIStatusError, AsyncStream

from bridge.bench.measured_processes import kind_of
from bridge.demo import DemoSite
from bridge.settings import BrowserSettings, PoolSettings, TurnSettings
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Fact, WorkerChanged, WorkerState
from tests.support.live import Live, directive, live, signed_in_profile

NAMES = ("alice", "bob", "carol", "dave")
FAULTS = (
    *("code_40003", "code_40005", "muted_reply", "biz_1", "biz_7", "biz_22", "http_429", "http_500", "waf_reply"),
    *("empty_body", "html_body", "reset", "rate_limit_reached", "server_busy", "context_length_exceeded", "toast_only"),
    *("generation_err", "abort", "thinking_only", "content_filter", "incomplete", "auto_continue", "no_title"),
    *("no_close", "event_order", "unknown_events", "unknown_fragments", "unknown_paths", "snapshot_again"),
    *("broken_frame", "slow_first_byte"),
)
PARAMS = {"muted_reply": {"seconds": 1}, "slow_first_byte": {"seconds": 0.5}, "content_filter": {"seconds": 0.05}}
SHARE = 0.2
CHAT_LIMIT = 60.0
AT_ONCE = 8
LONG = 500
"""Chats from which on the growth of the memory says something."""
LOOKS = 80
"""How often the memory is looked at."""
SELDOM = 6
"""Chats between two looks, at least: a look costs as much as a chat."""
GROWTH = {"process": 2.0, "driver": 5.0, "browser": 5.0, "page": 2.0}
"""Megabytes by which each may grow in 100 chats; the process holds the site's records of every chat, too."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of this process (bridge, site and clients), the driver, the browser, and a page on average."""

    process: float
    driver: float
    browser: float
    page: float

    @classmethod
    def now(cls) -> Memory:
        """Look at it."""
        process, found = psutil.Process(), defaultdict[str, list[float]](list)
        for child in process.children(recursive=True):
            with suppress(psutil.Error, OSError):
                kind = kind_of(child).removeprefix("chromium ")
                found[kind if kind in ("driver", "renderer") else "browser"].append(own_memory(child.pid))
        page = statistics.fmean(found["renderer"] or [0])
        own = process.memory_info().rss / 2**20
        return cls(*(round(size) for size in (own, sum(found["driver"]), sum(found["browser"]), page)))

    def __str__(self) -> str:
        return f"{self.process:g}+{self.driver:g}+{self.browser:g}+n*{self.page:g}"


def own_memory(pid: int) -> float:
    """Return what a process holds that is in no file: how often a file counts depends on what else runs here."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1024


@dataclass
class Result:
    """What came of the chats."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    to_parked: list[str] = field(default_factory=list)
    """Sends that reached the site from an account that was not to send."""
    at_once: int = 0
    """The most answers that one account was asked for at the same time."""
    memory: list[Memory] = field(default_factory=list)
    """After each of `LOOKS` equal parts of the chats."""

    @property
    def broken(self) -> list[str]:
        """Return the promises that were not kept."""
        return [
            *(f"wrong: {what}" for what in self.wrong),
            *(f"hung: {what}" for what in self.hung),
            *(f"sent to a parked account: {what}" for what in self.to_parked),
            *([f"{self.at_once} answers at once on an account"] if self.at_once > 1 else ()),
            *(
                f"the memory of {name} grew by {growth:.1f} MB in 100 chats"
                for name, growth in self.growth.items()
                if growth > GROWTH[name]
            ),
        ]

    @property
    def growth(self) -> dict[str, float]:
        """Return by how many megabytes in 100 chats the floor of each part's memory rose in a long run.

        The floor is the least that was seen in the second and in the last third, each of which has seen new drivers and
        pages: an injected fault starts them anew now and then. What is above it comes and goes: it
        is there until it is collected, and a page that is as old as it may be has more of it than a new one.
        """
        count, part = sum(self.outcomes.values()), len(self.memory) // 3
        if count < LONG:
            return {}
        before, after = self.memory[part : 2 * part], self.memory[-part:]
        floors = {name: [min(getattr(one, name) for one in some) for some in (before, after)] for name in GROWTH}
        return {name: round((last - first) * 300 / count, 2) for name, (first, last) in floors.items()}

    def __str__(self) -> str:
        rows = [f"{count:5} {outcome}" for outcome, count in self.outcomes.most_common()]
        some = self.memory[:: max(len(self.memory) // 10, 1)]
        memory = (f"memory (MB): {', '.join(map(str, some))}", f"growth in 100 chats (MB): {self.growth}")
        return "\n".join((*rows, *memory, *(self.broken or ["every promise was kept"])))


class Watch:
    """Knows which accounts can be used, and counts what the site gets from one that cannot."""

    def __init__(self, site: DemoSite, result: Result) -> None:
        self.usable = asyncio.Event()
        self.usable.set()
        self._site, self._result = site, result
        self._out: dict[str, int] = {}  # how often an account had sent when it went out of service

    def __call__(self, fact: Fact) -> None:
        if not isinstance(fact, WorkerChanged):
            return
        sends = len(self._site.account(fact.account).turns)
        if (before := self._out.pop(fact.account, sends)) != sends:
            self._result.to_parked.append(f"{fact.account}, {sends - before} times before it was {fact.state}")
        if fact.state is not WorkerState.READY:
            self._out[fact.account] = sends
        if len(self._out) < len(NAMES):
            self.usable.set()
        else:
            self.usable.clear()


async def soak(folder: Path, chats: int, seed: int = 1, browser: BrowserSettings | None = None) -> Result:
    """Run `chats` chats, some of them with a fault; `seed` decides which."""
    source, result = random.Random(seed), Result()
    async with live(
        folder,
        *NAMES,
        pool=PoolSettings(min_interval=0, queue_limit=CHAT_LIMIT, queue_size=chats, rest=1),
        turn=TurnSettings(ready=15, submit=8, first_byte=10, silence=10, stop=5),
        browser=browser or BrowserSettings(check_every=0.5),
    ) as run:
        watch = Watch(run.site, result)
        run.telemetry.add(watch)
        async with asyncio.TaskGroup() as tasks:
            person = tasks.create_task(_log_in_again(run))
            numbers = iter(range(chats))
            plan = [source.choice(FAULTS) if source.random() < SHARE else "" for _ in range(chats)]
            async with asyncio.TaskGroup() as clients:
                for _ in range(AT_ONCE):
                    clients.create_task(_client(run, watch, numbers, plan, result))
            person.cancel()
        result.at_once = max(run.account(name).max_parallel for name in NAMES)
    return result


async def _client(run: Live, watch: Watch, numbers: Iterator[int], plan: list[str], result: Result) -> None:
    """Send one chat after the other, as long as there is an account that can take it."""
    for number in numbers:
        async with asyncio.timeout(CHAT_LIMIT):
            await watch.usable.wait()
        fault = plan[number]
        text = f"answer {number} 答案 🚀 {'x' * (number % 50)}."
        script = {"fault": fault, "params": PARAMS.get(fault, {})} if fault else {}
        await _chat(run, f"{number} {directive(text=text, **script)}", text, fault, result, stream=bool(number % 2))
        if number % max(len(plan) // LOOKS, SELDOM) == 0:
            result.memory.append(Memory.now())


async def _chat(run: Live, prompt: str, text: str, fault: str, result: Result, *, stream: bool) -> None:
    try:
        async with asyncio.timeout(CHAT_LIMIT):
            got, reason = await _answer(run, prompt, stream=stream)
    except TimeoutError:
        result.hung.append(f"{fault}: {prompt[:10]}")
    except APIStatusError as error:
        result.outcomes[f"{error.status_code} {error.code}"] += 1
    except APIError as error:
        result.outcomes[f"in the stream: {error.code}"] += 1
    else:
        result.outcomes[f"200 {reason}"] += 1
        if got != text and reason != "content_filter":
            result.wrong.append(f"{fault or 'no fault'}: {got!r} instead of {text!r}")


async def _answer(run: Live, prompt: str, *, stream: bool) -> tuple[str, str | None]:
    answer = await run.client.chat.completions.create(
        model="deepseek-chat", messages=[{"role": "user", "content": prompt}], stream=stream
    )
    if not isinstance(answer, AsyncStream):
        return answer.choices[0].message.content or "", answer.choices[0].finish_reason
    pieces, reason = [], None
    async for chunk in answer:
        if chunk.choices:
            pieces.append(chunk.choices[0].delta.content or "")
            reason = chunk.choices[0].finish_reason or reason
    return "".join(pieces), reason


async def _log_in_again(run: Live) -> None:
    """Do what an operator does: log an account in again when it is signed out, or the site asks for a human."""
    store, seen = ProfileStore(run.settings.profiles, load_identity(run.settings.key_source)), 0
    while True:
        fact = await run.facts.wait_for(_needs_a_person, seen, None)
        seen = run.facts.seen.index(fact, seen) + 1
        assert isinstance(fact, WorkerChanged)
        store.save(signed_in_profile(run.site, fact.account))


def _needs_a_person(fact: Fact) -> bool:
    return isinstance(fact, WorkerChanged) and fact.state in (WorkerState.LOGGED_OUT, WorkerState.CHALLENGED)


def main() -> int:
    """Run the soak from the command line; return 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--chats", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logger.remove()
    with TemporaryDirectory() as folder:
        result = asyncio.run(soak(Path(folder), given.chats, given.seed))
    print(result)
    return 1 if result.broken else 0


if __name__ == "__main__":
    sys.exit(main())
