"""The faults of all sites: what a client is told of each, played through the stand-ins of their pages."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from bridge.demo import Script
from bridge.telemetry import WorkerState
from tests.sites.contract_points import faults_of
from tests.sites.standin_runs import SITES, StandInRun
from tests.support.stress import stress
from tests.support.waiting import until

WHOLE = ("kimi", "jimeng")
"""One site of each kind: a stream, and a job. The others' refusals are read from recorded streams
(`test_rule_decoder.py`)."""
ALONE = [
    pytest.param("qianwen", ("login", "http_429", "reset"), id="qianwen"),
    pytest.param("zai", ("again",), id="zai"),
    pytest.param("chatglm", ("elsewhere", "busy"), id="chatglm"),
]
"""What is not alike where another origin answers: a refusal of its own, a status that the page may not read, and a
connection that is not an old one; and pages that send their prompt a second time, of which one asks for
something that is no text."""
LOST = (502, "site_error")
EXPECTED: dict[str, tuple[int, str]] = {
    "login": (503, "login_required"),
    "session_revoked": (503, "login_required"),
    "human": (503, "human_needed"),
    "again": (200, "stop"),
    "elsewhere": LOST,
    "late_refusal": (503, "site_busy"),
    "error_after_end": (200, "stop"),
    "captcha": (503, "human_needed"),
    "rate": (429, "rate_limited"),
    "quota": (429, "rate_limited"),
    "busy": (503, "site_busy"),
    "refused": (502, "site_error"),
    "http_429": (429, "rate_limited"),
    "http_500": (503, "site_busy"),
    "html_body": (503, "human_needed"),
    "reset": (200, "stop"),
    "abort": LOST,
    "no_end": LOST,
    "empty": LOST,
    "overloaded": (503, "site_busy"),
    "broken_frame": (200, "stop"),
    "unknown_frames": (200, "stop"),
}
MOST_SENDS = {"reset": 2, "again": 2}
"""Chromium sends a request again where an old connection was cut before a byte of the answer; and a page may do so."""


def expected(run: StandInRun, fault: str) -> tuple[int, str]:
    """Return HTTP status and code of a chat that the fault strikes on this site."""
    if fault == "reset" and run.site.wire.elsewhere:
        return LOST  # it goes by a connection of its own, which is not an old one
    if (run.name, fault) == ("chatglm", "refused"):
        return 200, "content_filter"  # it withdraws the answer, and puts words of its own in its place
    if fault == "error_after_end" and run.file.answer.then_wait:
        return EXPECTED["busy"]  # its file waits for that, since the answer that it follows may be none
    return EXPECTED[fault]


def with_faults(*names: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return sites, each with all faults that are played on it."""
    return [(name, faults_of(name)) for name in names]


OTHERS = [name for name in SITES if name not in WHOLE]


@pytest.mark.parametrize(
    ("run", "faults"), [*with_faults(*WHOLE), *ALONE, *stress(*with_faults(*OTHERS))], indirect=["run"]
)
async def test_each_fault_is_told_by_its_name_and_nothing_is_sent_twice(
    run: StandInRun, faults: tuple[str, ...]
) -> None:
    found = {fault: await outcome(run, fault) for fault in faults}
    assert found == {fault: expected(run, fault) for fault in found}


async def outcome(run: StandInRun, fault: str) -> tuple[int, str]:
    """Return HTTP status and code of a chat that the fault strikes, which is sent once at most."""
    turns = len(run.account.turns)
    run.account.fault(fault)
    run.account.script(Script(text="One two three four five six."))
    try:
        answer = await run.complete("Say it")
    except openai.APIStatusError as error:
        body: Any = error.body
        result = error.status_code, str(body["code"])
    else:
        result = 200, answer.choices[0].finish_reason
    assert len(run.account.turns) - turns <= MOST_SENDS.get(fault, 1)
    run.account.clear_fault()
    await recover(run)
    return result


async def recover(run: StandInRun) -> None:
    """Bring the account back to where it takes chats."""
    await until(lambda: not run.bridge.pool.queue.busy())
    if run.bridge.pool.accounts()[0].state is not WorkerState.READY:
        await run.sign_in()


def test_each_site_has_ten_faults() -> None:
    assert {name: len(faults_of(name)) for name in SITES if len(faults_of(name)) < 10} == {}
