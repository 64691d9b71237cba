"""Who may read `/metrics`, in which form it comes, and what `/pressure` answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
import pytest

from bridge.chat.types import Account
from bridge.settings import MetricsSettings
from bridge.telemetry import ChatEnded, ChatQueued, WorkerState
from tests.support.fake_backend import ADMIN_KEY, KEY, METRICS_KEY, Served, serving
from tests.support.operator import signed_in
from tests.support.waiting import LIMIT

FREE = Account("alice", WorkerState.READY, "", None, is_busy=False)
WHO = {
    "nobody": {},
    "chat": {"x-api-key": KEY},
    "metrics": {"x-api-key": METRICS_KEY},
    "admin": {"x-api-key": ADMIN_KEY},
}


async def get(
    served: Served, path: str, headers: Mapping[str, str] | None = None, **more: str
) -> aiohttp.ClientResponse:
    timeout = aiohttp.ClientTimeout(total=LIMIT)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{served.port}", timeout=timeout) as http:
        response = await http.get(path, headers={**(headers or {}), **more})
        await response.read()
        return response


@pytest.mark.parametrize(
    ("access", "statuses"),
    [
        ("key", {"nobody": 401, "chat": 403, "metrics": 200, "admin": 200}),
        ("loopback", {"nobody": 200, "chat": 200, "metrics": 200, "admin": 200}),
        ("anybody", {"nobody": 200, "chat": 200, "metrics": 200, "admin": 200}),
    ],
)
async def test_the_setting_says_who_may_read_the_metrics(access: str, statuses: Mapping[str, int]) -> None:
    async with serving(metrics=MetricsSettings.model_validate({"access": access})) as served:
        assert {who: (await get(served, "/metrics", key)).status for who, key in WHO.items()} == statuses


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
async def test_what_a_proxy_on_this_machine_passes_on_is_not_from_this_machine(name: str) -> None:
    async with serving(metrics=MetricsSettings(access="loopback")) as served:
        assert (await get(served, "/metrics", {name: "for=203.0.113.7"})).status == 401


async def test_whoever_is_signed_in_may_read_the_metrics() -> None:
    async with serving() as served, signed_in(served) as operator, operator.http.get("/metrics") as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/admin/api/state"])
async def test_a_key_for_metrics_opens_nothing_else(path: str) -> None:
    async with serving() as served:
        response = await get(served, path, WHO["metrics"])
        assert response.status == 403
        assert "may only read metrics" in await response.text()


async def test_where_nothing_asks_for_a_key_the_metrics_do_not_either() -> None:
    async with serving(locked=False) as served:
        assert (await get(served, "/metrics")).status == 200


async def test_a_key_for_metrics_is_told_no_more_of_the_accounts_than_anybody() -> None:
    async with serving() as served:
        served.backend.known = [FREE]
        told = {who: await (await get(served, "/readyz", key)).json() for who, key in WHO.items()}
    assert {who for who, body in told.items() if "accounts" in body} == {"chat", "admin"}


async def test_without_metrics_there_is_no_such_path() -> None:
    async with serving(metrics=MetricsSettings(enabled=False)) as served:
        assert (await get(served, "/metrics", WHO["admin"])).status == 404


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("*/*", "text/plain", ""),
        ("text/plain;version=0.0.4", "text/plain", ""),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text", "# EOF"),
        ("application/openmetrics-text;version=abc", "text/plain", ""),
        ("text/plain;version=1.0.0;escaping=x;;=,", "text/plain", ""),
    ],
)
async def test_the_format_is_the_one_that_is_asked_for(accept: str, content_type: str, end: str) -> None:
    async with serving() as served:
        response = await get(served, "/metrics", WHO["metrics"], accept=accept)
        text = await response.text()
        assert response.content_type == content_type
        assert response.headers["cache-control"] == "no-store"
        assert text.rstrip().endswith(end)
        assert "_created" not in text


async def test_requests_and_chats_show_in_the_metrics() -> None:
    async with serving() as served:
        await served.post()
        served.telemetry.emit(ChatEnded("c", "m", "alice", "stop", variant="deepseek", dialect="openai"))
        text = await (await get(served, "/metrics", WHO["metrics"])).text()
        assert 'bridge_chats_total{dialect="openai",model="deepseek",result="stop"} 1.0' in text
        assert 'bridge_http_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1.0' in text


async def test_the_pressure_needs_no_key_and_names_no_account() -> None:
    async with serving() as served:
        served.backend.known = [FREE, Account("bob", WorkerState.READY, "", None, is_busy=True)]
        served.telemetry.emit(ChatQueued("c", "m", 1))
        response = await get(served, "/pressure")
        body = await response.json()
        assert (response.status, response.headers["cache-control"]) == (200, "no-store")
        assert (body["accepting"], body["reason"], body["shares"]["chats"]) == (True, None, 1.0)
        assert (body["accounts"], body["waiting"], body["running"]) == ({"total": 2, "usable": 2, "free": 1}, 1, 0)
        assert body["oldest_wait"] >= 0
        assert "alice" not in await response.text()


async def test_the_pressure_says_by_its_status_that_no_chat_is_taken() -> None:
    async with serving() as served:
        served.backend.reason = "The bridge is stopping."
        response = await get(served, "/pressure")
        assert (response.status, response.headers["retry-after"]) == (503, "5")
        assert (await response.json())["pressure"] == 1.0


async def test_many_scrapes_at_a_time_are_all_answered() -> None:
    async with serving() as served:
        found = await asyncio.gather(*(get(served, "/metrics", WHO["admin"]) for _ in range(20)))
        assert [one.status for one in found] == [200] * 20
