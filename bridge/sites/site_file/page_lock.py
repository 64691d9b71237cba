"""Whether a page shows an answer where there is none: after an error some do so for good, until they reload."""

from __future__ import annotations

from loguru import logger

from bridge.sites.drift import Drift
from bridge.sites.guarded_page import QUICK
from bridge.sites.site_file.composer_send import ComposerSend
from bridge.sites.site_file.page_elements import waited


class PageLock:
    """Looks at one page between two turns."""

    def __init__(self, composer: ComposerSend, drift: Drift) -> None:
        self._composer = composer
        self._drift = drift
        self._is_always_shown = False
        """Whether an empty chat shows an answer, too: then what the site file names tells nothing of a lock."""

    async def holds(self) -> bool:
        """Tell whether the page is locked."""
        if self._is_always_shown:
            self._is_always_shown = await self._composer.is_busy()
            return False
        return not await self._rests()

    async def judge_empty_chat(self) -> None:
        """Note, of a chat that has just been loaded, whether even that shows an answer."""
        if await self._rests():
            return
        self._is_always_shown = True
        self._drift.note("control always shown", "composer", "stop_button")
        logger.warning(
            "The page shows composer.stop_button, or composer.busy, in an empty chat: let its selector fit only what is"
            " there while the site answers"
        )

    async def _rests(self) -> bool:
        async def is_at_rest() -> bool:
            return not await self._composer.is_busy()

        return bool(await waited(is_at_rest, QUICK))
