"""What the operator may do with accounts and chats, on a real page."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from openai import APIStatusError

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import ChatStarted, WorkerState
from tests.support.live import QUICK_SITE, Live, directive, live, served, signed_in_profile
from tests.support.waiting import LIMIT


async def test_a_cancelled_chat_tells_its_client_and_the_site_stops(run: Live) -> None:
    asking = asyncio.get_running_loop().create_task(run.ask(directive(tokens=5000, rate=50)))
    started = await run.facts.wait_for(lambda fact: isinstance(fact, ChatStarted))
    await run.account().wait_for(lambda account: bool(account.turns), LIMIT)
    assert isinstance(started, ChatStarted)
    assert run.bridge.pool.cancel(started.chat)
    with pytest.raises(APIStatusError) as cancelled:
        await asking
    assert cancelled.value.code == "cancelled_by_operator"
    assert cancelled.value.response.headers["x-should-retry"] == "false"
    assert run.account().turns[-1].outcome == "stopped"
    assert await run.ask(directive(text="next")) == "next"


async def test_a_stream_that_is_cancelled_ends_with_the_error(run: Live) -> None:
    stream = await run.stream(directive(tokens=5000, rate=50))
    started = await run.facts.wait_for(lambda fact: isinstance(fact, ChatStarted))
    assert isinstance(started, ChatStarted)
    assert run.bridge.pool.cancel(started.chat)
    with pytest.raises(Exception, match="operator"):
        async for _ in stream:
            pass


async def test_an_open_account_shows_a_small_picture_of_its_page_and_makes_a_bundle(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=chromium) as run:
        pool = run.bridge.pool
        picture = await pool.thumbnail("alice")
        assert picture is not None
        assert picture[:2] == b"\xff\xd8"
        width = int.from_bytes(picture[(at := picture.index(b"\xff\xc0")) + 7 : at + 9])
        assert 0 < width <= 480
        assert await pool.thumbnail("alice") is picture
        bundle = ZipFile(BytesIO((await pool.bundle("alice")).data))
        assert json.loads(bundle.read("report.json"))["account"] == "alice"
        (account,) = pool.accounts()
        assert account.last_seen is not None
        seen = account.last_seen
        await pool.check("alice")
        assert (pool.accounts()[0].last_seen or seen) > seen
        await run.ask(directive(text="one"))
        assert (pool.accounts()[0].page_chats, pool.accounts()[0].url) == (1, run.site.url)
        assert (await pool.renew("alice")).page_chats == 0
        assert (await pool.reopen("alice")).state is WorkerState.READY
        assert await run.ask(directive(text="two")) == "two"


async def test_a_running_bridge_takes_up_logins_that_come_change_and_go(tmp_path: Path, chromium: Chromium) -> None:
    async with DemoSite(QUICK_SITE) as site, served(tmp_path, site, chromium, own=()) as run:
        store = ProfileStore(run.settings.profiles, load_identity(run.settings.key_source))
        store.path("odd").parent.mkdir(exist_ok=True)
        store.path("odd").write_bytes(b"no profile")
        store.path("odd").chmod(0o600)
        store.save(signed_in_profile(site, "alice"))
        await run.facts.state("alice", WorkerState.READY)
        assert await run.ask(directive(text="first")) == "first"

        before = len(run.facts.seen)
        await relogin(run, site, store)
        await run.facts.state("alice", WorkerState.READY, after=before)
        assert await run.ask(directive(text="second")) == "second"

        await run.bridge.pool.rename("alice", "a2")
        assert [account.name for account in run.bridge.pool.accounts()] == ["a2"]
        assert store.names() == ["a2", "odd"]
        assert await run.ask(directive(text="third")) == "third"

        store.remove("a2")
        await run.facts.state("a2", WorkerState.CLOSED)
        assert "bridge login" in (run.bridge.pool.unready() or "")


async def relogin(run: Live, site: DemoSite, store: ProfileStore) -> None:
    store.save(signed_in_profile(site, "alice"))


async def test_a_removed_account_leaves_nothing_that_is_opened_again(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, "alice", "bob", chromium=chromium) as run:
        await run.bridge.pool.remove("alice")
        assert [account.name for account in run.bridge.pool.accounts()] == ["bob"]
        assert ProfileStore(run.settings.profiles, load_identity(run.settings.key_source)).names() == ["bob"]
        assert await run.ask(directive(text="still there")) == "still there"
