"""Closes dialogs over the page other than checks for a human: news, an age question, an advertisement."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from bridge.sites.guarded_page import QUICK
from bridge.sites.site_file.page_elements import PageElements, waited
from bridge.sites.site_file.page_schema import Dialog

MOST = 5
"""The most dialogs closed in a row; one that keeps coming back is left open."""


class SiteDialogs:
    """The dialogs that a site file names."""

    def __init__(self, page: PageElements, dialogs: Sequence[Dialog]) -> None:
        self._page = page
        self._dialogs = tuple(dialogs)

    async def close(self) -> int:
        """Close all open dialogs; return how many were closed."""
        for number in range(MOST):
            if not await self._close_one():
                return number
        return MOST

    async def _close_one(self) -> bool:
        for dialog in self._dialogs:
            if await self._page.has((dialog.selector,)):
                return await self._dismiss(dialog)
        return False

    async def _dismiss(self, dialog: Dialog) -> bool:
        """Close a dialog by its button, else by Escape; tell whether it disappeared."""
        if not (dialog.close and await self._page.click(dialog.close, field="dialogs.close")):
            await self._page.press("Escape")
        is_gone = await waited(lambda: self._is_gone(dialog), QUICK)
        if not is_gone:
            logger.warning("The page shows a dialog that does not close: {}", dialog.selector)
        return bool(is_gone)

    async def _is_gone(self, dialog: Dialog) -> bool:
        return not await self._page.has((dialog.selector,))
