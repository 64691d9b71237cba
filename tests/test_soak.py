"""A short soak; `python -m tests.soak` runs the long one."""

from __future__ import annotations

from pathlib import Path

from tests.soak import soak


async def test_whatever_the_site_does_every_chat_ends_with_the_exact_answer_or_a_clear_error(tmp_path: Path) -> None:
    result = await soak(tmp_path, chats=40)
    assert result.broken == []
    assert sum(result.outcomes.values()) == 40
    assert result.outcomes["200 stop"] >= 20
