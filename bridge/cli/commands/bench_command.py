"""`bridge bench`: the benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import flag, run, say


def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, too.")] = None,
    short: Annotated[bool, flag("--short", help="Only what takes seconds.")] = False,
    profile: Annotated[bool, flag("--profile", help="Show where the CPU time of a stream goes, instead.")] = False,
) -> None:
    """Measure on the demo site what the bridge adds, beside plain HTTP and a hand-written script."""
    from bridge.bench.profiling import profile as profiled
    from bridge.bench.run import measure

    if profile:
        say(run(profiled()))
        return
    report = run(measure(say, short=short))
    say(report.to_markdown())
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=1), "utf-8")
