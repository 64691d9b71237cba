"""What all tests share: one Chromium, and no `BRIDGE_*` variable of the developer's shell."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest

from bridge.browser import Chromium
from bridge.telemetry import Telemetry
from tests.live import settings_for


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("BRIDGE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Chromium]:
    """One Chromium for all tests that do not harm it."""
    browser = Chromium(settings_for(tmp_path_factory.mktemp("chromium")), Telemetry())
    yield browser
    await browser.close()
