"""Three nodes under load while nodes and Redis fail: one driver an account, nothing sent twice, no chat lost unsaid."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.browsers import free_port
from tests.support.cluster_nodes import IDENTITY, NAMES, Recorder
from tests.support.cluster_process import NodeProcess, Outcome
from tests.support.redis_server import RedisServer, redis_server
from tests.support.relay import Relay
from tests.support.stress import stress
from tests.support.waiting import until

LEASE = 2.0
WORDS, PACE = 20, 0.02
CLIENTS = 6
FROZEN = 3.0
"""Seconds for which a process is frozen, or cut off: longer than a lease."""
SPEAKING = 2.0
"""Seconds that a busy machine may need beyond what the leases take."""


class Load:
    """Clients that ask one node after the other, each prompt once; and what became of every chat."""

    def __init__(self, nodes: list[NodeProcess], seed: int) -> None:
        self.nodes, self.random = nodes, random.Random(seed)
        self.outcomes: dict[str, Outcome] = {}
        self.disturbed: set[str] = set()
        """Prompts whose own connection may have broken, because the node that was asked was killed or frozen."""
        self._number = 0
        self._running: dict[str, NodeProcess] = {}

    async def ask_for_ever(self, session: aiohttp.ClientSession) -> None:
        while True:
            self._number += 1
            prompt, node = f"{WORDS} words {self._number}", self.random.choice(self.nodes)
            self._running[prompt] = node
            outcome = self.outcomes[prompt] = await node.ask(session, prompt)
            del self._running[prompt]
            if outcome.code:
                await asyncio.sleep(0.1)

    def disturb(self, node: NodeProcess) -> None:
        self.disturbed.update(prompt for prompt, asked in self._running.items() if asked is node)

    def answered(self) -> int:
        return sum(outcome.is_whole for outcome in self.outcomes.values())

    def faults(self) -> list[str]:
        """Return the chats that ended neither with the whole answer nor with an error that says so."""
        return [
            f"{prompt}: {outcome}"
            for prompt, outcome in self.outcomes.items()
            if (outcome.is_whole and (outcome.words, outcome.code) != (WORDS, ""))
            or (not outcome.is_whole and not outcome.code)
            or (outcome.code == "broken" and prompt not in self.disturbed and outcome.words)
        ]


class Failures:
    """What is done to the nodes and to Redis; each returns when everything answers again."""

    def __init__(self, load: Load, redis: RedisServer, relay: Relay, recorder: Recorder) -> None:
        self._load, self._redis, self._relay, self._recorder = load, redis, relay, recorder
        self.takeovers: list[float] = []
        self.done: list[str] = []

    def all(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.kill, self.freeze, self.restart, self.empty, self.redis_away, self.partition]

    async def _recovered(self) -> None:
        """Return when each node answers."""
        async with aiohttp.ClientSession() as session:
            for node in self._load.nodes:

                async def answers(node: NodeProcess = node) -> bool:
                    self._load._number += 1
                    return (await node.ask(session, f"1 word {self._load._number} again")).is_whole

                await until(answers)

    def _any(self) -> NodeProcess:
        return self._load.random.choice(self._load.nodes)

    def _held_by(self, node: NodeProcess) -> set[str]:
        last = {act.account: act.node for act in self._recorder.did("open")}
        return {account for account, name in last.items() if name == node.name}

    async def _sending(self) -> NodeProcess:
        """Return a node that has just sent the prompt of a chat which another node has asked it for."""
        found: list[NodeProcess] = []

        def is_relayed() -> bool:
            last = self._recorder.did("send")[-1]
            asked = self._load._running.get(last.text)
            found[:] = [node for node in self._load.nodes if node.name == last.node and asked not in (None, node)]
            return bool(found)

        await until(is_relayed)
        return found[0]

    async def kill(self) -> None:
        """End a node between the send of a prompt and the first word of its answer."""
        node = await self._sending()
        held, before = self._held_by(node), len(self._recorder.acts)
        self._load.disturb(node)
        await node.kill()
        died = time.monotonic()

        def has_moved() -> bool:
            return held <= {act.account for act in self._recorder.acts[before:] if act.what == "open"}

        await until(has_moved)
        self.takeovers.append(time.monotonic() - died)
        await node.start()

    async def freeze(self) -> None:
        node = self._any()
        self._load.disturb(node)
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN)
        self._load.disturb(node)
        node.signal(signal.SIGCONT)

    async def restart(self) -> None:
        """Stop one node after the other as an upgrade does."""
        for node in self._load.nodes:
            node.signal(signal.SIGTERM)
            assert await node.ended() == 0
            self._load.disturb(node)  # connections that were kept are gone
            await node.start()

    async def empty(self) -> None:
        async with self._redis.link() as link:
            await link._client.flushall()

    async def redis_away(self) -> None:
        await self._redis.kill()
        await asyncio.sleep(FROZEN)
        await self._redis.start()

    async def partition(self) -> None:
        """Cut the first node off Redis."""
        self._relay.sever()
        await asyncio.sleep(FROZEN)
        await self._relay.mend()

    async def play(self, failure: Callable[[], Awaitable[None]]) -> None:
        """Let a failure happen under load."""
        before = self._load.answered()
        await until(lambda: self._load.answered() >= before + CLIENTS)
        await failure()
        await self._recovered()
        self.done.append(failure.__name__)
        print(f"{len(self.done)} {failure.__name__}: {self._load.answered()} chats answered", flush=True)


@asynccontextmanager
async def three_nodes(folder: Path, seed: int) -> AsyncGenerator[tuple[Load, Failures, Recorder]]:
    async with AsyncExitStack() as stack:
        recorder = Recorder()
        stack.callback(recorder.close)
        redis = await stack.enter_async_context(redis_server(folder))
        relay = Relay(redis.url)
        await relay.mend()
        stack.callback(relay.sever)
        nodes = []
        for number, url in enumerate((f"redis://127.0.0.1:{relay.port}", redis.url, redis.url)):
            said = {"folder": str(folder), "redis": url, "lease": LEASE, "identity": IDENTITY.export()}
            node = NodeProcess(free_port(), name=f"n{number}", recorder=recorder.port, pace=PACE, **said)
            nodes.append(node)
            await node.start(NAMES if number == 0 else ())
            stack.push_async_callback(node.kill)
        load = Load(nodes, seed)
        yield load, Failures(load, redis, relay, recorder), recorder


@pytest.mark.browser
@pytest.mark.parametrize("failures", [6, *stress(200)])
async def test_nothing_is_driven_by_two_sent_twice_or_lost_unsaid_whatever_fails(
    tmp_path: Path, failures: int, record_property: Callable[[str, object], None]
) -> None:
    async with three_nodes(tmp_path, failures) as (load, fail, recorder), aiohttp.ClientSession() as session:
        await until(lambda: {act.account for act in recorder.did("open")} == set(NAMES))
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(load.ask_for_ever(session)) for _ in range(CLIENTS)]
            ways = fail.all()
            for number in range(failures):
                await fail.play(ways[number % len(ways)])
                assert recorder.faults() == [], fail.done
            for client in clients:
                client.cancel()
        assert load.faults() == []
        assert recorder.faults() == []
        assert len(fail.done) == failures
        codes = sorted({outcome.code for outcome in load.outcomes.values()})
        record_property("chats", f"{load.answered()} of {len(load.outcomes)} answered; {codes}; {fail.takeovers}")
        print(f"{load.answered()} of {len(load.outcomes)} chats answered; {codes}; takeovers {fail.takeovers}")
        assert max(fail.takeovers) <= LEASE + 1 + SPEAKING
