"""A one-page chat site whose parts a test chooses: its composer, its sign-in, and its traps for a driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import openai
from aiohttp import web

from bridge.app import Bridge, running
from bridge.browser.browser import Chromium
from bridge.settings import PoolSettings, Settings, TurnSettings
from bridge.sites.contract import SiteDriver
from bridge.sites.known_sites import load_driver
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerState
from bridge.worker.page_session import open_session
from bridge.worker.worker import Worker
from tests.support.listening import listening
from tests.support.live import Facts, settings_for
from tests.support.sdk import sdk

PAGE = Path(__file__).parent / "small_site.html"
SLOW = "[slow]"
"""A word in a prompt: the answer goes on until the page stops it."""
CUT = "[cut]"
"""A word in a prompt: the site cuts the connection in the middle of the answer."""
TURN = TurnSettings(ready=60, submit=20, first_byte=20, silence=30, stop=10)

FILE = """
name = "small"
title = "Small"
start_url = "https://small.test"
conversation_url = "/c/{id}"
min_interval = 0.0

[[models]]
id = "small"

[login]
signed_in = [{ call = "/api/user", when = { name = { exists = true } } }]
signed_out = [{ selector = "#sign-in" }]

[composer]
box = ["#box"]
new_chat = ["#new-chat"]
stop_button = ["#stop"]
messages = [".message"]

[request]
path = "/api/chat"
prompt = ["prompt"]
conversation = "conversation"

[answer]
framing = "sse"

[[answer.rules]]
emit = "conversation"
value = "conversation"

[[answer.rules]]
emit = "message"
value = "message"

[[answer.rules]]
emit = "text"
value = "text"

[[answer.rules]]
when = { done = true }
emit = "finish"
"""


@dataclass(frozen=True)
class Parts:
    """The parts of the page."""

    box: str = "textarea"
    """`textarea`, `input`, or `editor` for a contenteditable element."""
    send: str = "enter"
    """`enter` or `button`; the other does nothing."""
    hydrates_after: float = 0.0
    """Seconds in which the page draws its controls and ignores every input."""
    slow_documents: float = 0.0
    """Seconds before the site answers with each document after the first."""
    more: dict[str, Any] = field(default_factory=dict)
    """Further traps, by name, for the page's script."""


class Site(Protocol):
    """A running site."""

    url: str


