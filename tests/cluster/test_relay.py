"""Chats on accounts of another node: the same events, the same errors, and a stop that reaches the site."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from bridge.chat.caller import Caller
from bridge.chat.types import (
    Attachment,
    ChatEvent,
    ChatRequest,
    Finish,
    Message,
    Model,
    Opened,
    Rewritten,
    Searched,
    Source,
    Text,
    Thinking,
    Title,
    Withdrawn,
)
from bridge.cluster import wire
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import SILENCE, RelayClient
from bridge.cluster.relay_server import GO_LIMIT, HEARTBEAT, RelayServer
from bridge.cluster.signing import DIGEST, NONCE, SIGNATURE, TIME, WINDOW, Signing
from bridge.errors import BridgeError, BrowserError, ClusterUnavailable, NodeLost, PermissionDenied, RateLimited
from bridge.pool.error_policy import may_retry
from bridge.sites.contract import LeftSite
from tests.support.cluster_nodes import KEY
from tests.support.waiting import LIMIT, until

EVERYTHING: Sequence[ChatEvent] = (
    Opened("c", "m", 7, "continued", 2),
    Thinking("Hm\x00.\n"),
    Text("\ud800 lone, 你好, \u2028"),
    Text(""),
    Searched(("q",), (Source(1, "https://x", "t", "s"), Source(2, "https://y"))),
    Title("T"),
    Withdrawn("w" * 300_000),
    Rewritten("r"),
    Finish("length"),
)


@dataclass
class Scripted:
    """A backend that waits until it may start, then plays events and errors, and waits where there is an event."""

    script: Sequence[ChatEvent | Exception | asyncio.Event] = EVERYTHING
    asks: bool = True
    seen: list[ChatRequest] = field(default_factory=list)
    started: int = 0
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    place: int | None = None
    before: asyncio.Event | None = None
    returned: list[str] = field(default_factory=list)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        self.seen.append(request)
        try:
            if self.before is not None:
                await self.before.wait()
            if self.asks and request.may_start is not None:
                await request.may_start()
            self.started += 1
            for step in self.script:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
            self.returned.append(await asyncio.to_thread(request.returned, "the answer"))
        finally:
            self.stopped.set()

    def place_in_queue(self, _: ChatRequest) -> int | None:
        return self.place

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the relay asks for {name}")


@asynccontextmanager
async def relayed(
    backend: Scripted,
    key: str = KEY,
    kind: type[RelayClient] = RelayClient,
    heartbeat: float = HEARTBEAT,
    go_limit: float = GO_LIMIT,
    silence: float = SILENCE,
) -> AsyncGenerator[tuple[RelayClient, NodeInfo]]:
    async def operate(_: Any) -> dict[str, Any]:
        return {}

    async with AsyncExitStack() as stack:
        server = RelayServer(
            "one.1", Signing(KEY, node="one"), backend, operate, heartbeat=heartbeat, go_limit=go_limit
        )
        address = await stack.enter_async_context(server.listening("127.0.0.1", 0))
        client = await stack.enter_async_context(kind(Signing(key), silence))
        yield client, NodeInfo("one", "1", address, 1)


def asked(**more: Any) -> ChatRequest:
    return ChatRequest("id", Model("m"), (Message("user", "Hello?"),), **more)


async def events_of(client: RelayClient, node: NodeInfo, request: ChatRequest) -> list[ChatEvent]:
    async with asyncio.timeout(LIMIT), aclosing(client.chat(node, request)) as events:
        return [event async for event in events]


async def test_every_event_arrives_as_it_was_one_for_one() -> None:
    backend = Scripted()
    async with relayed(backend) as (client, node):
        found = await events_of(client, node, asked())
    assert found == list(EVERYTHING)
    assert isinstance(found[0], Opened)
    assert (found[0].prompt_tokens, found[0].start, found[0].place) == (7, "continued", 2)


async def test_the_request_arrives_whole_with_its_files(tmp_path: Any) -> None:
    on_disk = tmp_path / "b"
    on_disk.write_bytes(bytes(range(256)) * 1000)
    known = Attachment("b", "text/plain", on_disk.read_bytes())
    files = (
        Attachment("a\n.png", "image/png", b"\x89PNG\n\n", "messages[0]"),
        Attachment("b", "text/plain", b"", path=on_disk, size=known.size, digest=known.digest),
    )
    request = ChatRequest(
        "id",
        Model("m", thinking=True, aliases=("x",), context_length=5),
        (Message("system", "\ud800", teaches_tools=True), Message("user", "Hello?", files), Message("tool", "")),
        conversation="c@m",
        unseen=1,
        prompt_tokens=9,
        dialect="openai",
        peer="127.0.0.1",
        caller=Caller("k", "key", 2, 3, ("a",)),
        start_within=4.5,
        is_brief=True,
    )
    backend = Scripted()
    async with relayed(backend) as (client, node):
        await events_of(client, node, request)
    (seen,) = backend.seen
    assert replace(seen, messages=()) == replace(request, messages=())
    told = [(message.role, message.text, len(message.attachments)) for message in seen.messages]
    assert told == [("system", "\ud800", 0), ("user", "Hello?", 2), ("tool", "", 0)]
    assert [(file.name, file.digest) for file in seen.messages[1].attachments] == [
        (file.name, file.digest) for file in files
    ]
    assert [file.data for file in seen.messages[1].attachments] == [b"\x89PNG\n\n", on_disk.read_bytes()]
    assert (seen.caller.may_use("a"), seen.caller.may_use("b"), seen.caller.parallel) == (True, False, 3)
    assert (seen.start_within, seen.is_brief, seen.prompt_tokens) == (4.5, True, 9)
    assert (seen.peer, seen.dialect) == ("127.0.0.1", "openai")
    assert (seen.messages[0].teaches_tools, seen.messages[1].attachments[0].param) == (True, "messages[0]")


async def test_what_the_client_will_return_of_an_answer_reaches_the_node_that_notes_it() -> None:
    backend = Scripted([Text("one "), Text("two"), Finish()])
    async with relayed(backend) as (client, node):
        await events_of(client, node, asked(returned=str.upper))
        await until(lambda: backend.returned)
        await events_of(client, node, asked())
        await until(lambda: len(backend.returned) == 2)
    assert backend.returned == ["ONE TWO", "the answer"]


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (RateLimited("Too often.", retry_after=5.0, sent=True), RateLimited),
        (LeftSite("https://elsewhere.example"), BrowserError),
        (ValueError("no error of ours"), BridgeError),
    ],
)
async def test_an_error_arrives_as_it_was(raised: Exception, kind: type[BridgeError]) -> None:
    async with relayed(Scripted([Text("a"), raised])) as (client, node):
        with pytest.raises(kind) as found:
            await events_of(client, node, asked())
    if isinstance(raised, BridgeError):
        assert (found.value.message, found.value.retry_after) == (raised.message, raised.retry_after)
    assert found.value.sent is (not isinstance(raised, LeftSite))


async def test_a_client_that_leaves_ends_the_chat_on_the_other_node() -> None:
    backend = Scripted([Text("a"), asyncio.Event()])
    async with relayed(backend) as (client, node):
        async with aclosing(client.chat(node, asked())) as events:
            assert await anext(events) == Text("a")
            assert not backend.stopped.is_set()
        async with asyncio.timeout(LIMIT):
            await backend.stopped.wait()


@pytest.mark.slow
async def test_a_silent_chat_lives_as_long_as_its_node_does() -> None:
    gate = asyncio.Event()
    backend = Scripted([Text("a"), gate, Text("b"), Finish()])
    relay = relayed(backend, heartbeat=0.05, silence=0.5)
    async with relay as (client, node), aclosing(client.chat(node, asked())) as events:
        assert await anext(events) == Text("a")
        asyncio.get_running_loop().call_later(1.5, gate.set)
        assert await anext(events) == Text("b")


@pytest.mark.slow
async def test_a_node_that_falls_silent_is_lost_and_the_error_says_whether_something_was_sent() -> None:
    for backend in (Scripted([Text("a"), asyncio.Event()]), Scripted(before=asyncio.Event())):
        async with relayed(backend, heartbeat=LIMIT, silence=0.2) as (client, node):
            with pytest.raises(NodeLost) as lost:
                await events_of(client, node, asked())
        assert lost.value.sent is (backend.before is None)


async def test_what_is_too_late_is_not_sent() -> None:
    """The owner has waited for `go` and given up; the other node, which was frozen, says it all the same."""
    backend = Scripted()

    class Late(RelayClient):
        @asynccontextmanager
        async def called(
            self, node: NodeInfo, path: str, body: bytes, limit: aiohttp.ClientTimeout | None = None
        ) -> AsyncGenerator[aiohttp.ClientResponse]:
            if path == "/internal/go":
                await backend.stopped.wait()
            async with super().called(node, path, body, limit) as response:
                yield response

    async with relayed(backend, go_limit=0.0, kind=Late) as (client, node):
        with pytest.raises(NodeLost) as lost:
            await events_of(client, node, asked())
    assert (lost.value.sent, backend.started) == (False, 0)


async def test_a_node_that_was_started_anew_answers_no_call_for_the_one_before() -> None:
    backend = Scripted()
    async with relayed(backend) as (client, node):
        with pytest.raises(NodeLost, match="restarted") as lost:
            await events_of(client, NodeInfo("one", "2", node.address, 1), asked())
    assert (lost.value.sent, backend.seen) == (False, [])


async def test_a_place_in_the_other_nodes_queue_is_told() -> None:
    backend, places = Scripted([Finish()], before=asyncio.Event(), place=3), list[int | None]()
    relay = relayed(backend, heartbeat=0.02)
    async with relay as (client, node), aclosing(client.chat(node, asked(), places.append)) as events:
        chat = asyncio.get_running_loop().create_task(anext(events))
        await until(lambda: places)
        assert backend.before is not None
        backend.before.set()
        assert await chat == Finish()
    assert places[0] == 3


async def test_another_key_is_refused() -> None:
    backend = Scripted()
    async with relayed(backend, key="some other key of nobody") as (client, node):
        with pytest.raises(PermissionDenied, match="not signed"):
            await events_of(client, node, asked())
    assert backend.seen == []


async def test_a_chat_of_a_node_whose_clock_differs_is_refused_with_both_names_and_may_be_sent_again() -> None:
    backend, says = Scripted(), "the node late is 3600 seconds behind that of the node one"
    async with relayed(backend) as (_, node):
        async with RelayClient(Signing(KEY, lambda: time.time() - 3600, "late")) as client:
            with pytest.raises(ClusterUnavailable, match=says) as raised:
                await events_of(client, node, asked())
        assert (raised.value.sent, may_retry(raised.value), backend.seen) == (False, True, [])


def test_a_call_is_taken_once_in_its_time_and_as_it_was_signed() -> None:
    now = [1000.0]
    ours, theirs = Signing(KEY, lambda: now[0], "one"), Signing(KEY, lambda: now[0], "two")
    signed = ours.headers("POST", "/internal/chat", b"body")
    changed: Sequence[dict[str, str]] = ({TIME: "1001"}, {NONCE: "1"}, {DIGEST: "0"}, {SIGNATURE: "ü"})
    wrong: list[tuple[str, str, dict[str, str]]] = [("GET", "/internal/chat", {}), ("POST", "/x", {})]
    for method, path, change in (*wrong, *(("POST", "/internal/chat", one) for one in changed)):
        with pytest.raises(PermissionDenied, match="not signed"):
            theirs.check({**signed, **change}, method, path)
    with pytest.raises(PermissionDenied, match="not signed"):
        theirs.check({}, "POST", "/internal/chat")
    theirs.check(signed, "POST", "/internal/chat")
    theirs.check_body(signed, b"body")
    with pytest.raises(PermissionDenied, match="not the one that was signed"):
        theirs.check_body(signed, b"another")
    with pytest.raises(PermissionDenied, match="before"):
        theirs.check(signed, "POST", "/internal/chat")
    late = ours.headers("POST", "/internal/chat", b"")
    now[0] += WINDOW + 10
    with pytest.raises(ClusterUnavailable, match="the node one is 40 seconds behind that of the node two; at most 30"):
        theirs.check(late, "POST", "/internal/chat")
    ahead = ours.headers("POST", "/internal/chat", b"")
    now[0] -= 3600
    with pytest.raises(ClusterUnavailable, match="of the node one is 3600 seconds ahead of that of the node two"):
        theirs.check(ahead, "POST", "/internal/chat")
    now[0] = 1000.0
    with pytest.raises(PermissionDenied, match="before"):  # a clock that is put back brings no call back
        theirs.check(signed, "POST", "/internal/chat")
    now[0] = float("nan")
    with pytest.raises(ClusterUnavailable):
        theirs.check(ours.headers("POST", "/", b""), "POST", "/")


async def test_the_body_of_a_stranger_is_not_read() -> None:
    async with relayed(Scripted()) as (_, node), aiohttp.ClientSession() as session:
        for headers in ({}, dict(Signing("another key of nobody").headers("POST", "/internal/chat", b""))):

            async def endless() -> AsyncGenerator[bytes]:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)

            async with asyncio.timeout(LIMIT):
                async with session.post(f"{node.address}/internal/chat", data=endless(), headers=headers) as response:
                    assert response.status == 403


@pytest.mark.parametrize(
    "said", [{}, {"messages": 1}, {"messages": [{"role": "user", "text": "x", "teaches_tools": False, "files": [{}]}]}]
)
def test_what_no_node_says_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(wire.Unreadable):
        wire.request_of(said, b"")
    with pytest.raises(ValueError, match="not an event"):
        wire.event_of(said)
    assert isinstance(wire.error_of(said), BridgeError)
