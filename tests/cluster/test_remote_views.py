"""The live view of an account that another node has, between two nodes whose view plays a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from bridge.api.admin.peer_views import peer_view
from bridge.chat.viewer_channel import ViewerChannel, ViewerMoved, ViewerRefused
from bridge.cluster import relay_client
from bridge.cluster.account_operations import RemoteAccounts
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.relay_server import RelayServer
from bridge.cluster.remote_views import RemoteViews
from bridge.cluster.signing import Signing
from bridge.errors import UnknownAccount
from tests.support.cluster_nodes import KEY
from tests.support.listening import listening
from tests.support.relay import Relay, relay
from tests.support.waiting import LIMIT, until

FENCE = 7


SILENCE = 0.5
"""Seconds of silence after which a node is lost."""


class ScriptedView:
    """The owner's side: sends what is put into it, and notes what comes; `ready` gates what it takes."""

    def __init__(self) -> None:
        self.out: asyncio.Queue[bytes | str | Exception] = asyncio.Queue()
        self.seen: list[bytes | str] = []
        self.viewers: list[str] = []
        self.left = asyncio.Event()
        self.ready = asyncio.Event()
        self.ready.set()
        self.is_known = True

    @asynccontextmanager
    async def join(self, name: str, viewer: str) -> AsyncGenerator[ViewerChannel]:
        if not self.is_known:
            raise UnknownAccount(f"There is no account {name!r} here.")
        self.viewers.append(viewer)
        try:
            yield self
        finally:
            self.left.set()

    async def next(self) -> bytes | str:
        if isinstance(found := await self.out.get(), Exception):
            raise found
        return found

    async def receive(self, message: str) -> None:
        await self.ready.wait()
        self.seen.append(message)

    async def receive_file(self, piece: bytes) -> None:
        await self.ready.wait()
        self.seen.append(piece)


class Ground:
    """What `RemoteViews` knows of the cluster: no account is here, `node` has the account, `names` are all."""

    def __init__(self, client: RelayClient, node: NodeInfo | None) -> None:
        self.client = client
        self.is_known = True
        self.info = node
        self.here: object | None = None
        self.pool = SimpleNamespace(worker=lambda _: self.here)
        self.node = SimpleNamespace(name="gateway", view=SimpleNamespace(knows=lambda _: self.is_known))

    def node_of(self, _: str) -> NodeInfo | None:
        return self.info

    def fence_of(self, *_: object) -> int:
        return FENCE


class Two:
    """Two nodes, and the way between them."""

    def __init__(
        self, view: ScriptedView, views: RemoteViews, ground: Ground, way: Relay, moved: asyncio.Event
    ) -> None:
        self.view, self.views, self.ground, self.way, self.moved = view, views, ground, way, moved

    def join(self) -> Any:
        found = self.views.view("alice", "me")
        assert found is not None
        return found


@asynccontextmanager
async def two(key: str = KEY, start: str = "1", silence: float = relay_client.SILENCE) -> AsyncGenerator[Two]:
    view, moved = ScriptedView(), asyncio.Event()

    async def until_moved(_: str, fence: int) -> None:
        if fence == FENCE:
            await moved.wait()
        raise ViewerMoved("The account is moving to another node.")

    async def operate(_: dict[str, Any]) -> dict[str, Any]:
        return {}

    server = RelayServer("owner.1", Signing(KEY), cast(Any, None), operate)
    server.view = peer_view(view.join, until_moved)
    async with (
        server.listening("127.0.0.1", 0) as address,
        relay(address) as way,
        RelayClient(Signing(key), silence) as client,
    ):
        ground = Ground(client, NodeInfo("owner", start, way.url, 1))
        yield Two(view, RemoteViews(cast(RemoteAccounts, ground)), ground, way, moved)


