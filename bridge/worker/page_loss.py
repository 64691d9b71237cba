"""Why an open page cannot be used any more: noted once, raised to whoever waits for it."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from bridge.errors import BridgeError


class Loss:
    """The end of one open page, which may come for many reasons; the first one counts."""

    def __init__(self) -> None:
        self._future: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._future.add_done_callback(lambda future: future.cancelled() or future.exception())  # no fault if none asks

    @property
    def happened(self) -> bool:
        """Tell whether the page is lost."""
        return self._future.done()

    def note(self, error: BridgeError) -> None:
        """Note that the page is lost to `error`."""
        if not self._future.done():
            self._future.set_exception(error)

    async def raised(self, limit: float | None = None) -> None:
        """Raise what the page is lost to, as soon as it is; return after so many seconds where it is not."""
        await asyncio.wait({self._future}, timeout=limit)
        if self._future.done():
            await self._future
