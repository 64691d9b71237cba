"""How much later a chunk of an answer comes by way of another node: the direct way and the relay, in one run.

`python -m tests.cluster_delay` starts two nodes without a browser, and prints the delay from a chunk's making on the
account's node to its arrival at the client.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from tests.support.browsers import free_port
from tests.support.cluster_nodes import IDENTITY, Recorder
from tests.support.cluster_process import NodeProcess
from tests.support.redis_server import redis_server
from tests.support.waiting import until

CHUNKS, ROUNDS, PACE = 500, 4, 0.01


async def delays(node: NodeProcess, session: aiohttp.ClientSession, prompt: str) -> list[float]:
    """Return the milliseconds that each chunk of an answer took."""
    body = {"model": "deepseek-chat", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    found = []
    async with session.post(f"{node.url}/v1/chat/completions", json=body) as response:
        async for line in response.content:
            now = time.time()
            if line.startswith(b"data: {"):
                texts = [choice["delta"].get("content") for choice in json.loads(line[6:]).get("choices", ())]
                found += [(now - float(text)) * 1000 for text in texts if text]
    assert len(found) == CHUNKS, found
    return found


async def main() -> None:
    """Measure, and print."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        redis, recorder = await stack.enter_async_context(redis_server(folder)), Recorder()
        stack.callback(recorder.close)
        said = {"folder": str(folder), "redis": redis.url, "lease": 4.0, "identity": IDENTITY.export(), "pace": PACE}
        nodes = []
        for name, most in (("owner", 1), ("gateway", 0)):
            node = NodeProcess(free_port(), name=name, recorder=recorder.port, most=most, **said)
            nodes.append(node)
            await node.start(["a"] if most else [])
            stack.push_async_callback(node.kill)
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def answers() -> bool:
            return (await nodes[1].ask(session, f"1 word {time.time()}")).is_whole

        await until(answers)
        found: dict[str, list[float]] = {"owner": [], "gateway": []}
        for number in range(ROUNDS):
            for node in nodes:
                found[node.name] += await delays(node, session, f"{CHUNKS} stamps {number} {node.name}")
        rows = {name: statistics.quantiles(times, n=100) for name, times in found.items()}
        for name, cuts in rows.items():
            print(f"{name:8} p50 {cuts[49]:.2f} ms  p95 {cuts[94]:.2f} ms  p99 {cuts[98]:.2f} ms")
        added = [rows["gateway"][cut] - rows["owner"][cut] for cut in (49, 94, 98)]
        print("added    p50 {:.2f} ms  p95 {:.2f} ms  p99 {:.2f} ms".format(*added))


if __name__ == "__main__":
    asyncio.run(main())
