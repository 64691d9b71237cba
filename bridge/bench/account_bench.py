"""Measures what accounts cost: the time until they are ready, and memory, open or asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.bench.compared_clients import Say
from bridge.bench.figures import BenchReport, machine
from bridge.bench.measured_processes import Site, bridge, demo_site, memory

SIZES = (1, 5, 8, 10, 20, 30)
FEW = (1, 2, 4)
OPEN, FEW_OPEN = 8, 2
"""Open accounts at a time while the others sleep."""
REST = 5.0
"""Seconds for the pages to come to rest before their memory is measured."""
MB = 2.0**20


async def only_accounts(say: Say, *, short: bool = False) -> BenchReport:
    """Return only the figures of accounts; `short` uses few accounts, and only shows that the measurement works."""
    report, sizes = BenchReport(machine=machine()), FEW if short else SIZES
    accounts = [f"a{number:02}" for number in range(sizes[-1])]
    with TemporaryDirectory(prefix="bridge-bench-") as folder:
        async with demo_site(accounts) as site:
            await account_costs(report, Path(folder), site, accounts, say, sizes, FEW_OPEN if short else OPEN)
    return report


async def account_costs(
    report: BenchReport,
    folder: Path,
    site: Site,
    accounts: Sequence[str],
    say: Say,
    sizes: Sequence[int] = SIZES,
    most_open: int = OPEN,
) -> None:
    """Add the figures of a bridge for each number of accounts in `sizes`, and of one that limits open accounts."""
    ready, size = dict[int, float](), dict[int, float]()
    for count in sizes:
        say(f"{count} open accounts: time to ready, memory")
        ready[count], size[count] = await _cost(folder, site, accounts[:count])
        if count in (1, 10, 30):
            report.add(f"ready with {count} accounts", "s", ready[count], target=6.0 if count == 10 else None)
        report.add(f"memory with {count} open accounts", "MB", size[count])
    say(f"{sizes[-1]} accounts, {most_open} of them open")
    _, limited = await _cost(folder, site, accounts[: sizes[-1]], most_open)
    some = 10 if 10 in ready else sizes[-1]
    report.add(f"ready with {some} accounts against 1", "", ready[some] / ready[1], target=3.0)
    many = 20 if 20 in size else sizes[-1]
    report.add("memory for each further account", "MB", (size[many] - size[1]) / (many - 1), target=35.0)
    several, fewer = sizes[-1], most_open
    against = limited / size[most_open]
    report.add(
        f"memory of {several} accounts with a limit of {fewer} against {fewer} accounts", "", against, target=1.1
    )


async def _cost(folder: Path, site: Site, accounts: Sequence[str], most_open: int | None = None) -> tuple[float, float]:
    """Return the seconds until all accounts that may be open are ready, and the bridge's memory then in MB."""
    async with bridge(folder, site, accounts, most_open=most_open) as served:
        await asyncio.sleep(REST)
        return served.ready_after, memory(served.pid) / MB
