"""Profiles the CPU time of a stream: by process, and inside the bridge's own process by module."""

from __future__ import annotations

import pstats
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from bridge.bench.compared_clients import Bridged, directive
from bridge.bench.measured_processes import Site, bridge, cost_by_kind, demo_site

RATE = 100
TOKENS = 2_000
SHOWN = 12
WAITING = ("poll", "select")
"""Functions that only wait."""


async def profile() -> str:
    """Return Markdown tables of CPU time per 1,000 chunks of one stream."""
    with TemporaryDirectory(prefix="bridge-profile-") as folder:
        stats = Path(folder) / "stats"
        async with demo_site(["a"]) as site:
            used = await _stream(Path(folder), site, None)
            await _stream(Path(folder), site, stats)
        return "\n\n".join(
            (_table("process", used), _table("inside of the bridge (with the profiler's cost)", _own(stats)))
        )


async def _stream(folder: Path, site: Site, stats: Path | None) -> Mapping[str, float]:
    """Run one long stream, and return the CPU seconds of each kind of process."""
    async with aiohttp.ClientSession() as http, bridge(folder, site, ["a"], stats=stats) as served:
        before = cost_by_kind(served.pid)
        await Bridged(http, served).stream("a", directive(tokens=TOKENS, rate=RATE))
        after = cost_by_kind(served.pid)
    return {kind: after[kind] - before.get(kind, 0.0) for kind in after}


def _own(stats: Path) -> Mapping[str, float]:
    """Return the seconds of each module's own code, including the C functions that it called."""
    found: Counter[str] = Counter()
    measured: Any = pstats.Stats(str(stats))
    for (file, _, function), (_, _, own, _, callers) in measured.stats.items():
        if "importlib" in file:
            continue  # the start
        if file != "~":
            found[_module(file)] += own
        elif not any(word in function for word in WAITING):
            for (caller, _, _), times in callers.items():
                if "importlib" in caller:
                    continue
                found[f"{_module(caller)}: {function.strip('<>')}" if times[2] > 0.05 else _module(caller)] += times[2]
    return found


def _module(file: str) -> str:
    """Return the short name of a module: the path below `bridge`, or the name of another package."""
    parts = Path(file).with_suffix("").parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if "bridge" in parts:
        return "/".join(parts[parts.index("bridge") :])
    return parts[-1] if len(parts) < 2 or parts[-2].startswith("python") else parts[-2]


def _table(what: str, seconds: Mapping[str, float]) -> str:
    rows = sorted(seconds.items(), key=lambda row: -row[1])[:SHOWN]
    lines = [f"| {name} | {value * 1000 / TOKENS:.2f} |" for name, value in rows if value * 1000 / TOKENS >= 0.005]
    return "\n".join((f"| {what} | CPU seconds for 1,000 chunks |", "|---|---|", *lines))