@dataclass
class SmallSite:
    """The site, and the requests it has received."""

    parts: Parts = Parts()
    url: str = ""
    user: str | None = "somebody"
    user_failure: int | None = None
    """The HTTP status with which the route for the signed-in user fails."""
    conversations: dict[str, list[str]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    """The conversations that the bridge has deleted."""
    stopped: int = 0
    loads: int = 0
    """Number of documents that were requested."""
    loads_before: list[int] = field(default_factory=list)
    """That number at the arrival of each prompt."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    signed_in_as: tuple[str, str] | None = None
    typed: list[str] = field(default_factory=list)
    """The texts that were typed into its page."""
    _ids: Any = field(default_factory=lambda: count(1))

    async def page(self, request: web.Request) -> web.Response:
        """Serve the page at each of its addresses."""
        self.loads += 1
        if self.loads > 1:
            await asyncio.sleep(self.parts.slow_documents)
        known = request.match_info.get("id")
        shown = {**asdict(self.parts), "messages": self.conversations.get(known or "", [])}
        text = PAGE.read_text("utf-8").replace('"PARTS"', json.dumps(shown))
        rules = {"Content-Security-Policy": self.parts.more.get("rules", "")}
        return web.Response(text=text, content_type="text/html", headers=rules)

    async def who(self, _: web.Request) -> web.Response:
        """Return the signed-in user."""
        if self.user_failure is not None:
            return web.json_response({"error": "internal"}, status=self.user_failure)
        return web.json_response({"name": self.user} if self.user else {"guest": True})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a conversation."""
        self.deleted.append(request.match_info["id"])
        self.conversations.pop(self.deleted[-1], None)
        return web.Response()

    async def sign_in(self, request: web.Request) -> web.Response:
        """Record a sign-in."""
        given = await request.json()
        self.signed_in_as = (given["user"], given["password"])
        return web.Response()

    async def note_typed(self, request: web.Request) -> web.Response:
        """Record a text that was typed into the page."""
        self.typed.append(await request.text())
        return web.Response()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a prompt with its own text."""
        body = await request.json()
        self.bodies.append(body)
        self.loads_before.append(self.loads)
        conversation = body.get("conversation") or f"c-{next(self._ids)}"
        self.conversations.setdefault(conversation, []).append(body["prompt"])
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)

        async def frame(**document: Any) -> None:
            await response.write(b"data: " + json.dumps(document).encode() + b"\n\n")

        if CUT in body["prompt"]:
            await frame(text="Half of ")
            assert request.transport is not None
            request.transport.close()
            return response
        message = f"m-{len(self.conversations[conversation])}"
        await frame(conversation=conversation, message=message, text="You said: ")
        try:
            while SLOW in body["prompt"]:
                await frame(text="again ")
                await asyncio.sleep(0.05)
        except (ConnectionError, asyncio.CancelledError):
            self.stopped += 1
            raise
        await frame(text=body["prompt"])
        await frame(done=True)
        if self.parts.more.get("keeps_open"):
            await asyncio.Event().wait()
        await response.write_eof()
        return response


@asynccontextmanager
async def small_site(**parts: Any) -> AsyncGenerator[SmallSite]:
    """Run the site on a free port."""
    known = {name: parts.pop(name) for name in ("box", "send", "hydrates_after", "slow_documents") if name in parts}
    site = SmallSite(Parts(**known, more=parts))
    app = web.Application()
    app.router.add_get("/", site.page)
    app.router.add_get("/c/{id}", site.page)
    app.router.add_get("/api/user", site.who)
    app.router.add_post("/api/chat", site.chat)
    app.router.add_post("/api/sign-in", site.sign_in)
    app.router.add_post("/api/typed", site.note_typed)
    app.router.add_delete("/c/{id}", site.delete)
    async with listening(app) as site.url:
        yield site


@dataclass
class SmallBridge:
    """A bridge with one account on the site, and a client of it."""

    bridge: Bridge
    client: openai.AsyncOpenAI
    facts: Facts
    settings: Settings
    chromium: Chromium

    async def add(self, name: str, site: Site, file: str) -> None:
        """Add an account of another site, described by a file of that name."""
        (self.settings.folders.site_files / f"{name}.toml").write_text(file)
        ProfileStore(self.settings.profiles, load_identity(self.settings.key_source)).save(profile_of(name, site))
        await self.facts.state(name, WorkerState.READY)

    def driver(self) -> SiteDriver:
        """Return the driver of the account's page."""
        (slot,) = self.bridge.pool.queue.idle()
        assert isinstance(slot.worker, Worker)
        assert slot.worker.shown is not None
        return slot.worker.shown.driver

    @asynccontextmanager
    async def page(self) -> AsyncGenerator[SiteDriver]:
        """Open one more page of the account's site, signed in or not."""
        profile = ProfileStore(self.settings.profiles, load_identity(self.settings.key_source)).load("me")
        driver_type = load_driver("small", self.settings.folders.site_files)
        async with open_session(self.chromium, profile, driver_type, self.settings.pages) as session:
            yield session.driver

    async def ask(self, *messages: str, model: str = "small") -> str:
        """Return the answer to a conversation; its turns are the messages, the user's first."""
        roles = ("user", "assistant")
        history: Any = [{"role": roles[number % 2], "content": text} for number, text in enumerate(messages)]
        answer = await self.client.chat.completions.create(model=model, messages=history)
        await self.facts.end_of(answer._request_id)
        return answer.choices[0].message.content or ""

    async def leave(self) -> None:
        """Begin a chat that does not end, and disconnect after its first piece."""
        messages: Any = [{"role": "user", "content": SLOW}]
        stream = await self.client.chat.completions.create(model="small", messages=messages, stream=True)
        await anext(aiter(stream))
        await stream.close()


def profile_of(name: str, site: Site, account: str | None = None) -> Profile:
    """Return an empty profile of an account on a site that the file of that name describes."""
    return Profile(name=account or name, site=name, url=site.url, storage_state={"cookies": [], "origins": []})


@asynccontextmanager
async def bridged(
    folder: Path,
    site: Site,
    chromium: Chromium,
    file: str = FILE,
    *,
    state: WorkerState = WorkerState.READY,
    turn: TurnSettings = TURN,
) -> AsyncGenerator[SmallBridge]:
    """Run a bridge whose own site file describes the site; wait until its account has reached `state`."""
    settings = settings_for(folder, turn=turn, pool=PoolSettings(min_interval=0))
    settings.folders.site_files.mkdir(parents=True)
    (settings.folders.site_files / "small.toml").write_text(file)
    ProfileStore(settings.profiles, load_identity(settings.key_source)).save(profile_of("small", site, "me"))
    facts = Facts()
    async with running(settings, Telemetry(facts), chromium) as bridge:
        await facts.state("me", state)
        async with sdk(f"{bridge.url}/v1", KeyFile(settings.config).keys()[0]) as client:
            yield SmallBridge(bridge, client, facts, settings, chromium)


def changed(*changes: tuple[str, str], file: str = FILE, more: Sequence[str] = ()) -> str:
    """Return the site file with texts of it replaced, and more tables added."""
    for old, new in changes:
        assert old in file, old
        file = file.replace(old, new)
    return "\n".join([file, *more])
