"""Stores which accounts are parked until a certain time, or paused, across restarts of the bridge."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from loguru import logger
from pydantic import AwareDatetime, TypeAdapter

from bridge.background import Background
from bridge.storage.atomic import write_file
from bridge.storage.state_file import read_state
from bridge.telemetry import WorkerState


@dataclass(frozen=True, slots=True)
class AccountState:
    """Why the pool gives an account no chats, and until when."""

    state: WorkerState
    reason: str
    until: AwareDatetime


DISK_LIMIT = 5.0
"""Seconds that opening an account waits for its stored state."""
_STATES = TypeAdapter(dict[str, AccountState])
_PAUSED = TypeAdapter(list[str])


class StoredAccountStates:
    """The stored states and pauses of accounts.

    A write does not wait for the disk, and its failure is only logged. One thread does all reads and writes in order,
    so that a read sees every earlier write.
    """

    def __init__(self, config: Path, now: Callable[[], float] = time.time) -> None:
        self._states = AccountStatesFile(config, now)
        self._paused = PausedAccountsFile(config)
        self._thread = Background("the states of accounts")

    async def entry(self, name: str) -> tuple[AccountState | None, bool]:
        """Return the stored state of an account, if its time is not over, and whether the account is paused."""
        try:
            return await self._thread.run(DISK_LIMIT, self._read, name)
        except TimeoutError:
            logger.warning("Cannot read the saved state of account {}: the disk does not respond", name)
            return None, False

    def _read(self, name: str) -> tuple[AccountState | None, bool]:
        return self._states.read().get(name), name in self._paused.read()

    def put(self, name: str, state: AccountState | None) -> None:
        """Store the state of an account; None removes it."""
        self._thread.start(self._states.put, name, state)

    def pause(self, name: str, *, is_paused: bool) -> None:
        """Store whether an account is paused."""
        self._thread.start(partial(self._paused.put, name, is_paused=is_paused))

    def forget(self, name: str) -> None:
        """Drop an account that was removed."""
        self.put(name, None)
        self.pause(name, is_paused=False)

    def rename(self, name: str, to: str) -> None:
        """Move the state and the pause of an account to its new name."""
        self._thread.start(self._rename, name, to)

    def _rename(self, name: str, to: str) -> None:
        self._states.put(to, self._states.read().get(name))
        self._states.put(name, None)
        self._paused.put(to, is_paused=name in self._paused.read())
        self._paused.put(name, is_paused=False)

    async def close(self) -> None:
        """Wait until everything is written."""
        await self._thread.close()


class AccountStatesFile:
    """The file `parked.json` in the config folder; reading and writing it blocks."""

    def __init__(self, config: Path, now: Callable[[], float] = time.time) -> None:
        self._path = config / "parked.json"
        self._now = now

    def read(self) -> Mapping[str, AccountState]:
        """Return the states whose time is not over."""
        states = read_state(self._path, _STATES, {})
        now = datetime.fromtimestamp(self._now(), UTC)
        return {name: state for name, state in states.items() if state.until > now}

    def put(self, name: str, state: AccountState | None) -> None:
        """Write the state of an account; None removes it."""
        before = dict(self.read())
        after = {**before, name: state} if state else {other: before[other] for other in before if other != name}
        if after != before:
            write_file(self._path, json.dumps(_STATES.dump_python(after, mode="json"), indent=1).encode())


class PausedAccountsFile:
    """The file `paused.json` in the config folder: the names of the paused accounts; reading and writing it blocks."""

    def __init__(self, config: Path) -> None:
        self._path = config / "paused.json"

    def read(self) -> set[str]:
        """Return the names of the paused accounts."""
        names: list[str] = read_state(self._path, _PAUSED, [])
        return set(names)

    def put(self, name: str, *, is_paused: bool) -> None:
        """Write whether an account is paused."""
        before = self.read()
        after = before | {name} if is_paused else before - {name}
        if after != before:
            write_file(self._path, json.dumps(sorted(after)).encode())
