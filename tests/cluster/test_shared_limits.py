"""The limits of a key count on all nodes together, and each node goes on by its own count where Redis is away."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from bridge.chat.caller import Caller
from bridge.chat.rate_limits import Late, Refused, Used
from bridge.chat.types import Text
from bridge.cluster.redis_link import CALLS_AT_A_TIME, RedisLink, Script
from bridge.cluster.shared_usage import MOST_WAITING, RedisUsage
from bridge.errors import PoolFull, PoolTimeout
from tests.support.cluster_http import Endpoint, key_on, two_endpoints
from tests.support.cluster_nodes import NAMES, Cluster, answer, chat
from tests.support.live import changed
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser
MINUTE = {"requests_per_minute": 3}
NOTHING = Used(0, 0.0)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncGenerator[RedisServer]:
    async with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def test_of_many_requests_at_once_on_two_nodes_as_many_are_let_in_as_the_limit_says(redis: RedisServer) -> None:
    async with redis.link() as one, redis.link() as two:
        nodes = RedisUsage(one), RedisUsage(two)
        limits = {"requests_per_minute": 10, "tokens_per_day": 1000}
        taken = await asyncio.gather(*(nodes[n % 2].take("key", limits, 1, 7, 7) for n in range(40)))
        refused = [one for one in taken if isinstance(one, Refused)]
        assert len(refused) == 30
        assert {one.name for one in refused} == {"requests_per_minute"}
        assert all(0 < one.wait <= 61 and one.used == 10 for one in refused)
        used = nodes[0].used("key") or {}
        assert {name: one.amount for name, one in used.items()} == {
            "requests_per_minute": 10,
            "requests_per_day": 10,
            "tokens_per_minute": 70,
            "tokens_per_day": 70,
        }
        assert 86_000 < used["tokens_per_day"].reset < 86_500


async def test_tokens_that_are_given_back_have_room_again(redis: RedisServer) -> None:
    async with redis.link() as link:
        usage = RedisUsage(link)
        at = await usage.take("key", {"tokens_per_minute": 100}, 0, 90, 90)
        assert isinstance(at, float)
        assert isinstance(await usage.take("key", {"tokens_per_minute": 100}, 0, 20, 20), Refused)
        usage.add("key", 0, -90, at)
        await usage.close()
        assert isinstance(await usage.take("key", {"tokens_per_minute": 100}, 0, 20, 20), float)


async def test_what_is_as_old_as_a_window_counts_no_more_and_windows_end_by_themselves(redis: RedisServer) -> None:
    async with redis.link() as link:
        usage = RedisUsage(link)
        for ago in (62, 59):
            usage.add("key", 1, 0, time.time() - ago)
        await usage.close()
        await usage.take("key", {}, 0, 0, 0)
        assert [one.amount for one in (usage.used("key") or {}).values()] == [1, 2, 0, 0]
        refused = await usage.take("key", {"requests_per_minute": 1}, 1, 0, 0)
        assert isinstance(refused, Refused)
        assert refused.wait < 3
        places = [link.of_cluster(f"usage:{{key}}:{name}") for name in ("requests_per_minute", "requests_per_day")]
        lives = [await link.run(Script("return redis.call('TTL', KEYS[1])"), [place]) for place in places]
        assert [0 < life <= most for life, most in zip(lives, (62, 86_520), strict=True)] == [True, True]
        assert await link.run(Script("return redis.call('HLEN', KEYS[1])"), places[:1]) == 4


async def all_used(link: RedisLink, key: str) -> int:
    usage = RedisUsage(link)
    await usage.take(key, {}, 0, 0, 0)
    return (usage.used(key) or {})["requests_per_minute"].amount


async def test_what_is_counted_while_redis_is_away_is_told_afterwards(redis: RedisServer) -> None:
    async with redis.link() as link:
        usage = RedisUsage(link)
        usage.start()
        redis.signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert isinstance(await usage.take("key", {"requests_per_minute": 9}, 1, 0, 0), Late)
        assert isinstance(await usage.take("key", {"requests_per_minute": 9}, 1, 0, 0), Late)
        assert time.monotonic() - begun < 5
        usage.add("key", 1, 0)
        usage.add("key", 1, 5)
        redis.signal(signal.SIGCONT)
        await until(lambda: (usage.used("key") or {}).get("tokens_per_day"))
        await usage.close()
    async with redis.link() as link:
        assert await all_used(link, "key") == 2


async def test_what_redis_has_counted_without_telling_so_is_counted_once(redis: RedisServer) -> None:
    async with redis.link() as link:
        usage = RedisUsage(link, pause=0.0)
        await asyncio.gather(*(usage.take("key", {}, 0, 0, 0) for _ in range(4)))  # as many connections are open
        redis.signal(signal.SIGSTOP)
        taken = await usage.take("key", {"requests_per_minute": 9}, 1, 7, 7)
        assert isinstance(taken, Late)
        usage.add("key", 1, 7, late=taken)
        for _ in range(3):
            await usage.close()  # in vain
        redis.signal(signal.SIGCONT)
        await usage.close()
    async with redis.link() as link:
        assert await all_used(link, "key") == 1


async def test_all_that_is_counted_while_redis_is_away_for_long_is_told_afterwards(redis: RedisServer) -> None:
    count = MOST_WAITING + 100
    async with redis.link() as link:
        usage = RedisUsage(link, pause=LIMIT / 10)
        redis.signal(signal.SIGSTOP)
        for _ in range(count):
            taken = await usage.take("key", {"requests_per_day": 10 * count}, 1, 0, 0)
            assert isinstance(taken, Late)
            usage.add("key", 1, 0, late=taken)
        await usage.close()  # in vain
        redis.signal(signal.SIGCONT)

        async def is_told() -> bool:
            await usage.close()
            await usage.take("key", {}, 0, 0, 0)
            return (usage.used("key") or {"requests_per_day": NOTHING})["requests_per_day"].amount == count

        await until(is_told)


async def test_what_is_about_to_be_counted_when_a_node_stops_is_counted(redis: RedisServer) -> None:
    async with redis.link() as link:
        usage = RedisUsage(link)
        usage.start()
        redis.signal(signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLS_AT_A_TIME):  # so that the count waits, and has not been sent
                group.create_task(link.get("none"))
            await asyncio.sleep(0)
            usage.add("key", 1, 0)
            await asyncio.sleep(0)
            closing = group.create_task(usage.close())
            await asyncio.sleep(0)
            redis.signal(signal.SIGCONT)
            await closing
    async with redis.link() as link:
        assert await all_used(link, "key") == 1


async def test_at_the_end_a_slow_redis_is_waited_for_no_longer_than_a_limit(redis: RedisServer) -> None:
    class Slow(RedisLink):
        async def run(self, script: Script, keys: Sequence[str], *arguments: str | bytes | float) -> Any:
            answered = await super().run(script, keys, *arguments)
            await asyncio.sleep(0.1)
            return answered

    async with redis.link() as link:
        usage = RedisUsage(Slow(link._client, link._prefix, 1.0))
        usage.close_limit = 0.5
        for number in range(MOST_WAITING):
            usage.add(str(number), 1, 0)
        async with asyncio.timeout(LIMIT):
            await usage.close()
        assert await all_used(link, "0") == 1


async def asked(endpoints: tuple[Endpoint, Endpoint], key: str, count: int) -> list[int]:
    found = []
    for number in range(count):
        status, _ = await endpoints[number % 2].ask(key, f"1 word {key[-4:]} {number} {time.monotonic()}")
        found.append(status)
    return found


async def test_a_key_has_one_limit_on_both_nodes(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    id_, key = await key_on(*both, **MINUTE)
    assert await asked(both, key, 5) == [200, 200, 200, 429, 429]
    _, said = await both[1].ask(key, "1 word more")
    assert "requests_per_minute" in said["error"]["message"]
    for one in both:
        used = (await one.call("GET", "/admin/api/keys"))[1]["keys"]
        assert next(key["used"] for key in used if key["id"] == id_)["requests_per_minute"] == 3
    _, key = await key_on_tokens(both)
    long = "word " * 120
    assert (await both[0].ask(key, f"1 word {long}"))[0] == 200
    status, said = await both[1].ask(key, f"2 words {long}")
    assert (status, "tokens_per_day" in said["error"]["message"]) == (429, True)


async def key_on_tokens(both: tuple[Endpoint, Endpoint]) -> tuple[str, str]:
    status, made = await both[0].call("POST", "/admin/api/keys", json={"name": "by tokens", "tokens_per_day": 200})
    assert status == 201
    await until(lambda: both[1].access.named(made["id"]) is not None)
    return made["id"], made["key"]


async def test_without_redis_each_node_holds_a_key_to_its_own_count(cluster: Cluster, stack: AsyncExitStack) -> None:
    one, two = await two_endpoints(cluster, stack, "a")
    id_, key = await key_on(one, two, **MINUTE)
    assert (await two.ask(key, "1 word"))[0] == 200
    await cluster.redis.kill()
    limiter, caller = two.limiter, Caller(id_, "one of all")
    for number in range(2):
        async with limiter.counted(chat(f"1 word {number}", caller=caller)):
            pass
    status, said = await two.ask(key, "1 word too many")
    assert (status, said["error"]["code"]) == (429, "rate_limit_exceeded")
    async with one.limiter.counted(chat("1 word here", caller=caller)):
        assert one.limiter.used(id_)["requests_per_minute"] >= 1
    await cluster.redis.start()


async def test_a_key_has_as_many_chats_at_a_time_as_it_may_on_both_nodes(cluster: Cluster) -> None:
    owner = await cluster.node("owner", *NAMES)
    await until(lambda: owner.ready() == NAMES)
    one, two = await cluster.node("one", most=0), await cluster.node("two", most=0)
    await until(lambda: one.everywhere.unready() is None and two.everywhere.unready() is None)
    caller = Caller("key", "a key", parallel=2)
    async with AsyncExitStack() as stack:
        for node, text in ((one, "100000 words"), (two, "100001 words")):
            events = await stack.enter_async_context(aclosing(node.everywhere.chat(chat(text, caller=caller))))
            async for event in events:
                if isinstance(event, Text):
                    break
        with pytest.raises(PoolTimeout, match="2 chats at a time on all nodes"):
            await answer(one.everywhere, chat("1 word late", caller=caller, start_within=0.5))
        with changed(two.settings.pool, queue_limit=0.5), pytest.raises(PoolTimeout):
            async with asyncio.timeout(LIMIT / 2):  # less than the limit before
                await answer(two.everywhere, chat("1 word later", caller=caller))
        with changed(two.settings.pool, queue_size=0), pytest.raises(PoolFull):
            await answer(two.everywhere, chat("1 word too many", caller=caller))
        assert await answer(two.everywhere, chat("1 word of another key", caller=Caller("other", parallel=1)))
        next_one = asyncio.create_task(answer(one.everywhere, chat("1 word after", caller=caller)))  # noqa: TID251
    assert await next_one
    sent = [act.text for act in cluster.recorder.did("send")]
    assert sent == ["100000 words", "100001 words", "1 word of another key", "1 word after"]
