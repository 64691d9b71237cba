"""One chat on a page that is slow, held up or cut off: the answer or the right error, and no account lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from bridge.browser import Chromium
from bridge.telemetry import WorkerChanged
from tests.live import QUICK_SITE, Live, directive, live

SWITCHES = (
    ("deepseek-chat", (False, False)),
    ("deepseek-r1-search", (True, True)),
    ("deepseek-search", (False, True)),
    ("deepseek-reasoner", (True, False)),
)


def changes(run: Live) -> list[str]:
    """Return what became of the accounts since they were ready."""
    states = [fact.state for fact in run.facts.seen if isinstance(fact, WorkerChanged)]
    return [str(state) for state in states][2:]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("clicks", ["at_once", "late", "ignored", "undone"])
async def test_a_switch_that_settles_late_costs_neither_a_conversation_nor_the_account(
    tmp_path: Path, chromium: Chromium, clicks: Literal["at_once", "late", "ignored", "undone"], kept: bool
) -> None:
    slow = replace(QUICK_SITE, toggle_settle=(0.6, 0.6), toggle_clicks=clicks, toggle_kept=kept)
    async with live(tmp_path, chromium=chromium, demo=slow) as run:
        for model, _ in SWITCHES:
            assert await run.ask(directive(text=f"as {model}"), model) == f"as {model}"
        sent = [(turn.thinking_enabled, turn.search_enabled) for turn in run.account().turns]
        assert sent == [wanted for _, wanted in SWITCHES]
        assert len(run.account().conversations) == len(SWITCHES)
        assert changes(run) == []
