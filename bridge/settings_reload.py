"""Reads the settings again while the bridge runs, and has those count at once that can.

The parts of the bridge hold the sections of the settings, not copies of the values, so the values of the sections that
they hold are changed in place. That is done here alone; for everybody else a section is frozen.
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
"""The settings that count at once; each is read where it is used, every time."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The names of the settings that were changed, and of those that are different but need a restart."""

    changed: Sequence[str] = ()
    needs_restart: Sequence[str] = ()

    def __str__(self) -> str:
        """Return it as a person would say it."""
        changed = f"Changed: {', '.join(self.changed)}." if self.changed else "No setting was changed."
        later = f" A restart is needed for: {', '.join(self.needs_restart)}." if self.needs_restart else ""
        return changed + later


class SettingsReload:
    """Takes up the settings of a running bridge again, one time after the other; `on_change` is called after each.

    `renew` reads what else is in files of the operator, blocks, and raises `SetupError` where it cannot.
    """

    def __init__(
        self, settings: Settings, on_change: Callable[[], None], renew: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._on_change = on_change
        self._renew = renew
        self._one = asyncio.Lock()

    async def now(self) -> Reloaded:
        """Read the file again and use it; a bad one changes nothing, and the `RequestError` says what is wrong."""
        if not isinstance(self._settings, LoadedSettings):
            raise RequestError("These settings were not read from a file, so there is nothing to read again.")
        async with self._one:
            try:
                await asyncio.to_thread(self._renew)  # first: a mistake in the settings is none of the certificate
                new = await asyncio.to_thread(reread, self._settings)
            except SetupError as error:
                raise RequestError(f"The settings stay as they are. {error.message}") from error
            reloaded = apply(self._settings, new)
        self._on_change()
        logger.info("The settings were read again. {}", reloaded)
        return reloaded


def apply(settings: LoadedSettings, new: LoadedSettings) -> Reloaded:
    """Change `settings` to what `new` says, where that can be while the bridge runs; return what differs."""
    different = [name for name in names_of(settings) if value_of(settings, name) != value_of(new, name)]
    changed = [name for name in different if name in LIVE]
    for name in changed:
        section, _, field = name.partition(".")
        getattr(settings, section).__dict__[field] = value_of(new, name)
        settings.take_source(name, new)
    return Reloaded(changed, [name for name in different if name not in LIVE])
