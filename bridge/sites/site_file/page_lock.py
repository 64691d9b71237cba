"""Detects a locked page: after an error some pages show an answer in progress until they are reloaded."""

from __future__ import annotations

from loguru import logger

from bridge.sites.drift import Drift
from bridge.sites.guarded_page import QUICK
from bridge.sites.site_file.composer_send import ComposerSend
from bridge.sites.site_file.page_elements import waited


class PageLock:
    """The check of one page between two turns."""

    def __init__(self, composer: ComposerSend, drift: Drift) -> None:
        self._composer = composer
        self._drift = drift
        self._is_always_shown = False
        """Whether even an empty chat shows an answer in progress, so that the site file's sign does not show a lock."""

    async def is_locked(self) -> bool:
        """Tell whether the page is locked."""
        if self._is_always_shown:
            self._is_always_shown = await self._composer.is_busy()
            return False
        return not await self._is_idle()

    async def judge_empty_chat(self) -> None:
        """Check whether an empty chat that has just been loaded shows an answer in progress, and warn if it does."""
        if await self._is_idle():
            return
        self._is_always_shown = True
        self._drift.note("control always shown", "composer", "stop_button")
        logger.warning(
            "The page shows composer.stop_button, or composer.busy, in an empty chat: its selector must match only what"
            " is there while the site answers"
        )

    async def _is_idle(self) -> bool:
        async def is_idle() -> bool:
            return not await self._composer.is_busy()

        return bool(await waited(is_idle, QUICK))
