"""The limits of a key on a whole bridge: from a chat on an account through the record of usage to the next start."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai import PermissionDeniedError, RateLimitError

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.storage.api_keys import KeyStore
from bridge.storage.key_limits import limits_of
from bridge.storage.usage_file import UsageFile, usage_path
from tests.support.live import QUICK_SITE, Live, served
from tests.support.waiting import until


async def ask(run: Live, key: str, text: str) -> str:
    client = run.client.with_options(api_key=key, max_retries=0)
    answer = await client.chat.completions.create(model="deepseek-chat", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content or ""


def recorded(config: Path) -> list[dict[str, Any]]:
    file = UsageFile(usage_path(config), 400)
    rows = file.totals(0, ["key", "model", "account"])
    file.close()
    return rows


async def until_noticed(run: Live, key: str) -> str:
    """Return why a chat is refused once the day's limit does not refuse it any more."""
    told: list[str] = []

    async def is_noticed() -> bool:
        try:
            told.append(await ask(run, key, "Once more"))
        except RateLimitError:
            return False
        except PermissionDeniedError as error:
            told.append(str(error))
        return True

    await until(is_noticed)
    return told[0]


async def test_what_a_key_used_on_an_account_outlives_a_restart_and_changed_limits_count_without_one(
    tmp_path: Path, chromium: Chromium
) -> None:
    store = KeyStore(tmp_path / "config")
    key, text = await asyncio.to_thread(store.add, "ci", "chat", limits_of({"requests_per_day": 1}))
    async with DemoSite(replace(QUICK_SITE, accounts=("alice",))) as site:
        async with served(tmp_path, site, chromium) as run:
            assert await ask(run, text, "Hi")
        (row,) = await asyncio.to_thread(recorded, tmp_path / "config")
        assert (row["name"], row["model"], row["account"], row["chats"]) == ("ci", "deepseek-chat", "alice", 1)
        assert row["prompt_tokens"] > 0
        assert row["completion_tokens"] > 0
        async with served(tmp_path, site, chromium) as run:
            with pytest.raises(RateLimitError, match="requests_per_day allows the key 'ci' to begin 1 chats per day"):
                await ask(run, text, "Again")
            await asyncio.to_thread(store.change, key.id, {"requests_per_day": None, "accounts": ["carol"]})
            assert "None of the accounts here is allowed to the key 'ci'" in await until_noticed(run, text)
            assert len(run.account().turns) == 1
