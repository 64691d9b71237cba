"""Nodes take accounts, give them back, and leave to each other what is known of them; real Redis, no pages."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.cluster.cluster_node import STEPS
from bridge.cluster.cluster_view import SETTLED
from bridge.cluster.node_directory import PROTOCOL, NodeDirectory, NodeInfo
from bridge.cluster.profile_key_check import check_profile_key
from bridge.cluster.redis_leases import RedisLeases
from bridge.errors import AccountConflict, ClusterUnavailable, LeaseLost, Muted, SetupError, UnknownAccount
from bridge.storage.api_keys import KeyStore
from bridge.storage.profile_key import Identity
from bridge.telemetry import WorkerState
from tests.support.cluster_nodes import IDENTITY, LEASE, NAMES, Cluster, Node, answer, node_of, profile_of, settings_of
from tests.support.waiting import until

pytestmark = pytest.mark.browser
LONG = 60.0
"""Seconds of a lease that shall not end within a test."""


def fence_of(node: Node, name: str) -> int:
    lease = node.cluster.leases.of(name)
    assert lease is not None
    return lease.fence


async def test_each_account_is_open_on_one_node_and_comes_to_nodes_that_never_had_its_profile(cluster: Cluster) -> None:
    first = await cluster.node("one", *NAMES)
    await until(lambda: first.ready() == NAMES)
    second = await cluster.node("two")
    await until(lambda: len(second.ready()) > 0 and sorted(first.ready() + second.ready()) == NAMES)
    assert set(second.held()) <= set(second.store.names())
    assert await answer(second.pool, "1 word") == f"{second.ready()[0]}0 " or second.ready()


async def test_a_lease_of_which_the_answer_was_lost_is_taken_again_at_once(cluster: Cluster) -> None:
    node = await cluster.node("one")
    async with cluster.redis.link(prefix=node.settings.cluster.name) as link:
        await link._client.set(link.of_account("a", "lease"), f"{node.cluster.id}|7", px=int(LONG * 10_000))
    await asyncio.to_thread(node.store.save, profile_of("a"))
    await until(lambda: node.ready() == ["a"])
    assert fence_of(node, "a") == 7


async def test_the_accounts_of_a_node_that_stops_go_on_at_once_elsewhere(cluster: Cluster) -> None:
    async with AsyncExitStack() as leaving:
        settings = cluster.settings("one")
        first = await leaving.enter_async_context(node_of(settings, IDENTITY, cluster.recorder.port, *NAMES))
        await until(lambda: first.ready() == NAMES)
        second = await cluster.node("two")
        fences = {name: fence_of(first, name) for name in first.held()}
    await until(lambda: second.ready() == NAMES)
    assert all(fence_of(second, name) > fences.get(name, 0) for name in NAMES)


async def test_a_drained_node_gives_back_what_is_idle_at_once_and_the_rest_when_its_chat_has_ended(
    cluster: Cluster,
) -> None:
    first = await cluster.node("one", "a", "b", pace=0.05)
    await until(lambda: first.ready() == ["a", "b"])
    answering = asyncio.get_running_loop().create_task(answer(first.pool, "40 words"))
    await until(lambda: cluster.recorder.did("send"))
    (busy,) = [act.account for act in cluster.recorder.did("send")]
    second = await cluster.node("two")
    await second.cluster.directory.drain("one", is_draining=True)
    await until(lambda: len(second.ready()) == 1)
    assert (busy in first.held(), answering.done()) == (True, False)
    assert len((await answering).split()) == 40
    await until(lambda: second.ready() == ["a", "b"])
    assert first.held() == []


async def test_what_is_known_of_an_account_goes_with_it(cluster: Cluster) -> None:
    until_tomorrow = datetime.now(UTC) + timedelta(days=1)
    first = await cluster.node("one", "a", "b")
    await until(lambda: first.ready() == ["a", "b"])
    await answer(first.pool, "1 word")
    (used,) = [act.account for act in cluster.recorder.did("send")]
    first.pool._supervisor.take_out(first.pool._supervisor.named("a"), Muted("Too much.", until=until_tomorrow))
    await first.pool.pause("b")
    second = await cluster.node("two")
    await second.cluster.directory.drain("one", is_draining=True)
    await until(lambda: second.held() == ["a", "b"] and len(second.pool.accounts()) == 2)
    await until(lambda: all(one.state is not WorkerState.STARTING for one in second.pool.accounts()))
    found = {account.name: account for account in second.pool.accounts()}
    assert (found["a"].state, found["a"].until, found["b"].is_paused) == (WorkerState.MUTED, until_tomorrow, True)
    assert found[used].sends_day == 1
    assert [act for act in cluster.recorder.did("open", "a") if act.node == "two"] == [], (
        "a muted account is left alone"
    )


async def test_a_login_that_is_made_on_one_node_reaches_the_node_that_has_the_account(cluster: Cluster) -> None:
    first, second = await cluster.node("one", "a"), await cluster.node("two")
    await until(lambda: first.ready() + second.ready() == ["a"])
    owner, other = (first, second) if first.ready() else (second, first)
    newer = profile_of("a", saved=datetime.now(UTC) + timedelta(seconds=5), locale="de")
    await asyncio.to_thread(other.store.save, newer)
    await until(lambda: owner.store.load("a").locale == "de")


async def test_an_account_that_is_removed_on_its_node_comes_back_on_none(cluster: Cluster) -> None:
    first, second = await cluster.node("one", "a", "b"), await cluster.node("two", "a")
    await until(lambda: sorted(first.ready() + second.ready()) == ["a", "b"])
    owner = first if "a" in first.ready() else second
    await owner.pool.remove("a")
    await until(lambda: not first.store.exists("a") and not second.store.exists("a"))
    await until(lambda: sorted(first.ready() + second.ready()) == ["b"])


async def test_an_account_is_not_removed_as_long_as_redis_cannot_be_told(cluster: Cluster) -> None:
    first = await cluster.node("one", "a")
    await until(lambda: first.ready() == ["a"])
    cluster.redis.signal(signal.SIGSTOP)
    with pytest.raises(ClusterUnavailable, match=r"The account a (was not removed|has just moved)"):
        await first.pool.remove("a")
    cluster.redis.signal(signal.SIGCONT)
    await until(lambda: first.ready() == ["a"])
    await first.pool.remove("a")
    assert (first.store.exists("a"), await first.cluster.sync._shared.names()) == (False, set())


async def test_an_account_that_no_node_can_open_is_removed_from_any(cluster: Cluster) -> None:
    one, two = await cluster.node("one", "a", "b", unfit=["a"]), await cluster.node("two", unfit=["a"])
    await until(lambda: "a" in one.cluster.view.free and "a" in two.cluster.view.free)

    async def is_removed() -> bool:
        try:
            await two.everywhere.remove("a")
        except (AccountConflict, LeaseLost):  # a node tries it just now
            return False
        return True

    await until(is_removed)
    await until(lambda: not one.store.exists("a") and not two.store.exists("a"))
    assert await one.cluster.sync._shared.names() == {"b"}
    two.accounts.unfit = ()
    await asyncio.to_thread(two.store.save, profile_of("a"))
    await two.everywhere.add("a")  # somebody has logged in anew
    assert two.cluster._accounts is not None
    assert "a" in two.cluster._accounts.stamps()
    with pytest.raises(UnknownAccount):
        await two.everywhere.remove("nobody")


async def test_an_account_whose_profile_is_deleted_on_its_node_goes_on_with_the_login_that_the_cluster_has(
    cluster: Cluster,
) -> None:
    node = await cluster.node("one", "a", "b")
    await until(lambda: node.ready() == ["a", "b"])
    before = fence_of(node, "a")
    await asyncio.to_thread(node.store.remove, "a")  # as `bridge profiles remove` does
    await until(lambda: node.ready() == ["a", "b"] and fence_of(node, "a") > before)
    assert node.store.exists("a")


async def test_without_redis_accounts_are_closed_in_time_and_opened_again_when_it_is_back(
    cluster: Cluster,
) -> None:
    first = await cluster.node("one", "a", pace=0.05)
    await until(lambda: first.ready() == ["a"])
    answering = asyncio.get_running_loop().create_task(answer(first.pool, "1000 words"))
    await until(lambda: cluster.recorder.did("send"))
    cluster.redis.signal(signal.SIGSTOP)
    with pytest.raises(LeaseLost) as lost:
        await answering
    assert lost.value.sent
    assert cluster.recorder.did("stop") == [], "it may be another node's already"
    await until(lambda: first.ready() == [])
    cluster.redis.signal(signal.SIGCONT)
    await until(lambda: first.ready() == ["a"])


async def test_an_account_that_was_given_back_stays_open_when_it_is_added_here_again(cluster: Cluster) -> None:
    node = await cluster.node("one", "a")
    await until(lambda: node.ready() == ["a"])
    await node.cluster._tasks.close()  # no step takes it of itself
    node.cluster._running_moves().give_back("a")
    await until(lambda: node.held() == [])
    await node.pool.add("a")
    assert node.ready() == ["a"]
    assert node.cluster._accounts is not None
    assert "a" in node.cluster._accounts.stamps(), "else it is closed at the next look"


async def test_an_account_that_could_not_be_given_back_is_opened_again_where_it_belongs(cluster: Cluster) -> None:
    node = await cluster.node("one", "a")
    await until(lambda: node.ready() == ["a"])
    data = node.cluster.link.of_account("a", "data")
    async with cluster.redis.link() as link:
        kept = await link._client.dump(data)
        await link._client.set(data, "nothing can be left here")
        moves = node.cluster._running_moves()
        moves.give_back("a")
        await moves.next_end()
        assert node.pool.own() == []
        assert node.held() == ["a"]
        await link._client.restore(data, 0, kept, replace=True)
    await until(lambda: node.ready() == ["a"])


async def test_a_node_takes_no_more_accounts_than_it_can_hold(cluster: Cluster) -> None:
    first, second = await cluster.node("one", *NAMES, most=3), await cluster.node("two", most=3)
    await until(lambda: len(first.ready()) + len(second.ready()) == 6)
    assert (len(first.held()), len(second.held())) == (3, 3)


async def test_accounts_that_one_node_cannot_open_stay_on_another_one(cluster: Cluster) -> None:
    one, two = await cluster.node("one", *NAMES, unfit=NAMES), await cluster.node("two")
    opened = -1
    while len(acts := cluster.recorder.did("open")) != opened:  # each may be tried once on the node that cannot open it
        opened, end = len(acts), two.cluster._steps + 2 * SETTLED * STEPS

        def is_over(end: float = end) -> bool:
            return two.cluster._steps >= end

        await until(is_over)
    assert opened <= 2 * len(NAMES)
    assert (one.held(), two.ready()) == ([], NAMES)


async def test_an_account_of_a_node_that_speaks_another_protocol_is_left_to_it_until_it_gives_it_back(
    cluster: Cluster,
) -> None:
    async with cluster.redis.link(prefix="bridge") as link:
        store, directory = RedisLeases(link, LONG), NodeDirectory(link, int(LONG * 1000))
        await store.renew("a", "newer.1", fence := 1)
        newer = NodeInfo("newer", "1", "http://127.0.0.1:9", 1, accounts=[{"name": "a"}], protocol=PROTOCOL + 1)
        await directory.announce(newer)
        one = await cluster.node("one", "a", "b")
        await until(lambda: one.ready() == ["b"])
        assert one.everywhere.others() == []
        assert await answer(one.everywhere, "1 word") == "b0 "
        assert await store.release("a", "newer.1", fence)
        await until(lambda: one.ready() == ["a", "b"])


async def test_a_node_with_another_profile_key_is_refused(cluster: Cluster) -> None:
    await cluster.node("one", "a")
    settings = cluster.settings("two")
    with pytest.raises(SetupError, match="profile key"):
        async with node_of(settings, Identity.generate(), cluster.recorder.port):
            pass


@pytest.mark.parametrize("key", [None, "too short"])
async def test_a_node_without_a_common_key_that_is_a_secret_is_refused(cluster: Cluster, key: str | None) -> None:
    settings = settings_of(cluster.folder, cluster.redis.url, "one", LEASE, key=key)
    with pytest.raises(SetupError, match=r"cluster\.key must have at least 16"):
        async with node_of(settings, IDENTITY, cluster.recorder.port):
            pass


async def test_a_key_that_is_added_limited_or_revoked_on_one_node_counts_on_all(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    stores = [KeyStore(node.settings.config) for node in (one, two)]

    def named(number: int) -> list[tuple[str, int | None]]:
        return [(key.name, key.limits.requests_per_day) for key in stores[number].all() if key.created is not None]

    key, _ = await asyncio.to_thread(stores[0].add, "ci", "chat")
    await until(lambda: named(1) == [("ci", None)])
    await asyncio.to_thread(stores[1].change, key.id, {"requests_per_day": 5})
    await until(lambda: named(0) == [("ci", 5)])
    await asyncio.to_thread(stores[0].add, "more", "chat")
    await until(lambda: len(named(1)) == 2)
    await asyncio.to_thread(stores[1].revoke, key.id)
    await until(lambda: named(0) == [("more", None)])
    late = await cluster.node("late")
    await until(lambda: [key.name for key in KeyStore(late.settings.config).all()] == ["more"])


async def test_keys_that_several_nodes_change_at_once_or_while_one_is_away_are_merged(cluster: Cluster) -> None:
    stores = [KeyStore(cluster.settings(name).config) for name in ("one", "two")]

    def names() -> list[list[str]]:
        return [sorted(key.name for key in store.all() if key.created is not None) for store in stores]

    await cluster.node("one")
    key, _ = await asyncio.to_thread(stores[0].add, "ci", "chat")
    async with node_of(cluster.settings("two"), IDENTITY, cluster.recorder.port):
        await until(lambda: names() == [["ci"], ["ci"]])
        await cluster.redis.kill()
        await asyncio.gather(*(asyncio.to_thread(store.add, f"of {n}", "chat") for n, store in enumerate(stores)))
        await cluster.redis.start()
        await until(lambda: names() == [["ci", "of 0", "of 1"]] * 2)
    await asyncio.to_thread(stores[1].add, "while it was away", "chat")
    await asyncio.to_thread(stores[0].revoke, key.id)
    await until(stores[0].is_shared)
    await cluster.node("two")
    await until(lambda: names() == [["of 0", "of 1", "while it was away"]] * 2)


async def test_a_redis_that_has_lost_the_keys_gets_them_again(cluster: Cluster) -> None:
    one = await cluster.node("one")
    await asyncio.to_thread(KeyStore(one.settings.config).add, "ci", "chat")
    async with cluster.redis.link() as link:

        async def is_there() -> bool:
            return b"ci" in ((await link.fields("bridge:keys", "document"))["document"] or b"")

        await until(is_there)
        await link._client.flushall()
        await until(is_there)


async def test_keys_that_are_not_signed_are_not_taken(cluster: Cluster) -> None:
    one = await cluster.node("one")
    store = KeyStore(one.settings.config)
    await asyncio.to_thread(store.add, "ci", "chat")
    async with cluster.redis.link() as link:

        async def is_there() -> bool:
            return b"ci" in ((await one.cluster.link.fields("bridge:keys", "document"))["document"] or b"")

        await until(is_there)
        forged = {"version": "9" * 14, "document": '{"keys": []}', "signature": "0" * 64}
        await link._client.hset("bridge:keys", mapping=forged)
        await until(is_there)  # what is forged is replaced
    assert [key.name for key in store.all()] == ["ci"]


async def test_a_node_waits_a_moment_for_a_redis_that_is_started_beside_it(cluster: Cluster) -> None:
    await cluster.redis.kill()
    joining = asyncio.get_running_loop().create_task(cluster.node("one", "a"))
    await cluster.redis.start()
    node = await joining
    await until(lambda: node.ready() == ["a"])


async def test_without_redis_a_node_does_not_start(cluster: Cluster) -> None:
    await cluster.redis.kill()
    async with cluster.redis.link() as link:
        with pytest.raises(SetupError, match=r"cluster\.url: Redis cannot be used"):
            await check_profile_key(link, IDENTITY, limit=0)


ALONE = """
import asyncio, sys, pathlib
sys.modules["redis"] = None
from bridge.app import running
from bridge.client import Client
from bridge.settings import ServerSettings, Settings

async def run(folder):
    settings = Settings(profiles=folder / "profiles", config=folder, server=ServerSettings(port=0))
    async with running(settings) as bridge:
        assert await Client(bridge.url, "").is_bridge()
    print([name for name in sys.modules if name.startswith(("redis.", "bridge.cluster."))])

asyncio.run(run(pathlib.Path(sys.argv[1])))
"""


async def test_a_bridge_alone_runs_without_the_library_of_redis_and_loads_nothing_of_the_cluster(
    tmp_path: Path,
) -> None:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ALONE, str(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asked.communicate()
    assert (asked.returncode, out.strip()) == (0, b"[]"), err
