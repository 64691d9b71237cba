"""Logins that were made elsewhere are taken in only whole, only of the site, and only if the site takes them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.errors import RequestError
from bridge.login.login_import import MOST_BYTES, LoginImporter
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import WorkerState
from tests.support.live import QUICK_SITE, settings_for, signed_in_profile
from tests.support.small_site import bridged, changed, small_site

GUESTS = changed(("[login]", "[login]\nguest = true"))


@pytest.fixture
async def site() -> AsyncGenerator[DemoSite]:
    async with DemoSite(QUICK_SITE) as running:
        yield running


def imports_in(folder: Path, chromium: Chromium) -> tuple[LoginImporter, ProfileStore]:
    settings = settings_for(folder)
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    return LoginImporter(chromium, settings.pages, store), store


def foreign(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state with what other sites have put beside it."""
    cookie = {"name": "sid", "value": "theirs", "domain": ".other.example", "path": "/", "unheard": 1}
    item = {"origin": "https://other.example", "localStorage": [{"name": "key", "value": "theirs"}]}
    return {"cookies": [*state["cookies"], cookie], "origins": [*state["origins"], item]}


async def test_what_other_sites_have_put_beside_a_login_is_not_stored(
    tmp_path: Path, chromium: Chromium, site: DemoSite
) -> None:
    imports, store = imports_in(tmp_path, chromium)
    state = site.account("alice").storage_state()
    assert "state" in await imports.storage_state("state", "deepseek", site.url, json.dumps(foreign(state)).encode())
    stored = store.load("state").model_dump_json()
    assert [text in stored for text in (site.account("alice").token, "theirs", "other.example")] == [True, False, False]


async def test_a_login_that_the_site_does_not_take_is_not_stored(
    tmp_path: Path, chromium: Chromium, site: DemoSite
) -> None:
    imports, store = imports_in(tmp_path, chromium)
    with pytest.raises(RequestError, match="does not accept this login") as refused:
        await imports.token("a", "deepseek", site.url, "invented-token-0123456789")
    assert (refused.value.param, "invented" in refused.value.message) == ("token", False)
    state = {"cookies": [{"name": "x", "value": "y", "domain": "127.0.0.1", "path": "/"}], "origins": []}
    with pytest.raises(RequestError, match="does not accept this login"):
        await imports.storage_state("a", "deepseek", site.url, state)
    bad = {"cookies": [{"name": "x", "value": "y", "domain": "127.0.0.1", "path": "no path"}], "origins": []}
    with pytest.raises(RequestError, match="nothing was stored"):
        await imports.storage_state("a", "deepseek", site.url, bad)
    assert store.names() == []


HERE: dict[str, Any] = {"name": "n", "value": "secret-1", "domain": "chat.deepseek.com"}


@pytest.mark.parametrize(
    ("state", "place"),
    [
        (b"no json", "storage_state"),
        (b"[" * 100_000, "storage_state"),
        (b"[]", "storage_state"),
        (b"{" + b" " * MOST_BYTES + b"}", "storage_state"),
        ({"cookies": "secret-1"}, "storage_state.cookies"),
        ({"cookies": [{**HERE, "domain": ""}]}, "storage_state.cookies.0.domain"),
        ({"cookies": [{**HERE, "value": "secret-1" * 10_000}]}, "storage_state.cookies.0.value"),
        ({"cookies": [HERE] * 5001}, "storage_state.cookies"),
        ({"origins": [{"origin": "https://chat.deepseek.com", "localStorage": ["secret-1"]}]}, "localStorage.0"),
        ({"cookies": [{**HERE, "domain": "deepseek.com.example"}]}, "storage_state"),
        ({}, "storage_state"),
    ],
)
async def test_a_bad_storage_state_is_refused_by_its_place_without_a_value(
    tmp_path: Path, chromium: Chromium, state: Any, place: str
) -> None:
    imports, store = imports_in(tmp_path, chromium)
    with pytest.raises(RequestError) as refused:
        await imports.storage_state("a", "deepseek", None, state)
    assert place in (refused.value.param or "")
    assert "secret-1" not in refused.value.message
    assert store.names() == []


async def test_an_empty_storage_state_is_a_visitors_where_visitors_may_chat(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as small, bridged(tmp_path, small, chromium, GUESTS) as run:
        store = ProfileStore(run.settings.profiles, load_identity(run.settings.key_source))
        imports = LoginImporter(chromium, run.settings.pages, store)
        small.user = None
        assert "stored" in await imports.storage_state("guest", "small", small.url, b'{"cookies": [], "origins": []}')
        await run.facts.state("guest", WorkerState.READY)
        with pytest.raises(RequestError, match="holds nothing of"):
            await imports.storage_state("other", "small", small.url, foreign({"cookies": [], "origins": []}))
        members_only = run.settings.folders.site_files / "small.toml"
        members_only.write_text(changed())
        with pytest.raises(RequestError, match="holds nothing of"):
            await imports.storage_state("other", "small", small.url, {})
        assert store.names() == ["guest", "me"]


@pytest.mark.parametrize("token", ["", " ", "two words", "x" * 5000, "a\x1bb"])
async def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path, chromium: Chromium, token: str) -> None:
    imports, _ = imports_in(tmp_path, chromium)
    with pytest.raises(RequestError, match="not a userToken") as refused:
        await imports.token("a", "deepseek", None, token)
    assert not token.strip() or token not in refused.value.message


@pytest.mark.parametrize(("name", "site"), [("../a", "deepseek"), ("a", "nowhere")])
async def test_a_bad_name_or_site_is_refused(tmp_path: Path, chromium: Chromium, name: str, site: str) -> None:
    imports, _ = imports_in(tmp_path, chromium)
    with pytest.raises(RequestError):
        await imports.token(name, site, None, "token")


async def test_a_moved_profile_opens_with_its_key_alone_and_not_after_a_byte_was_changed(
    tmp_path: Path, chromium: Chromium, site: DemoSite
) -> None:
    elsewhere = ProfileStore(tmp_path / "elsewhere", Identity.generate())
    elsewhere.save(signed_in_profile(site, "alice"))
    sealed, key = elsewhere.path("alice").read_bytes(), elsewhere.identity.export()
    imports, store = imports_in(tmp_path, chromium)
    changed = bytes([*sealed[:-9], sealed[-9] ^ 1, *sealed[-8:]])
    for given, with_key in ((sealed, None), (sealed, Identity.generate().export()), (changed, key), (b"", key)):
        with pytest.raises(RequestError, match="Cannot open the profile"):
            await imports.profile(None, given, with_key)
    with pytest.raises(RequestError, match="No usable age key") as refused:
        await imports.profile(None, sealed, "AGE-SECRET-KEY-1NONSENSE")
    assert "NONSENSE" not in refused.value.message
    assert store.names() == []

    assert "alice" in await imports.profile(None, sealed, key)
    assert store.load("alice").same_login(elsewhere.load("alice"))
    with pytest.raises(RequestError, match="already") as taken:
        await imports.profile(None, sealed, key)
    assert taken.value.param == "name"
    store.remove("alice")
    own = ProfileStore(tmp_path / "own", store.identity)
    own.save(signed_in_profile(site, "alice"))
    assert "alice" in await imports.profile(None, own.path("alice").read_bytes())
