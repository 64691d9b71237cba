"""A site whose page attacks its user on command, and other origins that record every byte sent to them."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from aiohttp import web
from openai import APIStatusError, AsyncOpenAI

from bridge.app import running
from bridge.browser.browser import Chromium
from bridge.log import log_fact
from bridge.settings import (
    MEBIBYTE,
    BrowserSettings,
    ConversationSettings,
    PoolSettings,
    Section,
    Settings,
    TurnSettings,
)
from bridge.sites.deepseek.driver import Driver
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerChanged, WorkerState
from bridge.worker.page_session import Session, open_session
from tests.sites.test_driver_live import PAGES, Backend, answer_to
from tests.support.listening import listening
from tests.support.live import Facts, settings_for
from tests.support.sdk import sdk
from tests.support.waiting import LIMIT, until

TURN = TurnSettings(ready=12, submit=6, first_byte=6, silence=6, stop=4)
PIECE = 12
"""Characters in one piece of a secret; not even one piece may be found anywhere."""
OBEY = """<script>new EventSource("/orders").onmessage = order => (0, eval)(order.data);</script>"""
GREEDY = "const kept = []; setInterval(() => kept.push(new Uint8Array(2 ** 25).fill(1)), 100);"
STORMS = ("for (;;) {}", "for (;;) alert('x')")
HANG = "for (;;) { const call = new XMLHttpRequest(); call.open('GET', '/never', false); call.send(); }"
"""JavaScript that never ends: it takes ever more memory, keeps the page busy, or blocks it without processor time."""
TRAP = (PAGES / "trap.html").read_text("utf-8")


FLOOD, FLOOD_PAUSE = 80 * MEBIBYTE, 0.05
"""Bytes of an answer without end that come as fast as they can, and seconds before each piece behind them."""


@dataclass
class Foreign:
    """Another origin: records each request on arrival, and answers with a page that asks for the prompt."""

    url: str = ""
    received: bytearray = field(default_factory=bytearray)
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Record and answer one request."""
        self.connections += 1
        with suppress(ConnectionError):
            data = await reader.read(2**16)
            while data:
                self.received += data
                self.asked.set()
                writer.write(_answer(TRAP))
                data = await reader.read(2**16)
        writer.close()

    def pieces_of(self, *secrets: str) -> list[str]:
        """Return the pieces of the secrets that were received, in any usual encoding."""
        texts = list(_readings(bytes(self.received)))
        pieces = [secret[at : at + PIECE] for secret in secrets for at in range(len(secret) - PIECE + 1)]
        return [piece for piece in pieces if any(piece in text for text in texts)]


