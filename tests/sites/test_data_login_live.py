"""Sites that are data: who is signed in is told by the signs that the file names, however late or wrong the page is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.errors import LoginRequired, RateLimited, SiteBusy, SiteError
from bridge.telemetry import WorkerState
from tests.support.hostile import states
from tests.support.small_site import bridged, changed, small_site
from tests.support.stress import stress
from tests.support.waiting import until


@pytest.mark.parametrize("late", [800, *stress(0)])
async def test_an_account_is_signed_out_however_late_the_page_shows_it(
    tmp_path: Path, chromium: Chromium, late: int
) -> None:
    proof = (
        'signed_in = [{ call = "/api/user", when = { name = { exists = true } } }]',
        'settle = 2.0\nsigned_in = [{ storage = "token" }]',
    )
    async with small_site(late_sign_in=late, stale_token=True) as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, changed(proof), state=WorkerState.LOGGED_OUT):
            assert not site.bodies


async def test_a_page_that_offers_to_sign_in_until_it_knows_its_user_is_not_signed_out(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site(flash_sign_in=500) as site, bridged(tmp_path, site, chromium) as run:
        assert await run.ask("Hi") == "You said: Hi"
        async with run.page() as driver:
            for _ in range(3):
                await driver.page.reload(wait_until="commit")
                await driver.ready()
        assert WorkerState.LOGGED_OUT not in states(run.facts)


@pytest.mark.parametrize(("status", "error"), [(500, SiteBusy), (429, RateLimited)])
async def test_a_site_that_fails_to_tell_who_is_signed_in_signs_nobody_out(
    tmp_path: Path, chromium: Chromium, status: int, error: type[SiteError]
) -> None:
    signs = ("signed_out = [", 'signed_out = [{ call = "/api/user", when = { name = { exists = false } } }, ')
    async with small_site() as site, bridged(tmp_path, site, chromium, changed(signs)) as run, run.page() as driver:
        site.user_failure, driver.limit = status, 3
        await driver.page.reload(wait_until="commit")
        await driver.page.wait_for_selector("#sign-in")
        with pytest.raises(error) as raised:
            await driver.ready()
        assert type(raised.value) is error
        site.user_failure, site.user = None, None
        await driver.page.reload(wait_until="commit")
        with pytest.raises(LoginRequired):
            await driver.ready()


async def test_a_guest_is_signed_in_nowhere_though_the_page_has_the_whole_composer(
    tmp_path: Path, chromium: Chromium
) -> None:
    by_call = (
        'signed_out = [{ selector = "#sign-in" }]',
        'signed_out = [{ call = "/api/user", when = { guest = true } }]',
    )
    async with small_site() as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, changed(by_call), state=WorkerState.LOGGED_OUT):
            assert not site.bodies


async def test_guests_may_chat_where_the_file_says_so(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, changed(("[login]", "[login]\nguest = true"))) as run:
            assert await run.ask("Hi") == "You said: Hi"


async def test_the_form_and_a_token_sign_in_where_the_file_names_them(tmp_path: Path, chromium: Chromium) -> None:
    fields = 'user_field = ["#user"]\npassword_field = ["#password"]\nsubmit = ["#enter"]\nstorage_token = "token"'
    file = changed(("[login]", f"[login]\n{fields}"))
    async with small_site(form=True) as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, file, state=WorkerState.LOGGED_OUT) as run:
            async with run.page() as driver:
                await driver.sign_in("me", "secret")
                await until(lambda: site.signed_in_as == ("me", "secret"))
            state = type(driver).token_state(site.url, "t-1")
            assert state["origins"] == [{"origin": site.url, "localStorage": [{"name": "token", "value": "t-1"}]}]
