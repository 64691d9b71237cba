"""The parts of the monitor: figures by minute, memory and CPU, the end of the log; each bounded."""

from __future__ import annotations

import asyncio
import sys

import pytest
from loguru import logger

from bridge.monitor.charts import KEPT, STEP, Charts
from bridge.monitor.log_tail import LONGEST, MOST_LINES, LogTail
from bridge.monitor.resource_usage import ResourceSample, ResourceUsage
from bridge.settings import LogSettings
from bridge.telemetry import ChatEnded
from tests.support.fake_backend import serving
from tests.support.operator import events, signed_in


def ended(result: str = "stop", **marks: float) -> ChatEnded:
    return ChatEnded("c", "m", "alice", result, "", marks, 10, 100, 30)


def test_figures_are_medians_of_their_minute_and_none_where_nothing_was() -> None:
    now = [600.0]
    charts = Charts(lambda: now[0])
    for waited in (1.0, 5.0, 3.0):
        charts.chat(ended(started=waited, first_token=10.0, end=13.0))
    now[0] += 3 * STEP
    charts.chat(ended("site_error", started=2.0, end=2.01))
    charts.load(ResourceSample(100.0, 5.0), None)
    found = charts.series(5 / 60)
    assert found["times"] == [600 - STEP, 600, 600 + STEP, 600 + 2 * STEP, 600 + 3 * STEP]
    series = found["series"]
    assert series["waiting"] == [None, 3.0, None, None, 2.0]
    assert series["tokens_per_second"] == [None, 10.0, None, None, None]
    assert series["chats"] == {"stop": [None, 3, None, None, None], "site_error": [None, None, None, None, 1]}
    assert (series["process_mb"][-1], series["browser_mb"][-1]) == (100.0, None)
    assert charts.point()["time"] == 600 + 3 * STEP


def test_a_day_of_figures_is_kept_and_no_more() -> None:
    now = [0.0]
    charts = Charts(lambda: now[0])
    for minute in range(KEPT + 100):
        now[0] = minute * STEP
        for _ in range(3):
            charts.chat(ended(started=float(minute)))
    series = charts.series(24)["series"]
    assert (len(series["waiting"]), series["waiting"][0], series["waiting"][-1]) == (KEPT, 100.0, KEPT + 99.0)


def test_a_clock_that_is_put_back_harms_nothing() -> None:
    now = [6000.0]
    charts = Charts(lambda: now[0])
    charts.chat(ended(started=1.0))
    now[0] = 60.0
    charts.chat(ended(started=3.0))
    assert charts.series(1)["series"]["waiting"][-1] == 2.0


@pytest.mark.browser
async def test_the_load_of_this_process_and_of_what_it_has_started_is_read() -> None:
    machine = ResourceUsage()
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    try:
        own, children = await asyncio.to_thread(machine.sample)
        assert own.memory_mb > 1
        assert children is not None
        with_children, elsewhere = await asyncio.to_thread(lambda: machine.sample(is_elsewhere=True))
        assert elsewhere is None, "nothing is known of a browser that runs elsewhere"
        assert with_children.memory_mb > own.memory_mb
    finally:
        child.kill()
        await child.wait()


async def test_the_figures_of_now_come_by_the_event_stream() -> None:
    async with (
        serving(monitored=True) as served,
        signed_in(served) as operator,
        events(operator.http) as stream,
    ):
        served.monitor.charts.load(ResourceSample(1.0, 2.0), None)
        served.monitor.add_sample()
        sample = await stream.next("sample")
        assert sample["series"].keys() >= {"waiting", "first_token", "tokens_per_second", "chats", "process_mb"}


def test_the_end_of_the_log_is_bounded_in_lines_and_their_length() -> None:
    tail = LogTail()
    with tail.listening(LogSettings()):
        for number in range(MOST_LINES + 50):
            logger.info("line {} {}", number, "x" * 3 * LONGEST)
        logger.debug("not heard")
        try:
            raise ValueError("a text that nobody should see")
        except ValueError:
            logger.exception("It failed")
    lines = tail.after(0)
    assert (len(lines), max(len(line.text) for line in lines) <= LONGEST) == (MOST_LINES, True)
    assert lines[-1].text == "It failed (ValueError)"
    assert [line.number for line in tail.after(lines[-2].number)] == [lines[-1].number]
    logger.info("after the end")
    assert tail.after(lines[-1].number) == []
