"""Playwright traces of chats, on the operator's request, with the login removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from zipfile import BadZipFile

from loguru import logger
from playwright.async_api import BrowserContext

from bridge.browser.page_calls import within
from bridge.errors import BrowserError
from bridge.settings import BrowserSettings
from bridge.worker.trace_redaction import redact, stored


class PageTrace:
    """A writer of traces into the folder `browser.trace`, if set; Playwright uses the folder `work`."""

    def __init__(self, settings: BrowserSettings, work: Path) -> None:
        self._folder = settings.trace
        self._limit = settings.call_limit
        self._work = work

    @asynccontextmanager
    async def kept(self, context: BrowserContext, chat: str) -> AsyncGenerator[None]:
        """Trace the chat while the context is open; a failure of the trace never fails the chat."""
        if self._folder is None:
            yield
            return
        path, has_begun = self._folder / f"{chat}.zip", False
        with _warned("No trace is kept"):
            await asyncio.to_thread(self._folder.mkdir, 0o700, parents=True, exist_ok=True)
            async with within(self._limit, "The trace did not start"):
                await context.tracing.start(screenshots=True, snapshots=True)
            has_begun = True
        try:
            yield
        finally:
            with _warned("The trace was not kept"):
                if has_begun:
                    await self._keep(context, path)

    async def _keep(self, context: BrowserContext, path: Path) -> None:
        """End the trace and write it redacted; always delete the raw one."""
        raw = path.with_name(f".{path.name}")
        try:
            async with within(self._limit, "The trace was not written"):
                await context.tracing.stop(path=raw)
            known = set[str]()
            with suppress(BrowserError):  # the page has crashed; the trace's requests hold the same secrets
                async with within(self._limit, "The browser did not return the login"):
                    known = stored(await context.storage_state())
            await asyncio.to_thread(redact, raw, path, known, self._work)
        finally:
            await asyncio.to_thread(raw.unlink, missing_ok=True)


@contextmanager
def _warned(failure: str) -> Iterator[None]:
    """Log errors of the body instead of raising them, as no chat depends on it."""
    try:
        yield
    except (BrowserError, OSError, BadZipFile) as error:
        logger.warning("{}: {}", failure, error)
