"""What a chat in a real Chromium leaves in the metrics, and in the trace that its client began."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bridge.browser.browser import Chromium
from bridge.settings import TraceSettings
from bridge.storage.api_keys import KeyStore
from bridge.telemetry import ChatEnded
from tests.monitor.test_metrics import samples
from tests.support.live import Live, directive, live
from tests.support.trace_receiver import receiving
from tests.support.waiting import LIMIT

TRACE = "0af7651916cd43dd8448eb211c80319c"
STEPS = ["queue", "prepare", "send", "first_byte", "first_token", "answer", "settle"]


async def scraped(run: Live) -> dict[str, float]:
    key = await asyncio.to_thread(KeyStore(run.settings.config).admin_key)
    timeout = aiohttp.ClientTimeout(total=LIMIT)
    async with (
        aiohttp.ClientSession(run.bridge.url, timeout=timeout, headers={"x-api-key": key}) as http,
        http.get("/metrics") as response,
    ):
        return samples(await response.read())


async def test_a_chat_shows_in_the_metrics_and_as_one_tree_in_its_clients_trace(
    chromium: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(monkeypatch) as receiver:
        async with live(tmp_path, chromium=chromium, traces=TraceSettings(enabled=True)) as run:
            parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            await run.ask(directive(tokens=30, rate=50), extra_headers=parent)
            await run.facts.wait_for(lambda fact: isinstance(fact, ChatEnded))  # its client has the answer before
            found = await scraped(run)
        chat = receiver.named("chat deepseek-chat")
    assert found["bridge_chats_total{dialect=openai,model=deepseek-chat,result=stop}"] == 1
    assert found["bridge_input_tokens_total{model=deepseek-chat}"] > 0
    assert found["bridge_output_tokens_total{model=deepseek-chat}"] > 0
    for step in ("queue", "send", "first_byte"):
        assert found[f"bridge_chat_{step}_seconds_count"] == 1, step
    chunks = found["bridge_chunk_delay_seconds_count"]
    assert chunks > 5
    assert found["bridge_chunk_delay_seconds_sum"] < LIMIT
    assert found["bridge_chunk_interval_seconds_count"] == chunks - 1
    assert (found["bridge_accounts{state=ready}"], found["bridge_page_opens_total"]) == (1, 1)
    assert [span.name for span in receiver.spans if span is not chat] == STEPS
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
