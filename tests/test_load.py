"""A short load; `python -m tests.load` runs the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load import LOOKS, Result, load


@pytest.mark.browser
@pytest.mark.stress
async def test_no_chat_of_many_clients_is_lost_or_mixed_up_and_every_key_is_answered(tmp_path: Path) -> None:
    result = await load(tmp_path, clients=8, keys=4, accounts=2, minutes=0.05)
    assert (result.lost, result.mixed, result.at_once) == ([], [], 1)
    assert {key for key, waits in result.waits.items() if waits} == {f"key-{number}" for number in range(1, 5)}


def test_a_key_that_waits_longer_and_memory_that_grows_break_promises() -> None:
    result = Result(10, answered=4)
    result.waits.update({"one": [1.0, 1.0], "two": [1.2, 1.2]})
    result.memory = [500.0] * LOOKS
    assert result.broken == []
    result.waits["two"] = [1.4, 1.4]
    result.memory = [500.0 + 2 * look for look in range(LOOKS)]
    assert len(result.broken) == 2
    result.greedy = "two"
    assert len(result.broken) == 1
