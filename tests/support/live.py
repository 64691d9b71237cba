"""A real bridge with a real Chromium and a real demo site, for the tests of what users get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from bridge.app import Bridge, running
from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.demo.accounts import Account
from bridge.demo.site_settings import DemoSettings
from bridge.log import log_fact
from bridge.settings import PoolSettings, Section, ServerSettings, Settings, TurnSettings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import ChatEnded, Fact, Telemetry, WorkerChanged, WorkerState
from bridge.tool_calls.notation import Call, write_call
from bridge.worker.worker import Worker
from tests.support.browsers import light_browser
from tests.support.sdk import sdk
from tests.support.waiting import LIMIT, until

QUICK_SITE = DemoSettings(settle=(0.0, 0.2), toggle_settle=(0.0, 0.1), pow_difficulty=2_000, rate=0)


def directive(**script: Any) -> str:
    """Return the part of a prompt that tells the demo site what to answer; see its `Script`."""
    return f"[[demo {json.dumps(script)}]]"


def called(name: str, /, **arguments: Any) -> str:
    """Return a tool call in the notation that the bridge asks the model to use."""
    return write_call(Call(name, json.dumps(arguments)))


class Facts:
    """The facts so far, and ways to wait for one."""

    def __init__(self) -> None:
        self.seen: list[Fact] = []
        self._more = asyncio.Event()

    def __call__(self, fact: Fact) -> None:
        self.seen.append(fact)
        self._more.set()

    async def wait_for(self, wanted: Callable[[Fact], bool], after: int = 0, limit: float | None = LIMIT) -> Fact:
        """Wait for the first fact from number `after` on that is `wanted`, and return it."""
        async with asyncio.timeout(limit):
            while True:
                for fact in self.seen[after:]:
                    if wanted(fact):
                        return fact
                self._more.clear()
                await self._more.wait()

    def forget(self) -> None:
        """Forget all facts but the last state of each account."""
        self.seen[:] = {fact.account: fact for fact in self.seen if isinstance(fact, WorkerChanged)}.values()

    async def state(self, account: str, state: WorkerState, after: int = 0) -> WorkerChanged:
        """Wait for the fact that the account has reached `state`, and return it."""
        fact = await self.wait_for(
            lambda fact: isinstance(fact, WorkerChanged) and (fact.account, fact.state) == (account, state), after
        )
        assert isinstance(fact, WorkerChanged)
        return fact

    async def end_of(self, request: str | None) -> None:
        """Wait for the end of the chat of a request, which may already have its answer."""
        await self.wait_for(lambda fact: isinstance(fact, ChatEnded) and fact.chat == request)


@dataclass
class Live:
    """The running site and bridge, and a client of the bridge."""

    site: DemoSite
    bridge: Bridge
    settings: Settings
    telemetry: Telemetry
    facts: Facts
    client: AsyncOpenAI
    key: str

    def account(self, name: str = "alice") -> Account:
        """Return the site's record of the account."""
        return self.site.account(name)

    async def ask(self, prompt: str, model: str = "deepseek-chat", **more: Any) -> str:
        """Return the whole answer to one prompt when its account is free again."""
        answer = await self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], **more
        )
        await self.facts.end_of(answer._request_id)
        return answer.choices[0].message.content or ""

    async def stream(self, prompt: str, model: str = "deepseek-chat") -> AsyncStream[ChatCompletionChunk]:
        """Return the answer's chunks when the site has begun to answer."""
        return await self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], stream=True
        )

    async def pids(self, kind: str) -> list[int]:
        """Return the process ids of Chromium's processes of one kind."""
        return [pid for name, pid in await self.bridge.browser.processes() if name == kind]


def settings_for(folder: Path, **sections: Section) -> Settings:
    """Return settings with short limits that use no folder but `folder`."""
    defaults: dict[str, Section] = {
        "server": ServerSettings(port=0, drain=5, headers_after=300),
        "browser": light_browser(),
        "pool": PoolSettings(min_interval=0, queue_limit=LIMIT),
        "turn": TurnSettings(ready=60, submit=20, first_byte=30, silence=30, stop=10),
    }
    return Settings(profiles=folder / "profiles", config=folder / "config", **{**defaults, **sections})


