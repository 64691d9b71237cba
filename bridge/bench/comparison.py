"""Compares two ways of running the bridge, in turns, so that other load on the machine affects both alike."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import psutil

from bridge.bench.compared_clients import Bridged, Say, StreamTimes, directive, together
from bridge.bench.measured_processes import Served, bridge, cost_by_kind, demo_site, memory
from bridge.bench.streams import RATE, SHARES, WARM_UP, delay
from bridge.errors import SetupError

MB = 2.0**20
ROUNDS = 5
TOKENS = 300
SHOWN = 0.005
"""CPU seconds per 1,000 chunks below which a kind of process is left out."""


@dataclass(slots=True)
class Side:
    """One side of the comparison: its bridges, and the results of its rounds."""

    bridges: Sequence[Served]
    http: aiohttp.ClientSession
    times: list[StreamTimes] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    memory: dict[str, float] = field(default_factory=dict)
    """MB at the end, by name."""

    async def streams(self, prompt: str) -> Sequence[StreamTimes]:
        """Run one stream for each account at the same time."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(together(Bridged(self.http, served), list(served.accounts), prompt))
                for served in self.bridges
            ]
        return [times for task in running for times in task.result()]

    def cost(self) -> Counter[str]:
        """Return the CPU seconds used so far by kind of process."""
        costs = Counter[str]()
        for served in self.bridges:
            costs.update(cost_by_kind(served.pid))
        return costs

    def measure_memory(self) -> None:
        """Note the memory of all processes, and of the bridge processes alone."""
        alone = sum(psutil.Process(one.pid).memory_full_info().pss for one in self.bridges)
        whole = sum(memory(one.pid) for one in self.bridges)
        self.memory = {"memory at the end, MB": whole / MB, "memory at the end, MB: bridge": alone / MB}


async def compare(
    changes: Sequence[str], page: str, streams: int, say: Say, browsers: int = 1, checkout: Path | None = None
) -> str:
    """Return a Markdown table of the bridge with its current settings and with `changes` (`section.name=value`).

    On the changed side the accounts are divided among `browsers` bridges, each with its own Chromium, and the bridges
    run the code in the folder `checkout`.
    """
    if browsers > streams:
        raise SetupError(f"--browsers {browsers}: each browser needs an account, but --streams is {streams}.")
    if checkout is not None and not (checkout / "bridge" / "__main__.py").is_file():
        raise SetupError(f"--against {checkout}: this folder is not a checkout of the bridge.")
    accounts, environment = [f"a{number:02}" for number in range(streams)], _environment(changes)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bridge-compare-")))
        http = await stack.enter_async_context(aiohttp.ClientSession(read_bufsize=2**20))
        site = await stack.enter_async_context(demo_site(accounts, "--page", page))
        sides = []
        for name, more, number, code in (("set", {}, 1, None), ("changed", environment, browsers, checkout)):
            shares = [accounts[one::number] for one in range(number)]
            bridges = [
                await stack.enter_async_context(bridge(folder / f"{name}{one}", site, share, None, more, checkout=code))
                for one, share in enumerate(shares)
            ]
            sides.append(Side(bridges, http))
            await sides[-1].streams(WARM_UP)
        for number in range(ROUNDS):
            say(f"Round {number + 1} of {ROUNDS}: {streams} streams of {RATE} tokens a second on the {page} page")
            for side in sides if number % 2 else sides[::-1]:
                await _round(side)
        for side in sides:
            await asyncio.to_thread(side.measure_memory)
    what = [*changes, *([f"{browsers} browsers"] if browsers > 1 else []), *([str(checkout)] if checkout else [])]
    return _table(sides[0], sides[1], " ".join(what))


def _environment(changes: Sequence[str]) -> dict[str, str]:
    """Return the environment variables for the changes."""
    environment = {}
    for change in changes:
        name, is_set, value = change.partition("=")
        if not is_set or "." not in name:
            raise SetupError(f"--compare {change}: give a setting and its value, such as browser.minimize=false.")
        environment[f"BRIDGE_{name.replace('.', '_')}".upper()] = value
    return environment


async def _round(side: Side) -> None:
    before = side.cost()
    side.times += await side.streams(directive(tokens=TOKENS, rate=RATE, stamp=True, markdown=True))
    after = side.cost()
    side.used.update({kind: after[kind] - before[kind] for kind in after})


def _table(one: Side, other: Side, changes: str) -> str:
    first, second = _figures(one), _figures(other)
    head = f"| figure | as set | {changes} | ratio |"
    rows = (
        f"| {name} | {value:.3g} | {second[name]:.3g} | {second[name] / value:.2f} |"
        for name, value in first.items()
        if value >= SHOWN and name in second
    )
    return "\n".join((f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.", "", head, "|---|---|---|---|", *rows))


def _figures(side: Side) -> Mapping[str, float]:
    """Return the figures of one side's rounds, by name."""
    thousands = len(side.times) * TOKENS / 1000
    figures = {f"delay of a chunk, {word}, ms": delay(side.times, share) or 0.0 for word, share in SHARES.items()}
    figures["chunks out for each one in"] = sum(one.chunks for one in side.times) / thousands / 1000
    for kind, seconds in sorted(side.used.items()):
        figures[f"CPU for 1,000 chunks, s: {kind}"] = seconds / thousands
    whole = sum(seconds for kind, seconds in side.used.items() if kind.startswith("chromium"))
    figures["CPU for 1,000 chunks, s: chromium, all of it"] = whole / thousands
    return figures | side.memory
