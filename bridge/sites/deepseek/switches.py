"""Sets the switches for DeepThink and Search: each is clicked once and checked for its effect, which may be late.

After a load or a click the page takes up to 1.5 seconds to show the true state of a switch. The shown state is compared
with the stored one, and nothing is decided or clicked while they differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.sites.deepseek.page import DeepSeekPage

SETTLING = 2_500
"""Milliseconds that a switch has to show its true state; 1,500 were measured."""
QUIET = 1_600
"""Milliseconds without a click before the switches are read again, after the gate found one wrong."""
CLICKS = 2
"""Attempts for each switch: a page that is still loading may ignore the first click, or undo it."""

Source = Literal["both", "shown", "kept"]
OTHER: Mapping[Source, Source] = {"both": "both", "shown": "kept", "kept": "shown"}


class Switches:
    """The switches of one page; `by` is the source that their state is read from."""

    def __init__(self, page: DeepSeekPage) -> None:
        self._page = page
        self.by: Source = "both"

    async def settle_down(self) -> None:
        """Wait until the page is quiet after the gate found a switch wrong, and read the other source from now on."""
        self.by = OTHER[self.by]
        await self._page.page.wait_for_timeout(QUIET)

    async def set(
        self, wanted: Mapping[str, bool], wrong: Sequence[str], now: Mapping[str, Any] | None, prompt: str | None
    ) -> Any:
        """Set the switches; a missing one matters only if it must be on, or if the gate found it `wrong`.

        `now` is their state, if it is known already. A `prompt` is put into the composer by the same call that
        verifies the clicks; returns the result of that, or None.
        """
        for _ in range(CLICKS):
            now = now or await self._settled(wanted)
            off = [name for name, on in wanted.items() if _is_off(now[name], on, is_needed=on or name in wrong)]
            if not off:
                return None
            for name in off:
                await self._page.click_required(name)
            with suppress(PlaywrightTimeout):
                return await self._page.wait_for("areSet", wanted, self.by, prompt, limit=SETTLING)
            now = None
        return None

    async def _settled(self, wanted: Mapping[str, bool]) -> dict[str, Any]:
        """Return the state of the switches once both sources agree; if they never do, the shown state."""
        try:
            settled: dict[str, Any] = await self._page.wait_for("settled", wanted, self.by, limit=SETTLING)
        except PlaywrightTimeout:
            self.by = "shown"
            settled = await self._page.ask("positions", wanted, self.by)
        return settled


def of(differences: Sequence[str]) -> list[str]:
    """Return the switches named in the gate's differences; empty if those include anything else."""
    names = [name for name in ("thinking", "search") if any(f"{name}_enabled" in one for one in differences)]
    return names if len(names) == len(differences) else []


def _is_off(position: Mapping[str, bool] | None, wanted: bool, *, is_needed: bool) -> bool:
    return is_needed if position is None else position["on"] != wanted