@contextmanager
def changed(section: Section, **values: Any) -> Iterator[None]:
    """Change settings of a running bridge while the context is open, as when it reads them again."""
    before = {name: getattr(section, name) for name in values}
    vars(section).update(values)
    try:
        yield
    finally:
        vars(section).update(before)


def signed_in_profile(site: DemoSite, name: str) -> Profile:
    """Return a profile like one that a login captures, without the ten steps of a login."""
    return Profile(name=name, site="deepseek", url=site.url, storage_state=site.account(name).storage_state())


@asynccontextmanager
async def other_site(run: Live, **settings: Any) -> AsyncGenerator[None]:
    """Change the site's behaviour while the context is open, and reload the accounts' pages from it."""
    try:
        with run.site.changed(**settings):
            await load_anew(run)
            yield
    finally:
        await load_anew(run)


async def load_anew(run: Live) -> None:
    """Reload the page of each ready account, which takes less time than opening a new page."""
    pool = run.bridge.pool
    for name in [account.name for account in pool.accounts() if account.state is WorkerState.READY]:
        await until(lambda name=name: name in {slot.worker.name for slot in pool.queue.idle()})  # type: ignore[misc]
        async with pool.lent(name) as worker:
            assert isinstance(worker, Worker)
            assert worker.shown is not None
            await worker.shown.page.goto(run.site.url)
            await worker.check()


async def sign_in_again(run: Live, name: str, state: WorkerState = WorkerState.READY) -> None:
    """Log the account in again, as `bridge login` does, and wait until it has reached `state`."""
    after = len(run.facts.seen)
    ProfileStore(run.settings.profiles, load_identity(run.settings.key_source)).save(signed_in_profile(run.site, name))
    await run.facts.state(name, state, after)


async def with_accounts(run: Live, *names: str) -> Live:
    """Give a bridge that tests share exactly these accounts, and return it."""
    for stored in run.bridge.pool.accounts():
        if stored.name not in names:
            await run.bridge.pool.remove(stored.name)
    for name in {*names} - {stored.name for stored in run.bridge.pool.accounts()}:
        await sign_in_again(run, name)
    return run


async def reset(run: Live) -> Live:
    """Reset a bridge that tests share: no chats, no faults, no turns, and each account ready; return it."""
    pool = run.bridge.pool
    await until(lambda: not pool.queue.busy())
    for account in run.site.accounts:
        account.clear_fault()
        await account.pages_informed()
    for stored in pool.accounts():
        if stored.state is not WorkerState.READY:
            await sign_in_again(run, stored.name)
        if stored.is_paused:
            await pool.resume(stored.name)
    await until(lambda: len(pool.queue.idle()) == len(pool.accounts()))
    for account in run.site.accounts:
        account.turns.clear()
        account.files.clear()
        account.max_parallel = 0
    run.facts.forget()
    return run


@asynccontextmanager
async def served(
    folder: Path,
    site: DemoSite,
    chromium: Chromium | None = None,
    own: Sequence[str] | None = None,
    **sections: Section,
) -> AsyncGenerator[Live]:
    """Run a bridge with the site's accounts, or its `own`; sign them in unless the folder already has their profiles.

    Without a shared Chromium, the bridge starts its own.
    """
    settings = settings_for(folder, **sections)
    facts = Facts()
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    names = [account.name for account in site.accounts] if own is None else own
    for name in names:
        if not store.exists(name):
            store.save(signed_in_profile(site, name))
    telemetry = Telemetry(facts, log_fact)
    async with running(settings, telemetry, chromium) as bridge:
        key = KeyFile(settings.config).keys()[0]
        async with sdk(f"{bridge.url}/v1", key, _strict_response_validation=True) as client:
            for name in names[: settings.sleep.max_open]:
                await facts.state(name, WorkerState.READY)
            yield Live(site, bridge, settings, telemetry, facts, client, key)


@asynccontextmanager
async def live(
    folder: Path, *names: str, chromium: Chromium | None = None, demo: DemoSettings = QUICK_SITE, **sections: Section
) -> AsyncGenerator[Live]:
    """Run a demo site, and a bridge with the named accounts (default: alice); see `served`."""
    async with (
        DemoSite(replace(demo, accounts=names or ("alice",))) as site,
        served(folder, site, chromium, None, **sections) as run,
    ):
        yield run
