"""One server for all tests of a module that need no settings of their own and change nothing of what it remembers."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.fake_backend import Served, serving


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Served]:
    """The server of the module."""
    async with serving() as running:
        yield running


@pytest.fixture
def served(shared: Served) -> Served:
    """The server of the module, with a backend that has not been asked anything yet."""
    shared.backend.begin_anew()
    return shared


@pytest.fixture
async def alone() -> AsyncIterator[Served]:
    """A server of the test's own: what others did to it, or this test does, would change an answer."""
    async with serving() as running:
        yield running


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Counter[str]]:
    """How often each status was answered; printed at the end of a module of fuzz tests."""
    found: Counter[str] = Counter()
    yield found
    print(f"\n{found.total()} requests: {dict(found.most_common())}")
