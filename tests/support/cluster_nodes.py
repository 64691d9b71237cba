"""Nodes with the real pool, leases and Redis, whose workers report to a recorder instead of driving a page."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from bridge.chat.operator_visit import Visit
from bridge.chat.ownership import ALONE, Ownership
from bridge.chat.types import ChatBackend, ChatEvent, ChatRequest, Finish, Message, Model, Opened, Text
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.cluster_pool import ClusterPool
from bridge.cluster.membership import pools_of_a_node
from bridge.errors import BridgeError, SetupError
from bridge.pool.pool import Pool
from bridge.pool.roster import StoredAccounts
from bridge.settings import ClusterSettings, DashboardSettings, PoolSettings, Settings
from bridge.storage.conversation_file import ConversationPosition
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import Profile, ProfileStore, Stamp
from bridge.telemetry import Telemetry, Timeline
from tests.support.redis_server import RedisServer
from tests.support.waiting import LIMIT

KEY = "the nodes' common key"
SITE = "https://chat.example"
STEPS = 10
"""Time before a prompt is sent, and again before the first word, in words."""
LEASE = 1.0
IDENTITY = Identity.generate()
NAMES = [f"account{number}" for number in range(8)]


@dataclass(frozen=True)
class Act:
    """What a driver did on the site with an account; `fence` is the fencing number of its lease."""

    node: str
    account: str
    fence: int
    what: str
    text: str = ""
    at: float = 0.0
    """Seconds of the machine's clock that nobody sets."""


