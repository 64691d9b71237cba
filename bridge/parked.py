"""Accounts that may not be used before a certain time, kept over a restart of the bridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from bridge.atomic import write_file
from bridge.background import Background
from bridge.telemetry import WorkerState


@dataclass(frozen=True, slots=True)
class Parked:
    """Why an account is left alone, and until when."""

    state: WorkerState
    reason: str
    until: AwareDatetime


DISK_LIMIT = 5.0
"""Seconds that an account waits for what is known about it before it opens."""
_FORM = TypeAdapter(dict[str, Parked])


class ParkedAccounts:
    """The parked accounts; noting one waits for no disk, and a failing disk is logged, no more."""

    def __init__(self, config: Path) -> None:
        self._file = ParkedFile(config)
        self._thread = Background("the states of accounts")

    async def entry(self, name: str) -> Parked | None:
        """Return why and until when the account is to be left alone, if it is."""
        try:
            return (await self._thread.run(DISK_LIMIT, self._file.read)).get(name)
        except TimeoutError:
            logger.warning("Cannot look up the state of {}: the disk does not answer", name)
            return None

    def put(self, name: str, entry: Parked | None) -> None:
        """Note that an account is parked, or not any more; see `ParkedFile.put`."""
        self._thread.start(self._file.put, name, entry)

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
            parked = _FORM.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            logger.warning("Ignoring {}: {}", self._path, type(error).__name__)
            return {}
        return {name: entry for name, entry in parked.items() if entry.until > datetime.now(UTC)}

    def put(self, name: str, entry: Parked | None) -> None:
        """Note that an account is parked, or with None that it is not any more."""
        before = dict(self.read())
        after = {**before, name: entry} if entry else {other: before[other] for other in before if other != name}
        if after != before:
            write_file(self._path, json.dumps(_FORM.dump_python(after, mode="json"), indent=1).encode())
