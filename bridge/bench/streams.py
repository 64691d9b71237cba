"""Measures streams: the delay of each chunk, the share of chunks that arrive separately, and CPU time by process.

Wall time means little while other programs use the machine; CPU time is still valid then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bridge.bench.compared_clients import (
    Bridged,
    Direct,
    Say,
    StreamTimes,
    Way,
    directive,
    scripted,
    together,
    tokens_of,
)
from bridge.bench.figures import BenchReport, percentile
from bridge.bench.measured_processes import Site, bridge, cost_by_kind, demo_site

RATE = 50
"""Tokens per second of each stream."""
STEPS = (100, 200, 400, 600, 800, 1000)
"""Rates to try, in tokens per second of each of four streams, until the p99 delay exceeds the limit."""
SLOW = 100.0
SHARES = {"median": 0.5, "p95": 0.95, "p99": 0.99}
KINDS = {
    "chromium, drawing": ("chromium renderer",),
    "chromium, putting on the screen": ("chromium gpu-process",),
    "chromium, the rest": ("chromium browser", "chromium network"),
}
"""Groups of Chromium's processes whose CPU time is reported."""
MS = 1000.0
WARM_UP = directive(text="hello there")
"""The first chat of each account, which is not measured because it includes one-time work."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the demo site, its streams, and the targets in milliseconds."""

    kind: str
    seconds: Mapping[int, int]
    """Length of the streams in seconds, by the number of accounts that stream at the same time."""
    above_floor: Mapping[tuple[int, str], float]
    """Delay that the bridge may add to the floor's, by number of streams and share."""
    at_most: Mapping[tuple[int, str], float]
    """Greatest delay, by the same keys."""
    fewest_chunks: float | None = None
    """Least share of the chunks that should arrive separately."""

    @property
    def where(self) -> str:
        """Return the suffix for the names of figures."""
        return "" if self.kind == "light" else f" on the {self.kind} page"


LIGHT = Page("light", {1: 10, 4: 5, 8: 5, 16: 5}, {(1, "median"): 2.0, (1, "p99"): 8.0, (8, "p99"): 50.0}, {})
HEAVY = Page(
    "heavy", {1: 20, 8: 5}, {}, {(1, "median"): 4.0, (1, "p99"): 20.0, (8, "median"): 20.0, (8, "p99"): 80.0}, 0.95
)


async def light_page(
    report: BenchReport,
    folder: Path,
    site: Site,
    http: aiohttp.ClientSession,
    accounts: Sequence[str],
    say: Say,
    *,
    short: bool,
) -> None:
    """Add the figures of the page that draws little, with those of plain HTTP and a hand-written script."""
    counts = [count for count in LIGHT.seconds if count <= len(accounts)]
    used = list(accounts[: max(counts)])
    async with AsyncExitStack() as stack:
        floor = await stack.enter_async_context(demo_site(used, "--no-checks"))
        served = await stack.enter_async_context(bridge(folder, site, used))
        pages = await stack.enter_async_context(scripted(site, used[:4]))
        direct, bridged = Direct(http, floor, await tokens_of(floor, used)), Bridged(http, served)
        await together(bridged, used, WARM_UP)
        for count in counts:
            say(f"{count} streams of {RATE} tokens a second")
            ways: dict[str, Way] = {"floor": direct, "bridge": bridged}
            if count <= 4:
                ways["script"] = pages
            seconds = 1 if short else LIGHT.seconds[count]
            await _measure(report, LIGHT, ways, served.pid, used[:count], seconds)
        if not short:
            say("Four streams, faster and faster")
            await _highest(report, {"floor": direct, "bridge": bridged}, used[:4])


