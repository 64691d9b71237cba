"""The files for Prometheus and Grafana work in a real Prometheus that scrapes a running bridge."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.chat.types import Account
from bridge.monitor.metric_table import COUNTED, OBSERVED
from bridge.telemetry import (
    BrowserStarted,
    ChatEnded,
    ChatProgress,
    ChunkTime,
    DriftSeen,
    PageShown,
    RequestAnswered,
    WorkerState,
)
from tests.docs import grafana_dashboard
from tests.docs.blocks import ROOT
from tests.support.fake_backend import METRICS_KEY, Served, serving
from tests.support.waiting import LIMIT, until

EXAMPLES = ROOT / "examples/prometheus"
PAUSE = 0.3
"""Seconds until a question to Prometheus, which scrapes once a second, is asked again."""
MARKS = {"started": 0.1, "opened": 0.2, "sent": 0.4, "first_byte": 1.0, "first_token": 1.2, "end": 9.0}
READY = Account("alice", WorkerState.READY, "", None, is_busy=True, hour_limit=30, day_limit=200)
yaml: Any = importlib.import_module("yaml")


def program(name: str) -> str:
    """Return where a program of Debian's package `prometheus` is, or skip the test, but not where all is checked."""
    if (found := shutil.which(name)) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed: apt-get install prometheus")
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return found


def alerts() -> list[Mapping[str, Any]]:
    (group,) = yaml.safe_load((EXAMPLES / "alerts.yml").read_text("utf-8"))["groups"]
    return list(group["rules"])


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:bridge|process)_\w+", expression))


def test_alerts_and_panels_name_only_metrics_that_there_are() -> None:
    ours = {spec.name for spec in (*COUNTED, *OBSERVED)}
    ours |= {f"{spec.name}_bucket" for spec in COUNTED if spec.kind == "histogram"}
    ours |= {f"process_{name}" for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds")}
    written = (*grafana_dashboard.queries(), *(one["expr"] for one in alerts()))
    named = [name for query in written for name in names_in(query)]
    assert len(named) > 50
    assert set(named) - ours == set()


def test_every_alert_is_played_and_says_what_to_look_at() -> None:
    played = re.findall(r'alertname="(\w+)"', (EXAMPLES / "alerts_test.yml").read_text("utf-8"))
    assert sorted(played) == sorted(rule["alert"] for rule in alerts())
    assert [rule["alert"] for rule in alerts() if "$labels" not in rule["annotations"]["summary"]] == []


def test_the_dashboard_is_what_grafana_imports_and_no_panel_lies_on_another() -> None:
    made = json.loads(grafana_dashboard.text())
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [(x, y) for panel in panels for x, y in cells_of(**panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < grafana_dashboard.WIDTH
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert shown == list(grafana_dashboard.queries())


def cells_of(x: int, y: int, w: int, h: int) -> list[tuple[int, int]]:
    return [(column, row) for column in range(x, x + w) for row in range(y, y + h)]


async def ended(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end, and return what it has printed; fail where it fails."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(LIMIT):
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


def copied(folder: Path, target: int) -> Path:
    """Write the example as it is, but for the bridge's address, its key's file, and how often it looks."""
    for name in ("alerts.yml", "alerts_test.yml"):
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    key = folder / "bridge.key"
    key.write_text(f"{METRICS_KEY}\n", "ascii")
    text = (EXAMPLES / "prometheus.yml").read_text("utf-8")
    for there, here in (("127.0.0.1:8000", f"127.0.0.1:{target}"), ("/etc/prometheus/bridge.key", str(key))):
        assert there in text
        text = text.replace(f'"{there}"', f'"{here}"').replace(f" {there}\n", f" {here}\n")
    file = folder / "prometheus.yml"
    file.write_text(re.sub(r"_interval: 30s", "_interval: 1s", text), "utf-8")
    return file


@pytest.mark.browser
async def test_prometheus_own_tool_takes_configuration_and_rules_and_each_alert_comes_when_it_should(
    tmp_path: Path,
) -> None:
    promtool, file = program("promtool"), copied(tmp_path, 8000)
    await ended(promtool, "check", "config", "--lint-fatal", file, cwd=tmp_path)
    await ended(promtool, "check", "rules", "--lint-fatal", "alerts.yml", cwd=tmp_path)
    assert "SUCCESS" in await ended(promtool, "test", "rules", "alerts_test.yml", cwd=tmp_path)


@asynccontextmanager
async def prometheus(folder: Path, target: int) -> AsyncGenerator[aiohttp.ClientSession]:
    """Run a Prometheus that scrapes a bridge, and give a client of its API."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
    file = copied(folder, target)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(f"http://{address}", timeout=timeout) as http:
            yield http
    finally:
        process.terminate()
        await process.wait()


async def asked(http: aiohttp.ClientSession, path: str, **parameters: str) -> Any:
    """Return what Prometheus answers."""
    async with http.get(f"/api/v1/{path}", params=parameters, raise_for_status=True) as response:
        answer = await response.json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]


def work(served: Served) -> None:
    """Have all happen of which there is a metric."""
    emit = served.telemetry.emit
    for result in ("stop", "site_busy"):
        emit(ChatEnded("c", "m", "alice", result, "", MARKS, 1, 1, 9, "", "deepseek", "openai", 5))
    emit(ChatProgress("c", "writing", 1, {}, (ChunkTime(0.01, 0.02),)))
    emit(RequestAnswered("GET", "/v1/models", 200, 0.1))
    emit(DriftSeen("deepseek", "p=x", 1))
    emit(PageShown("alice", is_open=True))


@pytest.mark.browser
@pytest.mark.slow
async def test_a_real_prometheus_scrapes_the_bridge_and_answers_every_alert_and_every_panel(tmp_path: Path) -> None:
    async with serving(monitored=True) as served, prometheus(tmp_path, served.port) as http:
        served.backend.known = [READY]
        served.telemetry.emit(BrowserStarted("156.0", "/usr/bin/chromium", sandbox=True))

        async def is_scraped() -> bool:
            work(served)
            try:
                found = await asked(http, "query", query="up")
            except aiohttp.ClientError:  # refused at first, then answered with 503
                found = {"result": ()}  # Prometheus is about to start
            return any(one["value"][1] == "1" for one in found["result"])

        await until(is_scraped, pause=PAUSE)
        (target,) = (await asked(http, "targets"))["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        for query in [query.replace("$instance", ".*") for query in grafana_dashboard.queries()]:
            await answered(http, served, query.replace("$__rate_interval", "30s"))
        known = set(await asked(http, "label/__name__/values"))
        assert {name for query in grafana_dashboard.queries() for name in names_in(query)} - known == set()
        await rules_are_well(http)


async def answered(http: aiohttp.ClientSession, served: Served, query: str) -> None:
    """Wait until a query has a result; work goes on meanwhile."""

    async def has_result() -> object:
        work(served)
        return (await asked(http, "query", query=query))["result"]

    try:
        await until(has_result, pause=PAUSE)
    except TimeoutError:
        pytest.fail(f"Prometheus has no answer to {query}")


async def rules_are_well(http: aiohttp.ClientSession) -> None:
    """Wait until each rule was evaluated, and see that none failed."""
    rules: list[dict[str, Any]] = []

    async def are_evaluated() -> bool:
        (group,) = (await asked(http, "rules"))["groups"]
        rules[:] = group["rules"]
        return all(rule["health"] != "unknown" for rule in rules)

    await until(are_evaluated, pause=PAUSE)
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    assert sorted(rule["name"] for rule in rules) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        await asked(http, "query", query=rule["expr"])
