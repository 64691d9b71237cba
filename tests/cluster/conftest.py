"""A Redis, a recorder of what is done on the site, and nodes on both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.cluster_nodes import Cluster
from tests.support.redis_server import redis_server


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[Cluster]:
    """Run a Redis for nodes, and see afterwards that no account had two drivers, and no prompt was sent twice."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(tmp_path))
        found = Cluster(redis, tmp_path, stack)
        yield found
        await stack.aclose()
        faults = found.recorder.faults()
        found.recorder.close()
        assert faults == []
