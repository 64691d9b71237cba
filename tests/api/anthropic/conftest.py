"""The server that the tests of this folder share by module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_backend import Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running
