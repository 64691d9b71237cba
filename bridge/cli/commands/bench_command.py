"""`bridge bench`: the benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import flag, run, say


def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    short: Annotated[bool, flag("--short", help="Run only the quick measurements.")] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="SETTING=VALUE", help="Compare with a bridge that has other settings, in turns, instead."),
    ] = None,
    page: Annotated[str, typer.Option(metavar="light|heavy", help="The page that is compared on.")] = "heavy",
    streams: Annotated[int, typer.Option(min=1, help="The accounts that answer at once when comparing.")] = 1,
    browsers: Annotated[
        int, typer.Option(min=1, help="Compare with the accounts divided among so many Chromiums, in turns, instead.")
    ] = 1,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Compare with the code in another checkout of the bridge, in turns, instead."),
    ] = None,
    accounts: Annotated[bool, flag("--accounts", help="Measure only what accounts cost, open and asleep.")] = False,
    profile: Annotated[bool, flag("--profile", help="Profile the CPU time of a stream instead.")] = False,
) -> None:
    """Measure the bridge's overhead on the demo site, against plain HTTP and a hand-written script."""
    from bridge.bench.account_bench import only_accounts
    from bridge.bench.comparison import compare as compared
    from bridge.bench.profiling import profile as profiled
    from bridge.bench.run import measure

    if profile:
        say(run(profiled()))
        return
    if compare or browsers > 1 or against is not None:
        say(run(compared(compare or (), page, streams, say, browsers, against)))
        return
    report = run(only_accounts(say, short=short) if accounts else measure(say, short=short))
    say(report.to_markdown())
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=1), "utf-8")