class Recorder:
    """The site's side: all acts in the order of their arrival; each act is one datagram."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._acts: list[Act] = []

    @property
    def acts(self) -> Sequence[Act]:
        while True:
            try:
                self._acts.append(Act(**json.loads(self._socket.recv(65536))))
            except BlockingIOError:
                return self._acts

    def close(self) -> None:
        self._socket.close()

    def did(self, what: str, account: str | None = None) -> list[Act]:
        return [act for act in self.acts if act.what == what and account in (None, act.account)]

    def gaps(self, since: float) -> list[float]:
        """Return, for each account that a node closed after `since`, the seconds until a node opened it again."""
        return self._gaps(since)[0]

    def closed(self, since: float) -> set[str]:
        """Return the accounts that a node closed after `since` and that no node has opened again."""
        return self._gaps(since)[1]

    def _gaps(self, since: float) -> tuple[list[float], set[str]]:
        closed: dict[str, float] = {}
        found = []
        for act in sorted(self.acts, key=lambda act: act.at):
            if act.what == "close" and act.at >= since:
                closed[act.account] = act.at
            elif act.what == "open" and act.account in closed:
                found.append(act.at - closed.pop(act.account))
        return found, set(closed)

    def faults(self) -> list[str]:
        """Return the cases where an account had two drivers, and the prompts that were sent twice."""
        newest: dict[str, int] = {}
        found, sent = [], set[str]()
        for act in self.acts:
            if act.what in ("close", "begin"):  # the site sees neither
                continue
            if act.fence < newest.get(act.account, 0):
                found.append(f"{act} after {newest[act.account]}")
            newest[act.account] = max(act.fence, newest.get(act.account, 0))
            if act.what == "send":
                found += [f"{act} once more"] if act.text in sent else []
                sent.add(act.text)
        return found


class DrivingWorker:
    """A worker whose site is the recorder. A prompt `N words` is answered with N words, one every `pace` seconds.

    `N stamps` gets the times of the words instead.
    """

    site = "deepseek"
    models: Sequence[Model] = (Model("deepseek-chat", files=True),)
    min_interval = 0.0
    last_seen: datetime | None = None
    page_chats = 0
    is_renewal_due = is_reopening_due = wants_new_chat = False

    def __init__(self, node: str, name: str, recorder: socket.socket, pace: float, folder: Path) -> None:
        self.folder = folder
        self.node, self.name, self.url, self.pace = node, name, SITE, pace
        self.ownership: Ownership = ALONE
        self._recorder = recorder
        self._lost: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self.seen: list[ChatRequest] = []
        self.places: list[ConversationPosition | None] = []

    def act(self, what: str, text: str = "") -> None:
        """Do something that the site notices, if this node holds the account; check and act are one step."""
        self.ownership.check()
        self._tell(what, text)

    def _tell(self, what: str, text: str = "") -> None:
        act = Act(self.node, self.name, self.ownership.fence, what, text, time.monotonic())
        self._recorder.send(json.dumps(vars(act)).encode())

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        self._lost = asyncio.get_running_loop().create_future()
        self.act("open")
        for conversation in self.ownership.left_generating:
            self.act("stop leftover", conversation)
        self.ownership.generates(())
        try:
            yield
        finally:
            self._tell("close")

    async def lost(self) -> NoReturn:
        await asyncio.shield(self._lost)

    def give_up(self, error: BridgeError) -> None:
        if not self._lost.done():
            self._lost.set_exception(error)
            self._lost.exception()

    def interrupt(self, error: BridgeError) -> None:
        self.give_up(error)

    async def chat(
        self, request: ChatRequest, timeline: Timeline, place: ConversationPosition | None
    ) -> AsyncGenerator[ChatEvent]:
        text = request.messages[-1].text
        self.seen.append(request)
        self.places.append(place)
        self._tell("begin", text)
        await self._paused(STEPS, sent=False)
        self.act("send", text)
        timeline.mark("sent")
        is_over = False
        self.ownership.generates((f"c-{request.id}",))
        conversation = place.conversation if place else f"c-{request.id}"
        try:
            await self._paused(STEPS, sent=True)
            yield Opened(conversation, f"m-{request.id}")
            words = int(text.split()[0]) if text.split()[0].isdigit() else 1
            for number in range(words):
                await self._paused(1, sent=True)
                yield Text(f"{time.time():.6f} " if "stamps" in text else f"{self.name}{number} ")
            is_over = True
            yield Finish()
        finally:
            if not is_over and not self._lost.done():
                self.act("stop", text)
            if not self._lost.done():
                self.ownership.generates(())

    async def _paused(self, steps: int, *, sent: bool) -> None:
        done, _ = await asyncio.wait({self._lost}, timeout=steps * self.pace)
        error = self._lost.exception() if done else None
        if isinstance(error, BridgeError):
            raise error.replace(sent=sent)

    async def login_renewed(self) -> None:
        await asyncio.Event().wait()

    async def visited(self, visit: Visit) -> None:
        visit.end()

    async def check(self) -> None: ...

    async def renew(self) -> None: ...

    async def prepare(self) -> None: ...

    async def delete(self, conversation: str) -> None:
        self.act("delete", conversation)

    async def bundle(self) -> Path:
        folder = self.folder / "bundles" / f"of-{self.name}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(self.node)
        return folder

    async def thumbnail(self) -> bytes | None:
        return self.name.encode()


@dataclass
class DrivingAccounts:
    """Makes a `DrivingWorker` of each profile in a store."""

    node: str
    store: ProfileStore
    recorder: socket.socket
    pace: float
    unfit: Collection[str] = ()
    workers: dict[str, DrivingWorker] = field(default_factory=dict)

    def stamps(self) -> Mapping[str, Stamp | None]:
        return {name: self.store.stamp(name) for name in self.store.names()}

    async def worker(self, name: str) -> DrivingWorker:
        if name in self.unfit:
            raise SetupError(f"The site of {name} is not known here.")
        await asyncio.to_thread(self.store.load, name)
        self.workers[name] = DrivingWorker(self.node, name, self.recorder, self.pace, self.store.folder)
        return self.workers[name]

    def remove(self, name: str) -> None:
        if self.store.exists(name):
            self.store.remove(name)


def settings_of(folder: Path, url: str, node: str, lease: float, **cluster: Any) -> Settings:
    """Return the settings of a node with its own folder."""
    shared = {"url": url, "node": node, "key": KEY, "lease": lease, "port": 0, **cluster}
    return Settings(
        profiles=folder / node / "profiles",
        config=folder / node,
        pool=PoolSettings(min_interval=0, queue_limit=LIMIT),
        dashboard=DashboardSettings(history=True),
        cluster=ClusterSettings.model_validate(shared),
    )


def profile_of(name: str, **more: Any) -> Profile:
    return Profile(name=name, site="deepseek", url=SITE, storage_state={"cookies": [], "origins": []}, **more)


@dataclass
class Node:
    """A running node and its parts."""

    cluster: ClusterNode
    pool: Pool
    everywhere: ClusterPool
    store: ProfileStore
    accounts: DrivingAccounts
    settings: Settings
    telemetry: Telemetry

    def held(self) -> list[str]:
        return sorted(self.cluster.leases.names())

    def ready(self) -> list[str]:
        return sorted(account.name for account in self.pool.accounts() if account.takes_chats)


@asynccontextmanager
async def node_of(
    settings: Settings,
    identity: Identity,
    recorder: int,
    *accounts: str,
    pace: float = 0.01,
    unfit: Collection[str] = (),
) -> AsyncGenerator[Node]:
    """Run a node whose folder has the profiles of `accounts`; it cannot open those in `unfit`."""
    store = ProfileStore(settings.profiles, identity)
    for name in accounts:
        await asyncio.to_thread(store.save, profile_of(name))
    telemetry = Telemetry()

    def made(stored: StoredAccounts, now: Callable[[], float]) -> Pool:
        return Pool([], settings, telemetry, stored=stored, now=now)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to_recorder:
        to_recorder.connect(("127.0.0.1", recorder))
        driving = DrivingAccounts(str(settings.cluster.node), store, to_recorder, pace, unfit)
        async with pools_of_a_node(
            settings.cluster, settings.pool, settings.config, store, driving, made, telemetry, memory=100_000
        ) as (pool, everywhere):
            yield Node(everywhere.node, pool, everywhere, store, driving, settings, telemetry)


class Cluster:
    """The nodes of one test, on one Redis."""

    def __init__(self, redis: RedisServer, folder: Path, stack: AsyncExitStack) -> None:
        self.redis, self.folder, self._stack = redis, folder, stack
        self.recorder = Recorder()

    async def node(
        self, name: str, *accounts: str, pace: float = 0.01, most: int | None = None, unfit: Collection[str] = ()
    ) -> Node:
        node = node_of(self.settings(name, most), IDENTITY, self.recorder.port, *accounts, pace=pace, unfit=unfit)
        return await self._stack.enter_async_context(node)

    def settings(self, name: str, most: int | None = None) -> Settings:
        return settings_of(self.folder, self.redis.url, name, LEASE, max_accounts=most)


def chat(text: str, **more: Any) -> ChatRequest:
    return ChatRequest(text, Model("deepseek-chat"), (Message("user", text),), **more)


async def answer(backend: ChatBackend, request: ChatRequest | str) -> str:
    request = chat(request) if isinstance(request, str) else request
    async with asyncio.timeout(LIMIT), aclosing(backend.chat(request)) as events:
        return "".join([event.text async for event in events if isinstance(event, Text)])
