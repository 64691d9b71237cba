"""What is done for idle accounts: pages that have grown are renewed, and unused conversations are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest

from bridge.browser.browser import Chromium
from bridge.chat.types import ChatRequest, Message, Model, Opened, Text
from bridge.demo import DemoSite
from bridge.errors import BrowserError
from bridge.settings import BrowserSettings, ConversationSettings
from bridge.storage.conversation_file import ConversationFile, ConversationPosition
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import ConversationDeleted, Telemetry, Timeline, WorkerChanged, WorkerState
from bridge.worker.worker import Worker
from tests.support.live import (
    QUICK_SITE,
    Live,
    changed,
    directive,
    other_site,
    settings_for,
    signed_in_profile,
)
from tests.support.waiting import LIMIT

AT_ONCE = 1e-15


@asynccontextmanager
async def alone(
    folder: Path, chromium: Chromium, browser: BrowserSettings
) -> AsyncGenerator[tuple[Worker, ProfileStore, DemoSite]]:
    """Open the page of an account without a bridge around it."""
    settings = settings_for(folder, browser=browser)
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    async with DemoSite(replace(QUICK_SITE, accounts=("alice",))) as site:
        store.save(signed_in_profile(site, "alice"))
        worker = Worker(store.load("alice"), store, chromium, settings.pages, Telemetry())
        async with worker.opened():
            yield worker, store, site


def states_since(run: Live, number: int) -> list[WorkerChanged]:
    return [fact for fact in run.facts.seen[number:] if isinstance(fact, WorkerChanged)]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_an_unused_conversation_of_the_bridge_is_deleted_through_the_page_and_no_other(
    run: Live, language: Literal["en", "zh"]
) -> None:
    own = run.account().add_conversation().id
    async with AsyncExitStack() as stack:
        if language != QUICK_SITE.lang:
            await stack.enter_async_context(other_site(run, lang=language))
        assert await run.ask(directive(text="one")) == "one"
        made = run.account().turns[-1].conversation
        with changed(run.settings.conversations, delete_after=AT_ONCE):
            await run.facts.wait_for(lambda fact: fact == ConversationDeleted("alice", made))
            assert await run.ask(directive(text="two")) == "two"
    assert made not in run.account().conversations
    assert own in run.account().conversations
    assert [fact.state for fact in states_since(run, 0)] == [WorkerState.READY]


async def test_a_conversation_that_is_gone_already_counts_as_deleted(run: Live) -> None:
    unknown = str(uuid4())
    run.bridge.pool.conversations.made(unknown, "alice")
    with changed(run.settings.conversations, delete_after=AT_ONCE):
        await run.facts.wait_for(lambda fact: fact == ConversationDeleted("alice", unknown))
    assert await run.ask(directive(text="one")) == "one"


def test_nothing_is_deleted_unless_the_settings_say_so(tmp_path: Path) -> None:
    for settings, wanted in ((ConversationSettings(), None), (ConversationSettings(delete_after=AT_ONCE), "c-1")):
        conversations = ConversationFile(tmp_path / "file.db", settings)
        conversations.made("c-1", "alice")
        assert conversations.unused("alice") == wanted
        assert conversations.unused("bob") is None
        conversations.close()


async def test_a_page_that_has_grown_is_renewed_while_nobody_chats(run: Live) -> None:
    before = set(run.account().pages)
    ready = len(run.facts.seen)
    for text in ("one", "two"):
        assert await run.ask(directive(text=text)) == text
    with changed(run.settings.browser, page_chats=2):
        await run.account().wait_for(lambda account: account.pages and not before & account.pages, LIMIT)
        assert await run.ask(directive(text="three")) == "three"
    assert states_since(run, ready) == []


async def test_a_page_that_is_never_idle_is_renewed_before_a_chat(run: Live) -> None:
    await run.bridge.pool.renew("alice")  # which has had no chat then
    before = set(run.account().pages)
    texts = ["one", "two", "three"]
    with changed(run.settings.browser, page_chats=1):
        assert await asyncio.gather(*(run.ask(directive(text=text)) for text in texts)) == texts
    assert not before & run.account().pages
    assert len(run.account().turns) == 3


async def test_a_worker_expects_what_its_last_chats_did_and_opens_a_new_chat_ahead(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with alone(tmp_path, chromium, BrowserSettings()) as (worker, store, site):
        place, wanted = None, []
        for number in (1, 2, 3, 4):  # the second one goes on in the first one's conversation
            place = await answer(worker, number, place if number == 2 else None)
            wanted.append(worker.wants_new_chat)
        await worker.prepare()
        wanted.append(worker.wants_new_chat)
        assert wanted == [False, False, False, True, False]
        await answer(worker, 5, None)
        await worker.prepare()
        parents = [turn.parent for turn in site.account("alice").turns]
        assert parents == [None, 2, None, None, None]
    (origin,) = store.load("alice").storage_state["origins"]
    assert {"name": "thinkingEnabled", "value": "true"} in origin["localStorage"]  # it left the switches alone


async def test_nothing_is_due_for_a_page_that_is_given_up(tmp_path: Path, chromium: Chromium) -> None:
    async with alone(tmp_path, chromium, BrowserSettings(page_chats=1)) as (worker, _, _):
        for number in (1, 2, 3):
            await answer(worker, number, None)
        assert (worker.is_renewal_due, worker.wants_new_chat) == (True, True)
        worker.give_up(BrowserError("The page does not answer."))
        assert (worker.is_renewal_due, worker.wants_new_chat) == (False, False)


async def answer(worker: Worker, number: int, place: ConversationPosition | None) -> ConversationPosition:
    """Ask the worker, and return where the conversation stands then."""
    message = Message("user", f"{number} {directive(text=f'answer {number}')}")
    history = (Message("user", "before"), Message("assistant", "before")) if place else ()
    request = ChatRequest(str(number), Model("deepseek-reasoner", thinking=True), (*history, message))
    async with aclosing(worker.chat(request, Timeline(request.id, request.model.id), place)) as events:
        heard = [event async for event in events]
    opened = next(event for event in heard if isinstance(event, Opened))
    assert "".join(event.text for event in heard if isinstance(event, Text)) == f"answer {number}"
    assert opened.conversation
    assert opened.message
    return ConversationPosition("alice", opened.conversation, opened.message)