async def ended(channel: ViewerChannel) -> Exception:
    """Return how the connection to a view ends."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                await channel.next()
            except (ViewerMoved, ViewerRefused) as error:
                return error


async def test_what_is_sent_arrives_as_it_was_both_ways_and_the_viewer_leaves_when_it_leaves() -> None:
    picture = bytes(range(256)) * 4000
    async with two() as nodes:
        async with nodes.join() as channel, asyncio.timeout(LIMIT):
            for sent in (picture, '{"type":"state"}', b""):
                nodes.view.out.put_nowait(sent)
                assert await channel.next() == sent
            await channel.receive('{"type":"take"}')
            await channel.receive_file(picture[:1000])
            await until(lambda: nodes.view.seen == ['{"type":"take"}', picture[:1000]])
            assert nodes.view.viewers == ["gateway:me"]
            assert not nodes.view.left.is_set()
        async with asyncio.timeout(LIMIT):
            await nodes.view.left.wait()


@pytest.mark.parametrize(
    ("raised", "kind"), [(ViewerRefused("Too fast."), ViewerRefused), (ViewerMoved("Gone."), ViewerMoved)]
)
async def test_how_the_other_node_ends_a_view_is_how_it_ends(raised: Exception, kind: type[Exception]) -> None:
    async with two() as nodes, nodes.join() as channel:
        nodes.view.out.put_nowait(raised)
        found = await ended(channel)
    assert (type(found), str(found)) == (kind, str(raised))


async def test_a_view_ends_when_the_lease_moves_and_where_there_is_no_page_yet() -> None:
    async with two() as nodes:
        async with nodes.join() as channel:
            nodes.moved.set()
            assert str(await ended(channel)) == "The account is moving to another node."
        nodes.view.is_known = False
        async with nodes.join() as channel:
            assert str(await ended(channel)) == "The account has no page here."


@pytest.mark.slow
async def test_a_lost_node_is_noticed_also_where_it_only_falls_silent() -> None:
    async with two(silence=SILENCE) as nodes:
        async with nodes.join() as channel:
            nodes.way.sever()
            found = await ended(channel)
            assert (type(found), str(found)) == (ViewerMoved, "The node owner no longer answers.")
            with pytest.raises(ViewerMoved):
                await channel.receive("{}")
        with pytest.raises(ViewerMoved, match="owner"):
            async with nodes.join():
                pass
    silent = await asyncio.start_server(_silent, "127.0.0.1", 0)
    async with silent, RelayClient(Signing(KEY), SILENCE) as client, asyncio.timeout(LIMIT):
        node = NodeInfo("owner", "1", f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}", 1)
        views = RemoteViews(cast(RemoteAccounts, Ground(client, node)))
        connecting = views.view("alice", "me")
        assert connecting is not None
        with pytest.raises(ViewerMoved, match="owner"):
            await connecting.__aenter__()


@pytest.mark.slow
async def test_a_node_that_answers_no_ping_is_lost() -> None:
    async def deaf(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    app = web.Application()
    app.router.add_get("/internal/view", deaf)
    async with listening(app) as address, RelayClient(Signing(KEY), SILENCE) as client:
        views = RemoteViews(cast(RemoteAccounts, Ground(client, NodeInfo("owner", "1", address, 1))))
        joining = views.view("alice", "me")
        assert joining is not None
        async with joining as channel:
            assert str(await ended(channel)) == "The node owner no longer answers."


async def test_a_node_of_an_earlier_version_is_named() -> None:
    async with listening(web.Application()) as address, RelayClient(Signing(KEY)) as client:
        views = RemoteViews(cast(RemoteAccounts, Ground(client, NodeInfo("owner", "1", address, 1))))
        joining = views.view("alice", "me")
        assert joining is not None
        with pytest.raises(ViewerRefused, match="The node owner runs another version"):
            await joining.__aenter__()


async def test_a_page_is_shown_to_another_node_under_the_lease_alone_that_it_has_seen() -> None:
    held, looks = SimpleNamespace(fence=FENCE), list[str]()
    leases = {"alice": held}

    def of(name: str) -> SimpleNamespace | None:
        looks.append(name)
        return leases.get(name)

    ground = SimpleNamespace(node=SimpleNamespace(leases=SimpleNamespace(of=of)))
    views = RemoteViews(cast(RemoteAccounts, ground))
    async with asyncio.timeout(LIMIT):
        with pytest.raises(ViewerMoved):
            await views.until_moved("alice", FENCE - 1)
        waiting = asyncio.get_running_loop().create_task(views.until_moved("alice", FENCE))
        await until(lambda: len(looks) == 3 or waiting.done())
        assert not waiting.done()
        held.fence += 1
        with pytest.raises(ViewerMoved):
            await waiting
        leases.clear()
        with pytest.raises(ViewerMoved):
            await views.until_moved("alice", FENCE + 1)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.slow
async def test_a_viewer_is_read_only_as_fast_as_the_other_node_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = b"x" * 100_000
    async with two() as nodes, nodes.join() as channel:
        nodes.view.ready.clear()
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await channel.receive_file(piece)
                sent += 1

        sending = asyncio.get_running_loop().create_task(send())
        await until(lambda: sent > 0)
        seen = -1
        while seen != sent:  # until it stands still
            seen = sent
            await asyncio.sleep(0.5)
        assert sent < 1000
        nodes.view.ready.set()
        await until(lambda: sent > seen)
        sending.cancel()
        await asyncio.wait({sending})


@pytest.mark.parametrize("wrong", [{"key": "another key of nobody"}, {"start": "2"}], ids=["key", "start"])
async def test_a_stranger_and_who_means_an_earlier_start_get_no_view(wrong: dict[str, Any]) -> None:
    async with two(**wrong) as nodes:
        with pytest.raises(ViewerMoved):
            async with nodes.join():
                pass
        assert nodes.view.viewers == []


async def test_a_view_of_an_account_that_no_node_has_says_so_and_waits_for_one() -> None:
    async with two() as nodes:
        node, nodes.ground.info = nodes.ground.info, None
        async with nodes.join() as channel:
            assert "No node has this account now." in str(await channel.next())
            await channel.receive('{"type":"take"}')
            ending = asyncio.get_running_loop().create_task(ended(channel))
            nodes.ground.info = node
            assert str(await ending) == ""
        nodes.ground.here = object()
        assert nodes.views.view("alice", "me") is None
        nodes.ground.here, nodes.ground.info, nodes.ground.is_known = None, None, False
        assert nodes.views.view("alice", "me") is None
