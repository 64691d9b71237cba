"""Facts become metrics in one place: each is counted where it belongs, and no label is anybody's text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from bridge.chat.cluster_control import NodeStatus
from bridge.chat.types import Account
from bridge.monitor import metric_table
from bridge.monitor.metrics import Metrics
from bridge.monitor.pressure import Pressure
from bridge.monitor.resource_usage import ResourceSample
from bridge.settings import MetricsSettings
from bridge.telemetry import (
    BrowserLost,
    BrowserReplaced,
    BrowserStarted,
    ChatEnded,
    ChatProgress,
    ChunkTime,
    DriftSeen,
    Fact,
    PageRenewed,
    PageShown,
    RequestAnswered,
    WorkerChanged,
    WorkerState,
)

MARKS = {
    "queued": 0.0,
    "started": 0.4,
    "opened": 0.6,
    "sent": 1.4,
    "first_byte": 3.4,
    "first_token": 4.0,
    "answered": 11.0,
    "end": 12.0,
}
ENDED = ChatEnded("c", "DeepSeek-R1-0528", "alice", "stop", "", MARKS, 10, 100, 30, "", "deepseek-think", "openai", 12)
PLAIN = MetricsSettings()
IDLE = Pressure((), 0, 0, 64, 0.0)


def account(name: str = "alice", state: WorkerState = WorkerState.READY, **more: object) -> Account:
    return replace(Account(name, state, "", None, is_busy=False), **more)  # type: ignore[arg-type]


class Nodes:
    """Two nodes, of which this one is drained, and an account that none of them has."""

    def nodes(self) -> Sequence[NodeStatus]:
        one = NodeStatus("one", "", "1", 0, 5, 0, 0, 0, "draining", is_own=True)
        return one, NodeStatus("two", "", "1", 1, 5, 1, 0, 0)

    def unplaced(self) -> Sequence[str]:
        return ("alice",)

    async def drain(self, node: str, *, is_draining: bool) -> NodeStatus:
        raise NotImplementedError


async def page(*facts: Fact, seen: Pressure = IDLE, settings: MetricsSettings = PLAIN) -> dict[str, float]:
    """Return each sample, by its name and its labels as they are written, after these facts."""
    metrics = await asyncio.to_thread(Metrics, settings)
    for fact in facts:
        metrics(fact)
    metrics.see(seen)
    return samples((await asyncio.to_thread(metrics.page))[0])


def samples(text: bytes) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for one in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
            found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
    return found


async def test_a_chat_is_counted_by_what_came_of_it_and_each_step_by_its_time() -> None:
    found = await page(ENDED, replace(ENDED, result="site_busy"))
    assert found["bridge_chats_total{dialect=openai,model=deepseek-think,result=stop}"] == 1
    assert found["bridge_chats_total{dialect=openai,model=deepseek-think,result=site_busy}"] == 1
    assert found["bridge_input_tokens_total{model=deepseek-think}"] == 24
    assert found["bridge_output_tokens_total{model=deepseek-think}"] == 60
    sums = {
        "bridge_chat_queue_seconds_sum": 0.8,
        "bridge_chat_send_seconds_sum": 2.0,
        "bridge_chat_first_byte_seconds_sum": 4.0,
        "bridge_chat_first_token_seconds_sum{model=deepseek-think}": 8.0,
        "bridge_chat_duration_seconds_sum{model=deepseek-think}": 24.0,
    }
    assert {name: round(found[name], 6) for name in sums} == sums
    assert found["bridge_chat_first_byte_seconds_bucket{le=1.0}"] == 0
    assert found["bridge_chat_first_byte_seconds_bucket{le=2.0}"] == 2


async def test_a_chat_that_waited_in_vain_counts_as_a_wait_and_one_that_was_sent_away_does_not() -> None:
    waited = replace(ENDED, account="", result="queue_timeout", marks={"queued": 0.0, "end": 120.0})
    refused = replace(waited, result="queue_full", marks={"queued": 0.0, "end": 0.01})
    found = await page(waited, refused)
    assert (found["bridge_chat_queue_seconds_count"], found["bridge_chat_queue_seconds_sum"]) == (1, 120)
    assert not [name for name in found if name.startswith("bridge_chat_duration_seconds")]


async def test_the_chunks_of_an_answer_are_counted_by_their_delay_and_their_distance() -> None:
    chunks = (ChunkTime(0.002, None), ChunkTime(0.02, 0.05), ChunkTime(0.2, 0.06))
    found = await page(ChatProgress("c", "writing", 3, {}, chunks))
    assert [found[f"bridge_chunk_delay_seconds_bucket{{le={le}}}"] for le in ("0.0025", "0.025", "0.25")] == [1, 2, 3]
    assert (found["bridge_chunk_interval_seconds_count"], round(found["bridge_chunk_interval_seconds_sum"], 3)) == (
        2,
        0.11,
    )


async def test_a_browser_that_runs_elsewhere_is_told_as_that() -> None:
    found = await page(BrowserStarted("156.0", "playwright+ws://10.0.0.9:3000", sandbox=None))
    assert found["bridge_browser_info{place=elsewhere,version=156.0}"] == 1


async def test_what_becomes_of_browser_pages_accounts_and_the_site_is_counted() -> None:
    found = await page(
        BrowserStarted("156.0", "/usr/bin/chromium", sandbox=True),
        BrowserLost("Chromium ended"),
        BrowserStarted("157.0", "/usr/bin/chromium", sandbox=True),
        BrowserReplaced("it is a day old"),
        PageShown("alice", is_open=True),
        PageShown("alice", is_open=False),
        PageRenewed("alice"),
        WorkerChanged("alice", WorkerState.CHALLENGED),
        WorkerChanged("alice", WorkerState.CLOSED),
        DriftSeen("deepseek", "p=response/secret", 3),
        RequestAnswered("GET", "/v1/models/{id}", 404, 0.1),
    )
    assert (found["bridge_browser_starts_total"], found["bridge_browser_losses_total"]) == (2, 1)
    assert found["bridge_browser_replacements_total"] == 1
    assert found["bridge_browser_info{place=here,version=157.0}"] == 1
    assert (found["bridge_page_opens_total"], found["bridge_page_renewals_total"]) == (1, 1)
    assert found["bridge_account_changes_total{state=challenged}"] == 1
    assert found["bridge_account_changes_total{state=logged_out}"] == 0
    assert found["bridge_drift_total{site=deepseek}"] == 3
    assert found["bridge_http_requests_total{method=GET,route=/v1/models/{id},status=404}"] == 1
    assert "secret" not in repr(found)


async def test_the_state_is_read_off_when_somebody_asks() -> None:
    accounts = [
        account(is_busy=True, sends_hour=3, sends_day=20, hour_limit=30),
        account("bob", sends_hour=1, sends_day=5, hour_limit=30),
        account("carol", WorkerState.LOGGED_OUT),
        account("dave", is_paused=True),
    ]
    browser = ResourceSample(512.0, 80.0, 33.5)
    found = await page(seen=Pressure(accounts, 1, 0, 64, 0.0, None, None, browser))
    assert [found[f"bridge_accounts{{state={state}}}"] for state in ("ready", "logged_out", "muted")] == [3, 1, 0]
    assert [found[f"bridge_accounts_{kind}"] for kind in ("busy", "free", "paused", "held")] == [1, 1, 1, 0]
    assert (found["bridge_sends{window=hour}"], found["bridge_sends{window=day}"]) == (4, 25)
    assert found["bridge_sends_limit{window=hour}"] == 60
    assert "bridge_sends_limit{window=day}" not in found
    assert (found["bridge_browser_memory_bytes"], found["bridge_browser_cpu_seconds_total"]) == (512 * 2**20, 33.5)
    assert (found["bridge_ready"], found["bridge_accepting"], found["bridge_pressure"]) == (1, 1, 0.5)
    assert "alice" not in repr(found)


async def test_accounts_have_their_names_where_the_operator_wants_that() -> None:
    found = await page(
        seen=replace(IDLE, accounts=[account(sends_hour=2), account("bob", WorkerState.MUTED)]),
        settings=MetricsSettings(accounts=True),
    )
    assert found["bridge_account_state{account=alice,state=ready}"] == 1
    assert found["bridge_account_state{account=bob,state=ready}"] == 0
    assert found["bridge_account_state{account=bob,state=muted}"] == 1
    assert found["bridge_account_sends{account=alice,window=hour}"] == 2


async def test_keys_have_their_names_where_the_operator_wants_that() -> None:
    chats = replace(ENDED, key="laptop"), replace(ENDED, key="laptop"), replace(ENDED, key="")
    found = await page(*chats, settings=MetricsSettings(keys=True))
    assert (found["bridge_key_chats_total{key=laptop}"], found["bridge_key_chats_total{key=}"]) == (2, 1)
    assert found["bridge_key_input_tokens_total{key=laptop}"] == 24
    assert found["bridge_key_output_tokens_total{key=laptop}"] == 60
    assert "laptop" not in repr(await page(*chats))


async def test_no_number_of_chats_and_clients_makes_more_series() -> None:
    def chats(names: Sequence[str]) -> list[Fact]:
        return [replace(ENDED, chat=name, model=name, trace_parent=name, reason=name) for name in names]

    few, many = await page(*chats(["a"])), await page(*chats([f"deepseek-r1-{number}" for number in range(200)]))
    assert few.keys() == many.keys()


async def test_a_node_names_itself_and_counts_its_own_accounts_alone() -> None:
    metrics = await asyncio.to_thread(Metrics, MetricsSettings(accounts=True))
    everywhere = replace(IDLE, accounts=(account("alice"), account("bob")))
    metrics.see(everywhere, replace(IDLE, accounts=(account("bob"),)), Nodes())
    found = samples((await asyncio.to_thread(metrics.page))[0])
    assert found["bridge_node_info{node=one}"] == 1
    assert [found[f"bridge_{name}"] for name in ("node_draining", "cluster_nodes", "cluster_accounts_unplaced")] == [
        1,
        2,
        1,
    ]
    assert (found["bridge_accounts{state=ready}"], found["bridge_accounts_free"]) == (1, 1)
    assert {name for name in found if "account=" in name} >= {"bridge_account_state{account=bob,state=ready}"}
    assert [name for name in found if "account=alice" in name] == []
    assert [name for name in await page() if "node" in name or "cluster" in name] == []


async def test_two_bridges_in_one_process_count_apart() -> None:
    first, second = await page(ENDED), await page()
    assert first["bridge_input_tokens_total{model=deepseek-think}"] == 12
    assert "bridge_input_tokens_total{model=deepseek-think}" not in second


async def test_every_metric_of_the_table_is_served_under_its_name_and_no_other_is() -> None:
    metrics = await asyncio.to_thread(Metrics, MetricsSettings(accounts=True, keys=True))
    metrics.see(replace(IDLE, browser=ResourceSample(1.0, 1.0)), None, Nodes())
    text = (await asyncio.to_thread(metrics.page))[0].decode()
    served = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE bridge_")}
    tabled = {spec.name: spec.kind for spec in (*metric_table.COUNTED, *metric_table.OBSERVED)}
    assert served == tabled
