"""One server for the tests of each module, as if it had just begun for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_backend import HELLO, Served, serving


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


@pytest.fixture
def served(shared: Served) -> Served:
    backend = shared.backend
    backend.script, backend.limit = HELLO, None
    backend.requests.clear()
    backend.waiting.clear()
    backend.closed.clear()
    return shared
