"""One bridge for the tests of a file: with one account of a site that asks much at its sign-in, and has another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from tests.liveview.test_liveview_live import ASKING
from tests.support.live import Live, reset, served, with_accounts


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """The bridge, as the test before has left it."""
    async with DemoSite(ASKING) as site, served(tmp_path_factory.mktemp("shared"), site, chromium, ["alice"]) as run:
        yield run


@pytest.fixture
async def run(shared: Live) -> Live:
    """The bridge with its account ready, and no other one; `bob` is one that it does not know."""
    return await reset(await with_accounts(shared, "alice"))
