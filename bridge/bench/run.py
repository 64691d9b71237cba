"""Runs the measurements one after another, each with what it is compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from bridge.bench.account_bench import account_costs
from bridge.bench.compared_clients import Bridged, Say, Scripted, directive, scripted
from bridge.bench.decoding import frames_per_second
from bridge.bench.figures import BenchReport, machine, median
from bridge.bench.live_view_bench import live_view
from bridge.bench.measured_processes import Served, Site, bridge, demo_site
from bridge.bench.streams import RATE, heavy_page, light_page

PAUSE = 1.0
"""Seconds between two new chats, in which the page is prepared; a third of the pause on the real site."""
STOP_LIMIT = 20.0
LOOK_EVERY = 0.05
LONG_PROMPT = "One line of a long prompt, as an agent sends them, with some text in it.\n" * 4000
MS = 1000.0


async def measure(say: Say, *, short: bool = False) -> BenchReport:
    """Return the figures of one run; `short` leaves out long measurements, for CI."""
    report = BenchReport()
    accounts = [f"a{number:02}" for number in range(4 if short else 30)]
    say("Decoding, without a browser")
    _decoding(report)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bridge-bench-")))
        http = await stack.enter_async_context(aiohttp.ClientSession(read_bufsize=2**20))
        site = await stack.enter_async_context(demo_site(accounts))
        async with bridge(folder, site, accounts[:1]) as served:
            report.machine = machine()
            say("The way to the site and back: new chat, same conversation, long prompt")
            await _there_and_back(report, site, Bridged(http, served), served, rounds=5 if short else 25)
            say("The live view: pictures, keys, and the chat beside it")
            await live_view(report, http, served, rounds=2 if short else 5, seconds=2 if short else 5)
        await light_page(report, folder, site, http, accounts, say, short=short)
        await heavy_page(report, folder, http, say, short=short)
        if not short:
            await account_costs(report, folder, site, accounts, say)
    return report


def _decoding(report: BenchReport) -> None:
    """Measure the decoder alone; a frame must not cost more in an answer fifty times as long."""
    for frames, rounds in ((500, 50), (25_000, 8)):
        rate = frames_per_second(frames, rounds)
        report.add_at_least(f"frames decoded, answer of {frames:,}", "1/s", rate, target=200_000)


async def _there_and_back(report: BenchReport, site: Site, way: Bridged, served: Served, rounds: int) -> None:
    """Measure the time from the client's request to the site's, and of the first token and the end on the way back."""
    account = served.accounts[0]
    prompts = [f"{number} {directive(text='hello there')}" for number in range(rounds)]
    longs = [f"{LONG_PROMPT}{prompt}" for prompt in prompts[:5]]
    cold = await _timed(way, site, account, prompts[0])
    report.add("request to the site's request, first chat", "ms", cold["there"])
    same = [cold]
    for prompt in prompts:
        same.append(await _timed(way, site, account, prompt, same[-1]["name"]))
    report.add("request to the site's request, same conversation", "ms", _median(same[3:], "there"), target=25.0)
    new: list[dict[str, Any]] = []
    async with scripted(site, [account]) as pages:
        for name, asked in (("new chat", prompts), ("new chat of 4,000 lines", longs)):
            alone = [await _reached(pages, site, account, prompt) for prompt in asked]
            rows = [await _timed(way, site, account, prompt, pause=PAUSE) for prompt in asked]
            new = new or rows
            _beside(report, name, _median(rows[2:], "there"), median(alone[2:]), 25.0 if rows is new else 150.0)
    report.add("first byte at the site to first token at the client", "ms", _median(new, "first"))
    report.add("end at the site to end at the client", "ms", _median(new, "end"))
    stops = [await _stopped(way, site, account) for _ in range(5)]
    report.add("client leaves to the site's stop", "ms", median(stops), target=200.0)


def _beside(report: BenchReport, name: str, there: float | None, alone: float | None, target: float) -> None:
    """Add a figure, and its part beyond the page's own work: proof of work, creating a conversation, drawing."""
    report.add(f"request to the site's request, {name}", "ms", there, script=alone, target=target)
    if there is not None and alone is not None:
        report.add(f"the same, beyond the page alone, {name}", "ms", there - alone)
        report.add(f"the same, in times of the page alone, {name}", "", there / alone, target=1.2)


async def _reached(pages: Scripted, site: Site, account: str, prompt: str) -> float:
    """Send a prompt from a page without the bridge, and return the milliseconds until the site has it."""
    before = len(await _turns(site, account))
    asked = await pages.send(account, prompt)
    return float((await _ended(site, account, before + 1))["accepted_at"] - asked) * MS


async def _timed(
    way: Bridged, site: Site, account: str, prompt: str, conversation: str | None = None, pause: float = 0.0
) -> dict[str, Any]:
    """Run one chat after a pause, and return the milliseconds of its steps against the site's own record."""
    await asyncio.sleep(pause)
    times = await way.stream(account, prompt, **({"conversation_id": conversation} if conversation else {}))
    turn = (await _turns(site, account))[-1]
    return {
        "there": (turn["accepted_at"] - times.asked) * MS,
        "first": (times.first - turn["first_byte_at"]) * MS,
        "end": (times.ended - turn["ended_at"]) * MS,
        "name": times.name,
    }


async def _stopped(way: Bridged, site: Site, account: str) -> float:
    """Disconnect in the middle of an answer, and return the milliseconds until the site stopped writing."""
    before = len(await _turns(site, account))
    left = await way.leave(directive(tokens=RATE * 60, rate=RATE), after=10)
    turn = await _ended(site, account, before + 1)
    return float(turn["ended_at"] - left) * MS


async def _ended(site: Site, account: str, number: int) -> dict[str, Any]:
    """Wait for the end of the account's turn with this number, counted from 1, and return it."""
    async with asyncio.timeout(STOP_LIMIT):
        while True:
            turns = await _turns(site, account)
            if len(turns) >= number and turns[number - 1]["ended_at"] is not None:
                return turns[number - 1]
            await asyncio.sleep(LOOK_EVERY)


async def _turns(site: Site, account: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = (await site.control("GET", f"/accounts/{account}/turns"))["turns"]
    return turns


def _median(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return median([row[name] for row in rows])
