"""Reloads the settings while the bridge runs, and applies those that can change at once.

The parts of the bridge hold the sections of the settings, not copies of the values, so the values in these sections are
changed in place. Only this module does that; for all others a section is frozen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loguru import logger

from bridge.errors import RequestError, SetupError
from bridge.settings import Settings
from bridge.settings_sources import LoadedSettings, names_of, reread, value_of

LIVE = frozenset(
    {
        *("pool.queue_size", "pool.queue_limit", "pool.rest", "pool.min_interval"),
        *("pool.turns_per_hour", "pool.turns_per_day"),
        *("sleep.after", "sleep.keep_open", "sleep.max_open", "sleep.max_memory", "sleep.refresh_hours"),
        *("browser.page_chats", "browser.page_hours", "browser.page_growth", "browser.page_memory"),
        *("browser.restart_memory", "browser.restart_hours"),
        *("turn.submit", "turn.first_byte", "turn.silence", "turn.continues", "turn.upload", "turn.total"),
        *("conversations.wait", "log.level"),
    }
)
"""The settings that apply at once; each is read whenever it is used."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The names of the changed settings, and of those that differ but need a restart."""

    changed: Sequence[str] = ()
    needs_restart: Sequence[str] = ()

    def __str__(self) -> str:
        """Return the result in words."""
        changed = f"Changed: {', '.join(self.changed)}." if self.changed else "No setting was changed."
        later = f" A restart is needed for: {', '.join(self.needs_restart)}." if self.needs_restart else ""
        return changed + later


class SettingsReload:
    """Reloads of a running bridge's settings, one at a time; `on_change` is called after each.

    `renew` reads the operator's other files; it blocks, and raises `SetupError` if it cannot.
    """

    def __init__(
        self, settings: Settings, on_change: Callable[[], None], renew: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._on_change = on_change
        self._renew = renew
        self._one = asyncio.Lock()

    async def now(self) -> Reloaded:
        """Read the file again and apply it; an invalid one changes nothing, and raises a `RequestError`."""
        if not isinstance(self._settings, LoadedSettings):
            raise RequestError("These settings were not read from a file, so there is nothing to read again.")
        async with self._one:
            try:
                await asyncio.to_thread(
                    self._renew
                )  # first, as an error in the settings does not concern the certificate
                new = await asyncio.to_thread(reread, self._settings)
            except SetupError as error:
                raise RequestError(f"The settings are unchanged. {error.message}") from error
            reloaded = apply(self._settings, new)
        self._on_change()
        logger.info("The settings were read again. {}", reloaded)
        return reloaded


def apply(settings: LoadedSettings, new: LoadedSettings) -> Reloaded:
    """Apply the values of `new` to `settings`, as far as no restart is needed; return the differences."""
    different = [name for name in names_of(settings) if value_of(settings, name) != value_of(new, name)]
    changed = [name for name in different if name in LIVE]
    for name in changed:
        section, _, field = name.partition(".")
        getattr(settings, section).__dict__[field] = value_of(new, name)
        settings.take_source(name, new)
    return Reloaded(changed, [name for name in different if name not in LIVE])
