"""The endpoint of a node whose workers drive no page, with the same stores as in a running bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from openai import AsyncOpenAI

from bridge.api.access.credentials import Credentials, load_credentials
from bridge.api.access.rate_limiter import RateLimiter
from bridge.api.admin.admin_context import OptionalParts
from bridge.api.routes import build_runner
from bridge.chat_records import recorded_history, recorded_usage
from bridge.monitor.monitor import Monitor
from bridge.storage.response_store import ResponseStore
from bridge.tasks import Tasks
from tests.support.cluster_nodes import IDENTITY, Cluster, Node
from tests.support.sdk import sdk
from tests.support.waiting import LIMIT, until


@dataclass(frozen=True)
class Endpoint:
    """A node that tests call over HTTP."""

    node: Node
    url: str
    access: Credentials
    limiter: RateLimiter
    http: aiohttp.ClientSession
    stack: AsyncExitStack

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Return the headers with this key, or with the operator's."""
        given = key or (self.node.settings.config / "admin_key").read_text().strip()
        return {"Authorization": f"Bearer {given}"}

    def openai(self, key: str) -> AsyncOpenAI:
        """Return a client with that key."""
        client = sdk(f"{self.url}/v1", key, timeout=LIMIT)
        self.stack.push_async_callback(client.close)
        return client

    async def ask(self, key: str, text: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Request a chat; return the status and the body."""
        body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": text}], **more}
        return await self.call("POST", "/v1/chat/completions", key, json=body)

    async def call(self, method: str, path: str, key: str | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
        """Send a request; return the status and the body."""
        async with self.http.request(method, f"{self.url}{path}", headers=self.headers(key), **more) as response:
            return response.status, await response.json()


@asynccontextmanager
async def endpoint_of(node: Node) -> AsyncGenerator[Endpoint]:
    """Serve a node."""
    settings = node.settings
    access = await asyncio.to_thread(load_credentials, settings.config, settings.server, settings.dashboard)
    async with AsyncExitStack() as stack:
        tasks = Tasks()
        tasks.keep(access.watch)
        stack.push_async_callback(tasks.close)
        usage, limiter = await stack.enter_async_context(
            recorded_usage(settings.config, settings.usage, access, node.everywhere)
        )
        node.telemetry.add(limiter)
        monitor = Monitor(settings)
        node.telemetry.add(monitor)
        sources = node.telemetry, node.everywhere.relayed.telemetry
        history = await stack.enter_async_context(
            recorded_history(settings.config, settings.dashboard, settings.browser, IDENTITY, monitor, *sources)
        )
        responses = ResponseStore(settings.config / "responses.sqlite", IDENTITY, settings.responses)
        stack.push_async_callback(responses.close)
        nodes = node.everywhere.nodes
        parts = OptionalParts(history=history, limiter=limiter, usage=usage, responses=responses, nodes=nodes)
        runner = build_runner(node.everywhere, settings, access, monitor, parts)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        timeout = aiohttp.ClientTimeout(total=LIMIT)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        yield Endpoint(node, f"http://127.0.0.1:{runner.addresses[0][1]}", access, limiter, http, stack)


async def two_endpoints(cluster: Cluster, stack: AsyncExitStack, *accounts: str) -> tuple[Endpoint, Endpoint]:
    """Serve a node with all the accounts, and one that has no account and may open none."""
    one = await cluster.node("one", *accounts)
    await until(lambda: one.ready() == sorted(accounts))
    two = await cluster.node("two", most=0)
    await until(lambda: two.everywhere.unready() is None and one.everywhere.others())
    return await stack.enter_async_context(endpoint_of(one)), await stack.enter_async_context(endpoint_of(two))


async def key_on(*endpoints: Endpoint, **limits: Any) -> tuple[str, str]:
    """Add a key on the first of the nodes; return its id and the key itself when all of them know it."""
    status, made = await endpoints[0].call("POST", "/admin/api/keys", json={"name": "one of all", **limits})
    assert status == 201, made
    await until(lambda: all(one.access.named(made["id"]) is not None for one in endpoints))
    return made["id"], made["key"]
