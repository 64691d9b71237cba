"""Deletes a conversation through the menu of its row in the sidebar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.errors import SiteChanged
from bridge.sites.deepseek.page import NAMES, DeepSeekPage


async def delete_conversation(
    page: DeepSeekPage, conversation: str, go_to: Callable[[str], Awaitable[None]], may_act: Callable[[], None]
) -> None:
    """Open the menu of the conversation's row, choose Delete and confirm; `may_act` is called before each click.

    The sidebar may not list an old conversation before `go_to` has opened it; errors of `go_to` pass through.
    """
    if not await page.hover("row", conversation):
        await go_to(conversation)
        if not await page.hover("row", conversation):
            raise SiteChanged(f"The page's control '{NAMES['row']}' was not found.")
    for control in ("rowMenu", "deleteEntry", "deleteButton"):
        may_act()
        await page.click_required(control, conversation)
    try:
        await page.wait_for("isWithout", conversation)
    except PlaywrightTimeout as error:
        raise SiteChanged("The page still has the row of a conversation that was deleted through its menu.") from error