async def heavy_page(report: BenchReport, folder: Path, http: aiohttp.ClientSession, say: Say, *, short: bool) -> None:
    """Add the figures of a page that renders Markdown with code at each chunk, below a long conversation."""
    counts = [1] if short else list(HEAVY.seconds)
    used = [f"a{number:02}" for number in range(max(counts))]
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(demo_site(used, "--page", HEAVY.kind))
        served = await stack.enter_async_context(bridge(folder, site, used))
        bridged = Bridged(http, served)
        await together(bridged, used, WARM_UP)
        for count in counts:
            say(f"{count} streams of {RATE} tokens a second on the heavy page")
            ways: dict[str, Way] = {"bridge": bridged}
            seconds = 2 if short else HEAVY.seconds[count]
            await _measure(report, HEAVY, ways, served.pid, used[:count], seconds)


async def _measure(
    report: BenchReport, page: Page, ways: Mapping[str, Way], pid: int, accounts: list[str], seconds: int
) -> None:
    """Measure the delay of each token for each client, with one stream for each account."""
    tokens, where = RATE * seconds, f"{len(accounts)} streams{page.where}"
    prompt = directive(tokens=tokens, rate=RATE, stamp=True, markdown=page is HEAVY)
    times = {}
    for name, way in ways.items():
        before = cost_by_kind(pid)
        times[name] = await together(way, accounts, prompt)
        if name == "bridge":
            _cpu(report, where, before, cost_by_kind(pid), tokens * len(accounts))
    _delays(report, page, where, times)
    chunks = {name: sum(one.chunks for one in streams) / (len(streams) * tokens) for name, streams in times.items()}
    if page.fewest_chunks is None:
        target = 1.0 if len(accounts) == 1 else None
        report.add(f"chunks out for each one in, {where}", "", target=target, **chunks)
    else:
        report.add_at_least(f"chunks out for each one in, {where}", "", chunks["bridge"], page.fewest_chunks)
    lost = {name: float(sum(one.numbers != list(range(tokens)) for one in streams)) for name, streams in times.items()}
    report.add(f"streams with a token lost or changed, {where}", "", target=0.0, **lost)


def _cpu(report: BenchReport, where: str, before: Mapping[str, float], after: Mapping[str, float], chunks: int) -> None:
    """Add the CPU time of each part, per 1,000 chunks of the site."""
    used = {kind: (after[kind] - before.get(kind, 0.0)) * 1000 / chunks for kind in after}
    for part in ("bridge", "driver", "chromium"):
        whole = sum(seconds for kind, seconds in used.items() if kind.startswith(part))
        report.add(f"CPU for 1,000 chunks, {where}: {part}", "s", whole)
    for name, kinds in KINDS.items():
        seconds = sum(used.get(kind, 0.0) for kind in kinds)
        report.add(f"CPU for 1,000 chunks, {where}: {name}", "s", seconds)


def _delays(report: BenchReport, page: Page, where: str, times: Mapping[str, Sequence[StreamTimes]]) -> None:
    count = len(times["bridge"])
    for word, share in SHARES.items():
        values = {name: delay(streams, share) for name, streams in times.items()}
        above, target = page.above_floor.get((count, word)), page.at_most.get((count, word))
        target = above + (values["floor"] or 0.0) if above else target
        report.add(f"delay of a chunk, {where}, {word}", "ms", target=target, **values)


async def _highest(report: BenchReport, ways: Mapping[str, Way], accounts: list[str]) -> None:
    """Find the highest total token rate of all streams whose p99 delay stays below the limit."""
    best = dict.fromkeys(ways, 0.0)
    for name, way in ways.items():
        for rate in STEPS:
            times = await together(way, accounts, directive(tokens=rate * 3, rate=rate, stamp=True))
            slowest = delay(times, 0.99)
            if slowest is None or slowest > SLOW:
                break
            best[name] = float(rate * len(accounts))
    report.add(f"highest token rate with a p99 delay below {SLOW:.0f} ms", "1/s", **best)


def delay(times: Sequence[StreamTimes], share: float) -> float | None:
    """Return the percentile `share` of the chunks' delays in milliseconds."""
    found = percentile([delay for one in times for delay in one.delays], share)
    return None if found is None else found * MS
