"""What `/pressure` makes of accounts, queue and machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bridge.chat.types import Account
from bridge.monitor.machine_load import Machine, MachineLoad
from bridge.monitor.pressure import QUEUE_FULL, Pressure
from bridge.telemetry import WorkerState

FREE = Account("alice", WorkerState.READY, "", None, is_busy=False)
BUSY = replace(FREE, is_busy=True)
ASLEEP = replace(FREE, state=WorkerState.ASLEEP)
AWAY = replace(FREE, state=WorkerState.LOGGED_OUT)


@pytest.mark.parametrize(
    ("accounts", "waiting", "expected"),
    [
        ([FREE, FREE], 0, 0.0),
        ([FREE, BUSY], 0, 0.5),
        ([BUSY, AWAY], 0, 1.0),  # whoever cannot answer is no room
        ([FREE, AWAY, replace(FREE, is_paused=True), replace(FREE, is_held=True)], 0, 0.0),
        ([BUSY, FREE, FREE], 1, 2 / 3),  # one waits for the account of its conversation
        ([BUSY, BUSY], 7, 1.0),
    ],
)
def test_the_chats_that_there_are_press_on_the_accounts_that_can_answer(
    accounts: list[Account], waiting: int, expected: float
) -> None:
    found = Pressure(accounts, 0, waiting, 64, 0.0)
    assert found.reason is None
    assert found.chats == pytest.approx(expected)


def test_new_chats_are_refused_where_the_queue_is_full_and_no_account_is_free() -> None:
    full = Pressure([BUSY], 1, 64, 64, 10.0)
    assert (full.reason, full.value) == (QUEUE_FULL, 1.0)
    assert replace(full, accounts=[BUSY, FREE]).reason is None
    assert replace(full, waiting=63).reason is None


def test_why_no_chat_is_taken_is_what_the_health_check_says() -> None:
    found = Pressure([FREE], 0, 0, 64, 0.0, "The bridge is stopping.").as_json()
    assert (found["pressure"], found["accepting"], found["reason"]) == (1.0, False, "The bridge is stopping.")


def test_a_busy_machine_presses_as_well() -> None:
    found = Pressure([FREE], 0, 0, 64, 0.0, machine=MachineLoad(cpu=0.9, memory=0.2)).as_json()
    assert (found["pressure"], found["shares"]) == (0.9, {"chats": 0.0, "cpu": 0.9, "memory": 0.2})


def test_where_clients_bring_their_logins_no_account_is_no_pressure() -> None:
    assert Pressure([], 0, 0, 64, 0.0).value == 0.0
    assert Pressure([], 0, 0, 64, 0.0, "No account is logged in.").value == 1.0


def test_a_container_is_measured_by_its_own_limits(tmp_path: Path) -> None:
    files = {
        "cpu.max": "150000 100000",
        "memory.max": "1000",
        "memory.current": "800",
        "memory.stat": "anon 500\ninactive_file 300\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert Machine(tmp_path).load(120.0) == MachineLoad(cpu=0.8, memory=0.5)
    assert Machine(tmp_path).memory() == 1000


@pytest.mark.parametrize("limit", ["max", "max 100000", "", "-5", "\udcff"])
def test_without_limits_it_is_measured_by_the_machine(tmp_path: Path, limit: str) -> None:
    for name in ("cpu.max", "memory.max", "memory.current", "memory.stat"):
        (tmp_path / name).write_text(limit, "utf-8", "surrogateescape")
    found = Machine(tmp_path).load(5000.0)
    assert 0 < found.memory < 1
    assert 0 <= found.cpu <= 1
    assert Machine(tmp_path).memory() == psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("accounts", "limit", "usable", "free"),
    [
        ([FREE, ASLEEP, ASLEEP], None, 3, 3),
        ([BUSY, FREE, ASLEEP, ASLEEP], 2, 2, 1),
        ([BUSY, BUSY, ASLEEP, ASLEEP], 2, 2, 0),
    ],
)
def test_accounts_that_sleep_are_room_as_far_as_they_may_be_opened(
    accounts: list[Account], limit: int | None, usable: int, free: int
) -> None:
    found = Pressure(accounts, 0, 0, 64, 0.0, open_limit=limit)
    assert (found.usable, found.free) == (usable, free)
