"""Each page of another maker as a fixture: started once, for all tests of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bridge.browser.browser import Chromium
from tests.real_pages.bridged_page import BridgedPage, capture, served, settings_of
from tests.real_pages.model_behind import ModelBehind, model_behind
from tests.real_pages.running_pages import PAGES, RealPage, page_parameters


@pytest.fixture(scope="session")
async def model() -> AsyncGenerator[ModelBehind]:
    """The model that stands behind all pages."""
    async with model_behind() as model:
        yield model


@pytest.fixture(scope="session", params=page_parameters())
async def real_page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: ModelBehind
) -> AsyncGenerator[RealPage]:
    """A page that runs, with its address and the account that may sign in."""
    folder = tmp_path_factory.mktemp(request.param)
    async with PAGES[request.param].start(folder, model.url) as page:
        yield page


@pytest.fixture(scope="session")
async def bridged_page(
    real_page: RealPage, model: ModelBehind, chromium: Chromium, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[BridgedPage]:
    """A bridge with one account on the page, which was signed in by the page's form."""
    settings = settings_of(tmp_path_factory.mktemp("bridge"), real_page)
    await capture(chromium, settings, real_page, real_page.credentials)
    async with served(settings, real_page, model, chromium) as run:
        yield run


@pytest.fixture
async def run(bridged_page: BridgedPage) -> BridgedPage:
    """The same, once its account takes a chat; the model has forgotten what it was asked before."""
    return await bridged_page.made_ready()
