"""The login of an account that the site renews, where it is saved by another clock than this machine's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from bridge.chat.ownership import ALONE
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry
from bridge.worker.stored_login import StoredLogin


def state(value: str) -> dict[str, Any]:
    cookie = {"name": "session", "value": value, "domain": "a.example", "path": "/", "expires": -1}
    return {"cookies": [{**cookie, "httpOnly": True, "secure": True, "sameSite": "Lax"}], "origins": []}


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
async def test_a_login_that_the_site_renews_is_kept_each_time_and_is_nobody_elses(tmp_path: Path, ahead: float) -> None:
    store = ProfileStore(tmp_path, Identity.generate())
    store.now = lambda: time.time() + ahead
    store.save(Profile(name="a", site="deepseek", url="https://a.example", storage_state=state("0")))
    login = StoredLogin(store.load("a"), store, Telemetry())
    for value in "123":
        await login.keep(login.profile.with_state(state(value), {}), ALONE)
        assert store.load("a").storage_state["cookies"][0]["value"] == value
        assert login._newer(store) is None, "else the account's page is opened anew"
    store.save(store.load("a").with_state(state("4"), {}))
    assert login._newer(store) is not None, "somebody has logged in anew"
