"""An operator with nothing but a browser: signs in, adds an account, frees one that is challenged, asks something."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, expect

from bridge.browser.browser import Chromium
from bridge.demo.replies import WAF_COOKIE
from bridge.telemetry import WorkerState
from tests.liveview.test_liveview_live import DEVICES
from tests.support.dashboard_pages import Dashboard
from tests.support.live import Live
from tests.support.stress import stress
from tests.support.watching import PASSWORD, PHONE, WIDE, Person, account_page, fill_form, login_page, person


async def signed_in(someone: Person) -> Dashboard:
    """Open the dashboard by a link, as `bridge demo` prints it."""
    path = someone.run.bridge.sign_in_path()
    await someone.page.goto(f"{someone.run.bridge.url}{path}")
    dashboard = Dashboard(someone.page, someone.run.bridge.url)
    await expect(dashboard.account("alice").get_by_text("Ready")).to_be_visible()
    return dashboard


async def add_account(someone: Person, name: str) -> Page:
    """Ask for a new account, and return the sign-in page that the live view shows."""
    page = someone.page
    await page.get_by_role("button", name="Add account").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Address").fill(someone.run.site.url)
    await page.get_by_role("button", name="Open the sign-in page").click()
    await page.wait_for_url("**/dashboard/live?login=*")
    (login,) = parse_qs(urlsplit(page.url).query)["login"]
    shown = await login_page(someone.run, login)
    await someone.has_controls()
    return shown


async def use_window(someone: Person, shown: Page) -> None:
    """Sign in by the window of another site."""
    async with shown.context.expect_page() as opening:
        await someone.click(shown.get_by_text("Log in with Google"))
    other = await opening.value
    await someone.page.locator("#tabs [aria-current=page]", has_text="Sign in with Goggles").wait_for()
    assert await Dashboard(someone.page, someone.run.bridge.url).violations() == []
    await someone.click(other.get_by_role("button", name="bob@example.com"))


async def ask_in_playground(dashboard: Dashboard, prompt: str) -> None:
    """Ask something, and wait for the answer."""
    await dashboard.go("playground")
    await dashboard.page.get_by_label("Your question").fill(prompt)
    await dashboard.page.get_by_role("button", name="Send").click()
    await expect(dashboard.page.locator("li.answered").last).to_contain_text(prompt)


async def home(someone: Person) -> None:
    """Go back from the live view to the dashboard."""
    await someone.page.locator("#home").click()
    await someone.page.wait_for_url("**/dashboard")


@pytest.mark.parametrize(
    ("device", "way"),
    [(PHONE, use_window), *stress((WIDE, use_window), (WIDE, fill_form))],
    ids=["phone-window", "wide-window", "wide-form"],
)
async def test_an_account_is_added_and_asked_with_nothing_but_a_browser(
    run: Live, chromium: Chromium, device: dict[str, Any], way: Any
) -> None:
    async with person(run, chromium, device) as someone:
        run.account("bob").password = PASSWORD
        dashboard = await signed_in(someone)
        await way(someone, await add_account(someone, "second"))
        await someone.page.get_by_text("second is logged in").wait_for()
        await home(someone)
        await expect(dashboard.account("second").get_by_text("Ready")).to_be_visible()
        await dashboard.choose("alice", "Pause")
        await dashboard.told("alice")
        await ask_in_playground(dashboard, "Hello, second account!")
        assert last_prompt(run, "bob") == "Hello, second account!"


@DEVICES
async def test_a_challenged_account_is_freed_and_asked_with_nothing_but_a_browser(
    run: Live, chromium: Chromium, device: dict[str, Any]
) -> None:
    async with person(run, chromium, device) as someone:
        dashboard = await signed_in(someone)
        await account_page(run).context.clear_cookies(name=WAF_COOKIE)  # of the check that another case has solved
        run.account().fault("load_human_check", times=None)
        after = len(run.facts.seen)
        await dashboard.choose("alice", "Reopen")
        await run.facts.state("alice", WorkerState.CHALLENGED, after)
        await dashboard.page.get_by_role("link", name="Live view of alice").first.click()
        await someone.take()
        assert run.bridge.pool.accounts()[0].is_held
        run.account().clear_fault()
        await someone.click(account_page(run).get_by_role("button", name="Begin"))
        await someone.page.get_by_text("Solved: the account takes chats again").wait_for()
        await home(someone)
        await ask_in_playground(dashboard, "Are you free?")  # the pause of a challenge lasts ten minutes
        assert last_prompt(run, "alice") == "Are you free?"


def last_prompt(run: Live, name: str) -> str:
    """Return what the site was last asked by an account."""
    return [turn.prompt for turn in run.account(name).turns if turn.kind == "completion"][-1]
