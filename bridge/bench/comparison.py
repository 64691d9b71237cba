"""Compares two ways of running the bridge, in turns, so that what else the machine does meets both alike."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bridge.bench.compared_clients import Bridged, Heard, Say, directive, together
from bridge.bench.measured_processes import Served, bridge, cost_by_kind, demo_site
from bridge.bench.streams import RATE, SHARES, WARM_UP, delay
from bridge.errors import SetupError

ROUNDS = 5
TOKENS = 300
SHOWN = 0.005
"""CPU seconds for 1,000 chunks below which a kind of process is left out."""


@dataclass(slots=True)
class Side:
    """One of the two, and what its rounds have brought."""

    served: Served
    way: Bridged
    heard: list[Heard] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)


async def compare(changes: Sequence[str], page: str, streams: int, say: Say) -> str:
    """Return a table of the bridge as it is set and with `changes` (`section.name=value`), as Markdown."""
    accounts, environment = [f"a{number:02}" for number in range(streams)], _environment(changes)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bridge-compare-")))
        http = await stack.enter_async_context(aiohttp.ClientSession(read_bufsize=2**20))
        site = await stack.enter_async_context(demo_site(accounts, "--page", page))
        sides = []
        for name, more in (("set", {}), ("changed", environment)):
            served = await stack.enter_async_context(bridge(folder / name, site, accounts, environment=more))
            sides.append(Side(served, Bridged(http, served)))
            await together(sides[-1].way, accounts, WARM_UP)
        for number in range(ROUNDS):
            say(f"Round {number + 1} of {ROUNDS}: {streams} streams of {RATE} tokens a second on the {page} page")
            for side in sides if number % 2 else sides[::-1]:
                await _round(side, accounts)
    return _table(sides[0], sides[1], " ".join(changes))


def _environment(changes: Sequence[str]) -> dict[str, str]:
    """Return the environment that makes the changes."""
    environment = {}
    for change in changes:
        name, is_set, value = change.partition("=")
        if not is_set or "." not in name:
            raise SetupError(f"--compare {change}: give a setting and its value, such as browser.minimize=false.")
        environment[f"BRIDGE_{name.replace('.', '_')}".upper()] = value
    return environment


async def _round(side: Side, accounts: list[str]) -> None:
    before = cost_by_kind(side.served.pid)
    side.heard += await together(side.way, accounts, directive(tokens=TOKENS, rate=RATE, stamp=True, markdown=True))
    after = cost_by_kind(side.served.pid)
    side.used.update({kind: after[kind] - before.get(kind, 0.0) for kind in after})


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
    """Return what the rounds of one side have brought, by name."""
    thousands = len(side.heard) * TOKENS / 1000
    figures = {f"delay of a chunk, {word}, ms": delay(side.heard, share) or 0.0 for word, share in SHARES.items()}
    figures["chunks out for each one in"] = sum(one.chunks for one in side.heard) / thousands / 1000
    for kind, seconds in sorted(side.used.items()):
        figures[f"CPU for 1,000 chunks, s: {kind}"] = seconds / thousands
    whole = sum(seconds for kind, seconds in side.used.items() if kind.startswith("chromium"))
    figures["CPU for 1,000 chunks, s: chromium, all of it"] = whole / thousands
    return figures
