"""The short form of the benchmark: nothing is lost, and ratios within the run hold on a busy machine, too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bridge.bench.comparison import compare
from bridge.errors import SetupError
from tests.support.commands import Home

FAR = 40
"""How many times the delay of a chunk nobody watches that of a watched one may be; seen: 1."""


async def test_a_comparison_with_what_is_no_setting_is_refused_before_anything_is_started() -> None:
    for change in ("browser.minimize", "minimize=false"):
        with pytest.raises(SetupError, match=change):
            await compare([change], "heavy", 1, pytest.fail)


async def test_more_browsers_than_streams_are_refused_before_anything_is_started() -> None:
    with pytest.raises(SetupError, match="--browsers 3: each browser needs an account, but --streams is 2"):
        await compare([], "heavy", 2, pytest.fail, browsers=3)


@pytest.mark.browser
@pytest.mark.stress
@pytest.mark.timeout(300)  # it only takes longer on a busy machine
async def test_the_short_benchmark_loses_nothing_and_stays_ahead_of_a_script(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        done = await home.run("bench", "--short", "--json", str(tmp_path / "figures.json"))
        assert done.code == 0, done.err
    report = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert {"chromium", "playwright", "cores", "load before"} <= report["machine"].keys()
    assert all(figure["bridge"] is not None for figure in figures.values())
    assert len(re.findall(r"^\| .* \|$", done.out, re.MULTILINE)) == len(figures) + 1
    heavy = "1 streams on the heavy page"
    assert figures[f"streams with a token lost or changed, {heavy}"]["bridge"] == 0
    for page in ("1 streams", heavy):
        whole = figures[f"CPU for 1,000 chunks, {page}: chromium"]["bridge"]
        assert 0 < figures[f"CPU for 1,000 chunks, {page}: chromium, drawing"]["bridge"] < whole
    for count in (1, 4):
        assert figures[f"streams with a token lost or changed, {count} streams"]["bridge"] == 0
        assert (
            0.5 <= figures[f"chunks out for each one in, {count} streams"]["bridge"] <= 1.0
        )  # a busy machine joins some
        delay = figures[f"delay of a chunk, {count} streams, median"]
        assert delay["bridge"] < delay["script"] / 2  # both go through a page, so a busy machine slows both
    assert figures["pictures of a page while it streams"]["bridge"] > 0
    assert figures["key to picture, median"]["bridge"] > 0
    assert figures["the same, watched to unwatched"]["bridge"] < FAR
    short, long = (figures[f"frames decoded, answer of {frames}"]["bridge"] for frames in ("500", "25,000"))
    assert long > short / 4  # the cost of a frame does not grow with the answer
