"""One bridge on the stand-in of a site, for all points of the contract that are tried on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bridge.browser.browser import Chromium
from tests.sites.standin_runs import StandInRun, standin_run


@pytest.fixture(scope="module")
async def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, chromium: Chromium
) -> AsyncGenerator[StandInRun]:
    """One bridge for all points of a site."""
    async with standin_run(request.param, tmp_path_factory.mktemp(request.param), chromium) as run:
        yield run


@pytest.fixture(autouse=True)
async def _strict(request: pytest.FixtureRequest) -> AsyncGenerator[None]:
    """Fail a test in which the site got what no page of it would send, or a guest's prompt."""
    yield
    if "run" in request.fixturenames:
        run: StandInRun = request.getfixturevalue("run")
        assert run.site.strange == []
        assert run.site.guest.turns == []
