"""What a person does on the page of the demo site."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, Page

from bridge.demo import Account, DemoSite

SEND = "path[d^='M8.3125']"
"""The drawing on the button that sends a prompt; there is none from one prompt to the end of its answer."""
_SIGN_IN_ONCE = """
    if (!sessionStorage.begun) {
        localStorage.clear();
        localStorage.userToken = JSON.stringify({ value: "%s", __version: "0" });
        sessionStorage.begun = "yes";
    }
"""


@asynccontextmanager
async def opened_page(context: BrowserContext, site: DemoSite, token: str = "") -> AsyncIterator[Page]:
    """Open the page while the context is open; errors of its scripts fail the test."""
    errors: list[str] = []
    page = await context.new_page()
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    if token:
        await page.add_init_script(_SIGN_IN_ONCE % token)
    await page.goto(site.url)
    yield page
    await page.close()
    assert errors == []


@asynccontextmanager
async def signed_in_page(browser: Browser, site: DemoSite, account: Account) -> AsyncIterator[Page]:
    """Open the page as one account in a browser context of its own."""
    state = account.storage_state()
    async with (
        await browser.new_context(storage_state=state) as context,  # type: ignore[arg-type]
        opened_page(context, site) as page,
    ):
        yield page


async def ask(page: Page, prompt: str, *, while_it_writes: bool = False) -> None:
    """Write a prompt and send it, once the page has drawn the end of the answer before."""
    box = page.locator("textarea:not(.ds-textarea *)")
    await box.fill(prompt)
    if not while_it_writes:
        await page.locator(SEND).wait_for(state="attached")
    await box.press("Enter")
