"""Accounts that may not be used before a certain time, or that are paused, kept over a restart of the bridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from loguru import logger
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from bridge.background import Background
from bridge.storage.atomic import write_file
from bridge.telemetry import WorkerState


@dataclass(frozen=True, slots=True)
class Parked:
    """Why an account is left alone, and until when."""

    state: WorkerState
    reason: str
    until: AwareDatetime


DISK_LIMIT = 5.0
"""Seconds that an account waits for what is known about it before it opens."""
_PARKED = TypeAdapter(dict[str, Parked])
_PAUSED = TypeAdapter(list[str])


class ParkedAccounts:
    """The parked and the paused accounts; noting one waits for no disk, and a failing disk is logged, no more."""

    def __init__(self, config: Path) -> None:
        self._file = ParkedFile(config)
        self._paused = PausedFile(config)
        self._thread = Background("the states of accounts")

    async def entry(self, name: str) -> tuple[Parked | None, bool]:
        """Return why and until when the account is to be left alone, if it is, and whether it is paused."""
        try:
            return await self._thread.run(
                DISK_LIMIT, lambda: (self._file.read().get(name), name in self._paused.read())
            )
        except TimeoutError:
            logger.warning("Cannot read the saved state of account {}: the disk does not respond", name)
            return None, False

    def _read(self, name: str) -> tuple[Parked | None, bool]:
        return self._file.read().get(name), name in self._paused.read()

    def put(self, name: str, entry: Parked | None) -> None:
        """Note that an account is parked, or not any more; see `ParkedFile.put`."""
        self._thread.start(self._file.put, name, entry)

    def pause(self, name: str, *, is_paused: bool) -> None:
        """Note that an account is paused, or not any more."""
        self._thread.start(partial(self._paused.put, name, is_paused=is_paused))

    def forget(self, name: str) -> None:
        """Drop an account that is not there any more."""
        self.put(name, None)
        self.pause(name, is_paused=False)

    def rename(self, name: str, to: str) -> None:
        """Let what is known of one account be known of another, and of it no more."""
        self._thread.start(self._rename, name, to)

    def _rename(self, name: str, to: str) -> None:
        self._file.put(to, self._file.read().get(name))
        self._file.put(name, None)
        self._paused.put(to, is_paused=name in self._paused.read())
        self._paused.put(name, is_paused=False)

    async def close(self) -> None:
        """Return when everything is noted."""
        await self._thread.close()


class ParkedFile:
    """The file `parked.json` in the config folder; reading and writing it blocks."""

    def __init__(self, config: Path) -> None:
        self._path = config / "parked.json"

    def read(self) -> Mapping[str, Parked]:
        """Return the accounts that are still parked; a file that cannot be read counts as empty."""
        try:
            parked = _PARKED.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            logger.warning("Ignoring {}, which cannot be read: {}", self._path, type(error).__name__)
            return {}
        return {name: entry for name, entry in parked.items() if entry.until > datetime.now(UTC)}

    def put(self, name: str, entry: Parked | None) -> None:
        """Note that an account is parked, or with None that it is not any more."""
        before = dict(self.read())
        after = {**before, name: entry} if entry else {other: before[other] for other in before if other != name}
        if after != before:
            write_file(self._path, json.dumps(_PARKED.dump_python(after, mode="json"), indent=1).encode())


class PausedFile:
    """The file `paused.json` in the config folder: the names of the paused accounts; reading and writing it blocks."""

    def __init__(self, config: Path) -> None:
        self._path = config / "paused.json"

    def read(self) -> set[str]:
        """Return the names; a file that cannot be read counts as empty."""
        try:
            return set(_PAUSED.validate_json(self._path.read_bytes()))
        except FileNotFoundError:
            return set()
        except (OSError, ValidationError) as error:
            logger.warning("Ignoring {}, which cannot be read: {}", self._path, type(error).__name__)
            return set()

    def put(self, name: str, *, is_paused: bool) -> None:
        """Note that an account is paused, or that it is not any more."""
        before = self.read()
        after = before | {name} if is_paused else before - {name}
        if after != before:
            write_file(self._path, json.dumps(sorted(after)).encode())
