"""Conversations in which an account may still be generating: kept on disk, for the start after a sudden end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from loguru import logger

from bridge.storage.atomic import write_file


def unsettled_file(config: Path, account: str) -> Path:
    """Return where they are kept for an account."""
    return config / "unsettled" / f"{account}.json"


class Unsettled:
    """The conversations of one account whose last answer has not been seen to end; kept in the file `path`, if any."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._open: list[str] = []
        self._lock = asyncio.Lock()

    async def load(self) -> list[str]:
        """Return them, those of an earlier run first."""
        found = await asyncio.to_thread(self._read)
        self._open = list(dict.fromkeys([*found, *self._open]))
        return list(self._open)

    async def add(self, conversation: str) -> None:
        """Note that the site generates there."""
        self._open.append(conversation)
        await self._save()

    async def remove(self, conversation: str) -> None:
        """Note that it does not any more."""
        self._open = [one for one in self._open if one != conversation]
        await self._save()

    async def _save(self) -> None:
        async with self._lock:
            try:
                await asyncio.to_thread(self._write, json.dumps(self._open).encode())
            except OSError as error:
                logger.warning("Cannot save which answers the site still generates: {}", error)

    def _write(self, content: bytes) -> None:
        if self._path is not None:
            write_file(self._path, content)

    def _read(self) -> list[str]:
        try:
            known = json.loads(self._path.read_bytes()) if self._path else []
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            logger.warning("Ignoring {}, which cannot be read: {}", self._path, type(error).__name__)
            return []
        return [one for one in known if isinstance(one, str)] if isinstance(known, list) else []
