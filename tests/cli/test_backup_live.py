"""`bridge backup` beside a bridge that serves, `bridge restore` elsewhere, and a chat that goes on there."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.storage.key_files import KeyFile
from tests.support.commands import Home
from tests.support.live import QUICK_SITE, directive
from tests.support.live import served as served_here
from tests.support.sdk import sdk

pytestmark = pytest.mark.browser


@asynccontextmanager
async def served(home: Home, **more: str) -> AsyncGenerator[AsyncOpenAI]:
    """Serve with what is in the home, and give a client with its key; `more` are variables."""
    async with home.overheard("serve", **more) as command:
        url = re.search(r"http://127\.0\.0\.1:\d+", await command.shows("Accounts  "))
        assert url
        async with sdk(f"{url[0]}/v1", KeyFile(home.settings.config).keys()[0]) as client:
            yield client
        assert await command.ends(signal.SIGTERM) == 0


async def answered(client: AsyncOpenAI, messages: list[dict[str, Any]], words: str) -> Sequence[dict[str, Any]]:
    """Return the history with one more turn."""
    asked = [*messages, {"role": "user", "content": directive(text=words)}]
    answer = await client.chat.completions.create(model="deepseek-chat", messages=asked)  # type: ignore[arg-type]
    return [*asked, {"role": "assistant", "content": answer.choices[0].message.content}]


async def test_a_chat_goes_on_in_its_conversation_on_the_machine_where_a_backup_was_restored(
    tmp_path: Path, chromium: Chromium
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with DemoSite(QUICK_SITE) as site:
        with Home.at(tmp_path / "here") as home, Home.at(elsewhere) as other:
            home.folder.mkdir()
            async with served_here(home.folder, site, chromium, ["alice"]) as run:
                history = list(await answered(run.client, [], "one"))
                long = await run.stream(directive(tokens=10_000, rate=20))
                await anext(long)
                done = await home.run("backup", "safe")  # in the middle of a chat
                assert done.code == 0, done.err
                assert done.out.startswith("Backed up 1 login and ")
                assert (await anext(long)).choices[0].finish_reason is None, "the chat goes on"
                await long.close()
            again = await home.run("backup", "safe")
            assert (again.code, "exists already" in again.err) == (1, True)

            for file in ("safe", "config/profile.key"):
                shutil.copy(home.folder / file, elsewhere)
            restored = await other.run("restore", "safe", "--key-file", "profile.key")
            assert restored.code == 0, restored.err
            async with served_here(other.folder, site, chromium, ["alice"]) as run:
                await answered(run.client, history, "two")
            first, last = site.account("alice").turns[0], site.account("alice").turns[-1]
            assert (last.conversation, last.parent) == (first.conversation, 2)
            assert last.prompt == directive(text="two"), "the history was not sent again"
            usage = await other.run("usage", "--json")
            assert [row["chats"] for row in json.loads(usage.out)] == [2], "the first one was before the backup"


async def test_a_backup_can_be_sent_through_a_pipe(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        async with DemoSite(QUICK_SITE) as site:
            home.log_in(site)
        done = await home.run("backup", "-")
        assert done.code == 0, done.err
        assert done.out.startswith("age-encryption.org/v1")
        assert "Backed up 1 login" in done.err


async def test_who_has_nothing_to_back_up_or_no_key_is_told_what_to_do(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        nothing = await home.run("backup", "safe")
        assert (nothing.code, "There is nothing to back up" in nothing.err) == (1, True)
        assert not (tmp_path / "safe").exists()
        (tmp_path / "safe").write_bytes(b"x")
        no_key = await home.run("restore", "safe")
        assert (no_key.code, "--key-file FILE" in no_key.err) == (1, True)
        assert not (tmp_path / "config").exists()
