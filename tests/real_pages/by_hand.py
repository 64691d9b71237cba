"""What a person does on a page, by the controls that its site file names."""

from __future__ import annotations

from playwright.async_api import Page

from bridge.sites.site_file.page_schema import Selectors
from bridge.sites.site_file.schema import SiteFile
from tests.real_pages.model_behind import ModelBehind
from tests.real_pages.running_pages import RealPage
from tests.support.waiting import until

HELD = "box => (box.value ?? box.textContent).trim()"


async def sign_in(tab: Page, site: SiteFile, page: RealPage) -> None:
    """Fill the page's login form, where it has one."""
    if page.credentials is not None:
        await tab.fill(one_of(site.login.user_field), page.credentials.user)
        await tab.fill(one_of(site.login.password_field), page.credentials.password)
        await tab.click(one_of(site.login.submit))


async def ask(tab: Page, site: SiteFile, model: ModelBehind, prompt: str) -> None:
    """Send a prompt, and wait until the model has it."""
    await close_dialogs(tab, site)
    box = tab.locator(one_of(site.composer.box))
    await box.click()
    await tab.keyboard.insert_text(prompt)

    async def is_asked() -> bool:
        if await box.evaluate(HELD):  # until the page has come to life; an empty prompt would replace this one
            await tab.keyboard.press("Enter")
        return any(one.prompt == prompt for one in model.requests)

    await until(is_asked)


async def close_dialogs(tab: Page, site: SiteFile) -> None:
    """Close what may lie over the page, now and later."""
    for dialog in site.dialogs:
        await tab.add_locator_handler(tab.locator(dialog.selector), lambda found: found.click())


def one_of(selectors: Selectors) -> str:
    """Return a selector for the visible one of several elements."""
    return f"{selectors[0]} >> visible=true"
