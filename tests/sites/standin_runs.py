"""A real bridge with a real Chromium on a stand-in of a site, whose site file is the one that is shipped."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

import bridge.sites
from bridge.app import Bridge, running
from bridge.browser.browser import Chromium
from bridge.demo.standins import STAND_INS, StandIn, Wire
from bridge.demo.standins.standin_accounts import StandInAccount
from bridge.log import log_fact
from bridge.settings import PoolSettings, Settings, TurnSettings
from bridge.sites.site_file.schema import SiteFile, load_site_file
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerState
from tests.support.live import Facts, settings_for
from tests.support.sdk import sdk

SITES = tuple(STAND_INS)
FILES = Path(bridge.sites.__path__[0]) / "files"
EMPTY: dict[str, Any] = {"cookies": [], "origins": []}
SHORT = TurnSettings(ready=60, submit=15, first_byte=30, silence=30, stop=10)
"""A page that a human must pass first sends nothing for `submit` seconds, which therefore is the shortest."""


@cache
def site_file(name: str) -> SiteFile:
    """Return the site file of that name which is shipped."""
    return load_site_file(FILES / f"{name}.toml")


@dataclass
class StandInRun:
    """A stand-in, a bridge with an account on it, and the client that talks to the bridge."""

    name: str
    site: StandIn
    file: SiteFile
    settings: Settings
    facts: Facts
    bridge: Bridge
    client: AsyncOpenAI

    @property
    def account(self) -> StandInAccount:
        """Return the account as the site sees it."""
        return self.site.account()

    @property
    def model(self) -> str:
        """Return the first model of the site."""
        return self.file.models[0].id

    async def ask(self, *messages: str, model: str = "") -> Any:
        """Send messages of the user and the assistant in turn; return the answer's message when the chat is over."""
        return (await self.complete(*messages, model=model)).choices[0].message

    async def complete(self, *messages: str, model: str = "") -> Any:
        """Send messages as `ask` does, and return the whole answer."""
        roles = ("user", "assistant")
        history: Any = [{"role": roles[number % 2], "content": text} for number, text in enumerate(messages)]
        answer = await self.client.chat.completions.create(model=model or self.model, messages=history)
        await self.facts.end_of(answer._request_id)
        return answer

    async def sign_in(self) -> None:
        """Give the account a login that counts, and wait until it is ready."""
        after = len(self.facts.seen)
        save_profile(self.settings, self.site, signed_in=True)
        await self.facts.state("alice", WorkerState.READY, after)


def save_profile(settings: Settings, site: StandIn, *, signed_in: bool) -> None:
    """Store the profile of the account."""
    state = site.account().storage_state() if signed_in else EMPTY
    profile = Profile(name="alice", site=site.wire.name, url=site.url, storage_state=state)
    ProfileStore(settings.profiles, load_identity(settings.key_source)).save(profile)


@asynccontextmanager
async def standin_run(
    name: str, folder: Path, chromium: Chromium, state: WorkerState = WorkerState.READY
) -> AsyncGenerator[StandInRun]:
    """Run the stand-in of a site by the file that is shipped; see `wire_run`."""
    text = (FILES / f"{name}.toml").read_text("utf-8")
    async with wire_run(STAND_INS[name](), text, folder, chromium, state) as run:
        yield run


@asynccontextmanager
async def wire_run(
    wire: Wire, text: str, folder: Path, chromium: Chromium, state: WorkerState = WorkerState.READY
) -> AsyncGenerator[StandInRun]:
    """Run a stand-in, and a bridge with a site file of the operator and one account.

    The account is signed in unless another `state` is waited for.
    """
    settings, facts = settings_for(folder, turn=SHORT, pool=PoolSettings(min_interval=0, queue_limit=20)), Facts()
    async with StandIn(wire, rate=0) as site:
        own = settings.folders.site_files / f"{wire.name}.toml"
        own.parent.mkdir(parents=True)
        own.write_text(site.adapted(text), "utf-8")
        save_profile(settings, site, signed_in=state is WorkerState.READY)
        async with running(settings, Telemetry(facts, log_fact), chromium) as bridge:
            await facts.state("alice", state)
            async with sdk(f"{bridge.url}/v1", KeyFile(settings.config).keys()[0]) as client:
                yield StandInRun(wire.name, site, load_site_file(own), settings, facts, bridge, client)
