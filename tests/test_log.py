"""The log tells what happened to every chat, and never what was said or which secrets were used."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path

import pytest
from loguru import logger

from bridge import log
from bridge.browser.browser import Chromium
from bridge.errors import BrowserError
from bridge.settings import LogSettings
from bridge.tasks import Tasks
from bridge.telemetry import ChatEnded, Telemetry, WorkerChanged, WorkerState
from tests.support.browsers import light_browser
from tests.support.live import directive, live

SAID = "the-secret-of-the-prompt"
ANSWERED = "the-secret-of-the-answer"


@pytest.fixture(autouse=True)
def _log_as_before() -> Generator[None]:
    yield
    logger.remove()
    logger.add(sys.stderr)


async def test_no_prompt_answer_key_cookie_or_token_is_ever_logged(
    tmp_path: Path, chromium: Chromium, capfd: pytest.CaptureFixture[str]
) -> None:
    log.set_up(LogSettings(level="TRACE", json_lines=True))
    async with live(tmp_path, chromium=chromium) as run:
        account = run.account()
        assert await run.ask(f"{SAID} {directive(text=ANSWERED)}") == ANSWERED
        secrets = [SAID, ANSWERED, account.token, run.key, *account.cookies, account.password]
        account.sign_out(account.token)
        with pytest.raises(Exception, match="503"):
            await run.ask(f"{SAID} {directive(text=ANSWERED)}")
    written = "".join(capfd.readouterr())
    assert '"fact": "ChatEnded"' in written
    assert [secret for secret in secrets if secret in written] == []


async def test_a_failing_task_is_logged_without_the_values_of_its_variables(capfd: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(level="TRACE"))
    tasks = Tasks()

    async def fail() -> None:
        cookie = "cookie-in-a-variable"
        raise BrowserError(f"failed with {len(cookie)} characters")

    await tasks.start(fail())
    written = "".join(capfd.readouterr())
    assert "failed with 20 characters" in written
    assert "cookie-in-a-variable" not in written.replace('cookie = "cookie-in-a-variable"', "")


def test_a_chat_is_one_line_with_all_its_steps(capfd: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(json_lines=True))
    marks = {"queued": 0.0, "started": 0.1, "sent": 0.2, "first_byte": 0.3, "first_token": 0.4, "end": 0.5}
    Telemetry(log.log_fact).emit(ChatEnded("c1", "deepseek-chat", "alice", "stop", "", marks))
    (line,) = capfd.readouterr().err.splitlines()
    written = json.loads(line)
    assert (written["chat"], written["account"], written["result"]) == ("c1", "alice", "stop")
    assert written["marks"] == marks
    assert "first_token=0.400s" in written["message"]


@pytest.mark.browser
async def test_each_chat_leaves_a_trace_where_the_settings_ask_for_one_and_is_answered_where_none_can_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.set_up(LogSettings())
    folder = tmp_path / "traces"
    async with live(tmp_path, browser=light_browser(trace=folder)) as run:
        for text in ("one", "two"):
            assert await run.ask(directive(text=text)) == text
        traces = sorted(folder.iterdir())
        assert [(trace.suffix, trace.stat().st_size > 1000) for trace in traces] == [(".zip", True)] * 2
        assert folder.stat().st_mode & 0o077 == 0
        async with aclosing(await run.stream(directive(tokens=1000, rate=20))) as chunks:
            await anext(aiter(chunks))
            shutil.rmtree(folder)
            folder.touch()  # so that no folder can be made there any more
        assert await run.ask(directive(text="answered")) == "answered"
        written = capfd.readouterr().err
        assert "The trace was not kept" in written
        assert "No trace is kept" in written
        folder.unlink()
        assert await run.ask(directive(text="traced")) == "traced"
        assert [one.suffix for one in folder.iterdir()] == [".zip"]
        assert WorkerState.BROKEN not in [fact.state for fact in run.facts.seen if isinstance(fact, WorkerChanged)]


def test_json_lines_name_the_node_of_a_cluster(capfd: pytest.CaptureFixture[str]) -> None:
    for node in ("one", ""):
        log.set_up(LogSettings(json_lines=True), node)
        logger.info("Hello")
    first, second = map(json.loads, capfd.readouterr().err.splitlines())
    assert (first["node"], "node" in second) == ("one", False)
