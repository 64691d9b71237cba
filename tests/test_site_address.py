"""Which addresses of a site a login may be made at: the same ones, whichever way the login comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.errors import RequestError, SetupError
from bridge.liveview.view_registry import ViewRegistry
from bridge.login.interactive_login import EMPTY, profile_for
from bridge.login.login_import import LoginImporter
from bridge.pool.pool import Pool
from bridge.settings import Settings
from bridge.settings_sources import load_settings
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry

SITE = "https://chat.example.com"
BAD = [
    ("http://hunter2@chat.example.com/", "neither a user nor a password"),
    ("https://me:hunter2@chat.example.com", "neither a user nor a password"),
    ("https://@chat.example.com", "neither a user nor a password"),
    ("https://chat.example.com/?token=hunter2", "neither a query nor a fragment"),
    ("https://chat.example.com?", "neither a query nor a fragment"),
    ("https://chat.example.com/#hunter2", "neither a query nor a fragment"),
    ("https://chat.example.com\\@hunter2.example", "is written as https://"),
    ("https://chat.example.com/\nhunter2", "is written as https://"),
    ("https://chat.example.com:hunter2", "is written as https://"),
    *((text, "is written as https://") for text in ("hunter2", "ftp://hunter2", "javascript:hunter2", " ", "https://")),
]


@pytest.fixture
def store(tmp_path: Path) -> ProfileStore:
    return ProfileStore(tmp_path, Identity.generate())


@pytest.mark.parametrize(("url", "says"), BAD)
async def test_an_address_that_is_more_than_the_sites_is_refused_whichever_way_the_login_comes(
    store: ProfileStore, url: str, says: str
) -> None:
    settings = Settings(config=store.folder, profiles=store.folder)
    chromium = Chromium(settings.pages, Telemetry())
    imports = LoginImporter(chromium, settings.pages, store)
    async with Pool([], settings, Telemetry()) as pool:
        views = ViewRegistry(pool, chromium, settings.pages, store, pool.add)
        ways: list[Callable[[], Awaitable[object]]] = [
            lambda: imports.token("a", "deepseek", url, "t" * 64),
            lambda: imports.storage_state("a", "deepseek", url, EMPTY),
            lambda: views.log_in("a", "deepseek", url),
        ]
        for way in ways:
            with pytest.raises(RequestError, match=f"^url: .*{says}") as refused:
                await way()
            assert refused.value.param == "url"
            assert "hunter2" not in refused.value.message
        assert views.logins() == []
        await views.close()
    with pytest.raises(RequestError, match=f"^url: .*{says}"):
        profile_for(store, "a", "deepseek", url)
    sealed = store.identity.seal(
        Profile(name="a", site="deepseek", url=url, storage_state=EMPTY).model_dump_json().encode()
    )
    with pytest.raises(RequestError, match=says) as refused:
        await imports.profile("a", sealed)
    assert refused.value.param == "profile"
    assert store.names() == []


@pytest.mark.parametrize(("url", "says"), BAD)
def test_the_address_of_the_site_that_tokens_are_for_is_checked_like_any_other(url: str, says: str) -> None:
    with pytest.raises(SetupError, match=says) as refused:
        load_settings(tokens={"url": url})
    assert "tokens.url" in refused.value.message
    assert "hunter2" not in refused.value.message
    assert load_settings(tokens={"url": f"{SITE}/"}).tokens.url == SITE


async def test_a_login_does_not_replace_a_link_that_leads_to_no_file(store: ProfileStore) -> None:
    store.path("a").symlink_to("not-mounted/a.age")
    settings = Settings(config=store.folder, profiles=store.folder)
    imports = LoginImporter(Chromium(settings.pages, Telemetry()), settings.pages, store)
    other = Profile(name="a", site="deepseek", url=SITE, storage_state=EMPTY).model_dump_json().encode()
    with pytest.raises(SetupError, match="is a link that leads to no file"):
        profile_for(store, "a", "deepseek", SITE)
    with pytest.raises(RequestError, match="is a link that leads to no file"):
        await imports.profile("a", store.identity.seal(other))
    assert store.path("a").is_symlink()


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (SITE, SITE),
        (f"{SITE}/", SITE),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        (f"{SITE}/app", f"{SITE}/app"),
    ],
)
def test_the_address_of_a_site_is_kept_as_it_was_given_but_for_a_last_slash(
    store: ProfileStore, url: str, kept: str
) -> None:
    assert profile_for(store, "a", "deepseek", url).url == kept
