"""A short soak; `python -m tests.soak` runs the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak import LOOKS, Memory, Result, soak
from tests.support.browsers import light_browser
from tests.support.stress import stress


@pytest.mark.browser
@pytest.mark.parametrize("chats", [16, *stress(60)])
async def test_whatever_the_site_does_every_chat_ends_with_the_exact_answer_or_a_clear_error(
    tmp_path: Path, chats: int
) -> None:
    result = await soak(tmp_path, chats, browser=light_browser())
    assert result.broken == []
    assert sum(result.outcomes.values()) == chats
    assert result.outcomes["200 stop"] >= chats // 2


@pytest.mark.parametrize(("leak", "grown"), [(0.0, False), (0.4, True)])
def test_what_comes_and_goes_is_no_growth_and_what_stays_is(leak: float, grown: bool) -> None:
    result = Result()
    result.outcomes["200 stop"] = 800
    for look in range(LOOKS):
        saw = 50 + 5 * (look * 7 % 12)
        result.memory.append(Memory(100, saw + leak * look * 2, saw, 30 + saw % 35))
    assert any("memory of driver" in one for one in result.broken) == grown
    assert (result.growth["browser"], result.growth["page"]) == (0, 0)
