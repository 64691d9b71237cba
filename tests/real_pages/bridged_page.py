"""A bridge in front of one page of another maker, with one account that was signed in by the page's own form."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk

from bridge.app import Bridge, running
from bridge.browser.browser import Chromium
from bridge.login.interactive_login import EMPTY, Credentials, log_in
from bridge.settings import PoolSettings, Settings, TurnSettings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerState
from tests.real_pages.model_behind import ModelBehind
from tests.real_pages.running_pages import RealPage
from tests.support.browsers import light_browser
from tests.support.live import Facts, settings_for
from tests.support.sdk import sdk
from tests.support.waiting import until

NAME = "me"
TURN = TurnSettings(ready=40, submit=20, first_byte=30, silence=20, stop=10)


@dataclass
class BridgedPage:
    """A bridge that runs, the page in front of which it stands, and the model behind that."""

    page: RealPage
    model: ModelBehind
    bridge: Bridge
    client: openai.AsyncOpenAI
    facts: Facts
    store: ProfileStore

    async def ask(self, *messages: str) -> str:
        """Return the whole answer to a conversation whose turns are the messages, the user's first."""
        answer = await self.client.chat.completions.create(model=self.page.name, messages=history(*messages))
        await self.facts.end_of(answer._request_id)
        return answer.choices[0].message.content or ""

    async def stream(self, prompt: str) -> openai.AsyncStream[ChatCompletionChunk]:
        """Return the answer's chunks."""
        return await self.client.chat.completions.create(model=self.page.name, messages=history(prompt), stream=True)

    async def made_ready(self) -> BridgedPage:
        """Return it once its account takes a chat, whatever has come of the one before."""
        pool = self.bridge.pool
        await until(lambda: not pool.queue.busy())
        (account,) = pool.accounts()
        if account.state is not WorkerState.READY:  # it rests after a refusal; an operator may end that
            after = len(self.facts.seen)
            await pool.reopen(NAME)
            await self.facts.state(NAME, WorkerState.READY, after)
        self.model.requests.clear()
        return self


def history(*messages: str) -> Any:
    """Return messages of the user and the assistant by turns."""
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(messages)]


def settings_of(folder: Path, page: RealPage) -> Settings:
    """Return settings of an operator who has the page's site file."""
    settings = settings_for(
        folder, turn=TURN, pool=PoolSettings(min_interval=0), browser=light_browser(hosts=page.hosts)
    )
    settings.folders.site_files.mkdir(parents=True)
    (settings.folders.site_files / page.site_file.name).write_bytes(page.site_file.read_bytes())
    return settings


def store_of(settings: Settings) -> ProfileStore:
    """Return where the settings keep logins."""
    return ProfileStore(settings.profiles, load_identity(settings.key_source))


def empty_profile(page: RealPage) -> Profile:
    """Return a profile that signs nobody in."""
    return Profile(name=NAME, site=page.name, url=page.url, storage_state=EMPTY)


async def capture(chromium: Chromium, settings: Settings, page: RealPage, credentials: Credentials | None) -> None:
    """Store the account's login as `bridge login --form` does; where there is none, an empty one."""
    store, profile = store_of(settings), empty_profile(page)
    if credentials is None:
        store.save(profile)
    else:
        await log_in(chromium, settings.pages, store, profile, print, credentials)


@asynccontextmanager
async def served(
    settings: Settings, page: RealPage, model: ModelBehind, chromium: Chromium, state: WorkerState = WorkerState.READY
) -> AsyncGenerator[BridgedPage]:
    """Run a bridge with the stored login, once its account has come to `state`."""
    facts = Facts()
    async with running(settings, Telemetry(facts), chromium) as bridge:
        await facts.state(NAME, state)
        async with sdk(f"{bridge.url}/v1", KeyFile(settings.config).keys()[0]) as client:
            yield BridgedPage(page, model, bridge, client, facts, store_of(settings))
