"""The switches for DeepThink and Search: each is clicked once and judged by its effect, which may come late.

After a load or a click the page takes up to 1.5 seconds to show what a switch means. What it shows and what it keeps
are compared, so that nothing is judged, and nothing clicked, while they still differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.sites.deepseek.page import DeepSeekPage

SETTLING = 2_500
"""Milliseconds that a switch gets to show what it means; 1,500 were measured."""
QUIET = 1_600
"""Milliseconds without a click before the switches are judged again, after the gate found one wrong."""
CLICKS = 2
"""One that has had no effect is repeated once: a page that is still settling may ignore it, or take it back."""

Source = Literal["both", "shown", "kept"]
OTHER: Mapping[Source, Source] = {"both": "both", "shown": "kept", "kept": "shown"}


class Switches:
    """Sets the switches of one page; `by` is how their state is read."""

    def __init__(self, page: DeepSeekPage) -> None:
        self._page = page
        self.by: Source = "both"

    async def settle_down(self) -> None:
        """Let the page come to rest after the gate found a switch wrong, and believe the other source from now on."""
        self.by = OTHER[self.by]
        await self._page.page.wait_for_timeout(QUIET)

    async def set(
        self, wanted: Mapping[str, bool], wrong: Sequence[str], now: Mapping[str, Any] | None, prompt: str | None
    ) -> Any:
        """Bring the switches into position; a missing one matters where it must be on, or the gate found it `wrong`.

        `now` is their state, if that is clear already. A `prompt` is put into the composer in the look that finds
        the clicks to have had their effect; returns what came of that, or nothing.
        """
        for _ in range(CLICKS):
            now = now or await self._settled(wanted)
            off = [name for name, on in wanted.items() if _is_off(now[name], on, is_needed=on or name in wrong)]
            if not off:
                return None
            for name in off:
                await self._page.click_required(name)
            with suppress(PlaywrightTimeout):
                return await self._page.wait_for("stand", wanted, self.by, prompt, limit=SETTLING)
            now = None
        return None

    async def _settled(self, wanted: Mapping[str, bool]) -> dict[str, Any]:
        """Return the state of the switches once it is clear; what is shown counts where it never becomes clear."""
        try:
            settled: dict[str, Any] = await self._page.wait_for("settled", wanted, self.by, limit=SETTLING)
        except PlaywrightTimeout:
            self.by = "shown"
            settled = await self._page.ask("positions", wanted, self.by)
        return settled


def of(differences: Sequence[str]) -> list[str]:
    """Return the switches of which the gate's differences speak; empty where they speak of anything else, too."""
    names = [name for name in ("thinking", "search") if any(f"{name}_enabled" in one for one in differences)]
    return names if len(names) == len(differences) else []


def _is_off(position: Mapping[str, bool] | None, wanted: bool, *, is_needed: bool) -> bool:
    return is_needed if position is None else position["on"] != wanted
