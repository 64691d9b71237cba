"""Each page of another maker as a fixture: started once, for all tests of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.real_pages.model_behind import ModelBehind, model_behind
from tests.real_pages.running_pages import PAGES, RealPage


@pytest.fixture(scope="session")
async def model() -> AsyncGenerator[ModelBehind]:
    """The model that stands behind all pages."""
    async with model_behind() as model:
        yield model


@pytest.fixture(scope="session", params=PAGES)
async def real_page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: ModelBehind
) -> AsyncGenerator[RealPage]:
    """A page that runs, with its address and the account that may sign in."""
    folder = tmp_path_factory.mktemp(request.param)
    async with PAGES[request.param](folder, model.url) as page:
        yield page
