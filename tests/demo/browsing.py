"""What a person does on the page of the demo site."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, Error, Page

from bridge.demo import Account, DemoSite

SEND = "path[d^='M8.3125']"
"""The drawing on the button that sends a prompt; there is none from one prompt to the end of its answer."""
_SIGN_IN = """token => {
    localStorage.clear();
    sessionStorage.clear();
    localStorage.userToken = JSON.stringify({ value: token, __version: "0" });
}"""


@asynccontextmanager
async def shown(page: Page, site: DemoSite) -> AsyncIterator[Page]:
    """Open the site in a tab; errors of its scripts fail the test."""
    errors: list[str] = []

    def note(error: Error) -> None:
        errors.append(str(error))

    page.set_default_timeout(10_000)
    page.on("pageerror", note)
    await page.goto(site.url)
    yield page
    page.remove_listener("pageerror", note)
    assert errors == []


async def sign_in(context: BrowserContext, site: DemoSite, account: Account) -> Page:
    """Return the one tab of a context that tests share, with the login of an account and nothing of the test before.

    A tab of its own for each test is a process of its own, which takes as much as most tests do.
    """
    token, cookie = account.sign_in()
    page = context.pages[0] if context.pages else await context.new_page()
    await page.goto(f"{site.url}/nothing-is-here")  # no script runs there
    await context.clear_cookies()
    await context.add_cookies([{"name": "ds_session_id", "value": cookie, "url": site.url, "httpOnly": True}])
    await page.evaluate(_SIGN_IN, token)
    return page


@asynccontextmanager
async def signed_in_page(browser: Browser, site: DemoSite, account: Account) -> AsyncIterator[Page]:
    """Open the page as one account in a browser context of its own."""
    state = account.storage_state()
    async with (
        await browser.new_context(storage_state=state) as context,  # type: ignore[arg-type]
        shown(await context.new_page(), site) as page,
    ):
        yield page


async def ask(page: Page, prompt: str, *, while_it_writes: bool = False) -> None:
    """Write a prompt and send it, once the page has drawn the end of the answer before."""
    box = page.locator("textarea:not(.ds-textarea *)")
    await box.fill(prompt)
    if not while_it_writes:
        await page.locator(SEND).wait_for(state="attached")
    await box.press("Enter")