@dataclass
class Packets(asyncio.DatagramProtocol):
    """Records UDP packets."""

    received: list[bytes]

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Record one packet."""
        self.received.append(data)


def _answer(page: str) -> bytes:
    body = page.encode()
    head = (
        "HTTP/1.1 200 OK",
        "content-type: text/html; charset=utf-8",
        f"content-length: {len(body)}",
        *(f"access-control-allow-{what}: *" for what in ("origin", "headers", "methods")),
        "access-control-allow-private-network: true",
        "\r\n",
    )
    return "\r\n".join(head).encode() + body


def _readings(data: bytes) -> list[str]:
    """Return the possible texts of the bytes: plain, as UTF-16, URL-encoded, as base64."""
    ways = [data, data.replace(b"\0", b""), unquote_to_bytes(data)]
    for run in re.findall(rb"[A-Za-z0-9+/_-]{16,}", data):
        with suppress(ValueError):
            ways.append(base64.b64decode(run.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(run) % 4)))
    return [way.decode("utf-8", "replace") for way in ways]


@dataclass
class HostileSite(Backend):
    """The site itself, with a page that obeys orders."""

    page: str = "buttons.html"
    on_load: str = ""
    """JavaScript that each load of the page runs."""
    on_prompt: str = ""
    """JavaScript that the page runs on a prompt; the prompt then gets no answer."""
    leads_to: str | None = None
    """An address that the page is redirected to."""
    during: str = ""
    """JavaScript that the page runs in the middle of each answer."""
    lasts: float = 0
    """Seconds that the model then takes for the rest of the answer."""
    flood: bytes = b""
    """Bytes that then follow the beginning of each answer, repeated up to `flood_size` bytes."""
    flood_size: float = math.inf
    flooded: int = 0
    loads: int = 0
    paths: list[str] = field(default_factory=list)
    lines: set[web.StreamResponse] = field(default_factory=set)
    listening: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve the page."""
        if request.path.endswith(".js"):
            return await super().serve(request)
        self.loads += 1
        self.paths.append(request.path_qs)
        if self.leads_to:
            raise web.HTTPFound(self.leads_to)
        text = (PAGES / self.page).read_text("utf-8")
        own = f"<script>{self.on_load}</script>{OBEY}"
        return web.Response(
            text=text.replace('<meta charset="utf-8">', f'<meta charset="utf-8">{own}'), content_type="text/html"
        )

    async def orders(self, request: web.Request) -> web.StreamResponse:
        """Keep the stream open on which the page receives its orders."""
        line = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await line.prepare(request)
        self.lines.add(line)
        self.listening.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.lines.discard(line)
        return line

    async def never(self, _: web.Request) -> web.StreamResponse:
        """Give no answer while the page waits for one."""
        await asyncio.Event().wait()
        raise web.HTTPServiceUnavailable

    async def order(self, script: str) -> None:
        """Make the open page run a script."""
        async with asyncio.timeout(LIMIT):
            await self.listening.wait()
        self.listening.clear()
        await self._tell(script)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a prompt unless it gets no answer; in two parts if the page has a script to run in between."""
        if self.on_prompt:
            await self._note(request)
            await self.order(self.on_prompt)
            await asyncio.Event().wait()
        whole = await super().complete(request)
        if not self.during and not self.flood:
            return whole
        assert isinstance(whole, web.Response)
        assert isinstance(whole.body, bytes)
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        *begun, rest = whole.body.split(b"\n\n", 2)
        await answer.write(b"\n\n".join([*begun, b""]))
        while self.flood and self.flooded < self.flood_size:
            await answer.write(self.flood)  # fails if the page has gone
            self.flooded += len(self.flood)
            # lets the bridge run, in the same process; an answer without end need not stay fast
            await asyncio.sleep(FLOOD_PAUSE if self.flooded > FLOOD and self.flood_size == math.inf else 0)
        await self._tell(self.during)
        await asyncio.sleep(self.lasts)
        await answer.write(rest)
        await answer.write_eof()
        return answer

    async def _tell(self, script: str) -> None:
        for line in tuple(self.lines):
            await line.write(f"data: {script}\n\n".encode())


@asynccontextmanager
async def foreign_origins(count: int = 2) -> AsyncGenerator[list[Foreign]]:
    """Serve other origins, under another name than the site."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            one = Foreign()
            server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
            stack.callback(server.close)
            one.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
            found.append(one)
        yield found


@asynccontextmanager
async def hostile_site(page: str = "buttons.html") -> AsyncGenerator[HostileSite]:
    """Serve the site."""
    site = HostileSite(page)
    app = web.Application(client_max_size=2**26)
    app.add_routes(
        [
            web.get("/orders", site.orders),
            web.get("/never", site.never),
            web.post("/api/v0/chat_session/create", site.create),
            web.post("/api/v0/chat/completion", site.complete),
            web.post("/api/v0/chat/continue", site.go_on),
            web.get("/{path:.*}", site.serve),
        ]
    )
    async with listening(app) as site.url:
        yield site


