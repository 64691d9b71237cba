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
        typer.Option(metavar="SETTING=VALUE", help="Only compare, in turns, with a bridge that has other settings."),
    ] = None,
    page: Annotated[str, typer.Option(metavar="light|heavy", help="Page to compare on.")] = "heavy",
    streams: Annotated[int, typer.Option(min=1, help="Accounts that answer at once when comparing.")] = 1,
    browsers: Annotated[
        int, typer.Option(min=1, help="Only compare, in turns, with the accounts divided among this many Chromiums.")
    ] = 1,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only compare, in turns, with the code in another checkout of the bridge."),
    ] = None,
    accounts: Annotated[bool, flag("--accounts", help="Only measure what open and sleeping accounts cost.")] = False,
    profile: Annotated[bool, flag("--profile", help="Only profile the CPU time of a stream.")] = False,
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