@dataclass
class Run:
    """The bridge in front of the site."""

    site: HostileSite
    client: AsyncOpenAI
    facts: Facts

    async def start_over(self) -> None:
        """Wait until the account answers again, and forget all that was recorded."""
        await until(lambda: states(self.facts)[-1] is WorkerState.READY and self.site.listening.is_set())
        self.site.on_load = self.site.on_prompt = self.site.during = ""
        self.site.lasts = 0
        self.site.received.clear()
        self.site.paths.clear()
        self.facts.forget()

    async def load_anew(self) -> None:
        """Reload the page, which ends all its orders, and start over."""
        self.site.on_load = ""
        await until(lambda: states(self.facts)[-1] is WorkerState.READY)
        loads = self.site.loads
        self.site.listening.set()  # a page that has an order also listens
        await self.site.order("location.reload()")
        await until(lambda: self.site.loads > loads)
        await self.start_over()

    async def ask(self, prompt: str, model: str = "deepseek-chat") -> str:
        """Return the whole answer."""
        answer = await self.client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}])
        return answer.choices[0].message.content or ""


TOKEN = "tok-5f1c8a3b7e2d94f06b1a9c8e7d5f4a3b2c1d0e9f"
COOKIE = "cki-0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e"


def login_of(site: HostileSite) -> Profile:
    """Return an account's login for the site."""
    item = {"name": "userToken", "value": json.dumps({"value": TOKEN})}
    cookie = {"name": "session", "value": COOKIE, "domain": "127.0.0.1", "path": "/", "expires": -1}
    flags = {"httpOnly": True, "secure": False, "sameSite": "Lax"}
    state = {"cookies": [{**cookie, **flags}], "origins": [{"origin": site.url, "localStorage": [item]}]}
    return Profile(name="alice", site="deepseek", url=site.url, storage_state=state)


def cautious_settings(folder: Path, **sections: Section) -> Settings:
    """Return settings with which the bridge soon detects a bad page."""
    defaults: dict[str, Section] = {
        "turn": TURN,
        "pool": PoolSettings(min_interval=0, queue_limit=40),  # above the time to open the page again
        "conversations": ConversationSettings(enabled=False),
        "browser": BrowserSettings(check_every=0.5, call_limit=5, hosts="any"),
    }
    return settings_for(folder, **{**defaults, **sections})


@asynccontextmanager
async def page_of(
    folder: Path, chromium: Chromium, site: HostileSite, profile: Profile | None = None, **sections: Section
) -> AsyncGenerator[Session]:
    """Open the account's page without a bridge."""
    settings = cautious_settings(folder, **sections)
    async with open_session(chromium, profile or login_of(site), Driver, settings.pages) as session:
        yield session


@asynccontextmanager
async def bridge_to(
    folder: Path,
    chromium: Chromium,
    site: HostileSite,
    state: WorkerState = WorkerState.READY,
    **sections: Section,
) -> AsyncGenerator[Run]:
    """Run a bridge with one account of the site, once it has come into `state`."""
    settings = cautious_settings(folder, **sections)
    ProfileStore(settings.profiles, load_identity(settings.key_source)).save(login_of(site))
    facts = Facts()
    async with running(settings, Telemetry(facts, log_fact), chromium) as bridge:
        key = KeyFile(settings.config).keys()[0]
        async with sdk(f"{bridge.url}/v1", key) as client:
            await facts.state("alice", state)
            yield Run(site, client, facts)


def states(facts: Facts) -> Sequence[WorkerState]:
    """Return the states of the account, in order."""
    return [fact.state for fact in facts.seen if isinstance(fact, WorkerChanged)]


async def answers(run: Run) -> bool:
    """Tell whether a prompt gets an answer."""
    with suppress(APIStatusError):
        return await run.ask("hello") == answer_to("hello")
    return False


async def comes_back(run: Run) -> None:
    """Ask up to a few times until there is an answer; the open page may still have orders to fail."""
    for _ in range(4):
        if await answers(run):
            return
    pytest.fail("the account did not come back")
