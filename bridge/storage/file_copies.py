"""Copies of other nodes' files for the prompts of this one; copies unused for an hour are deleted.

All methods block, and are safe to call from any thread.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from bridge.durations import HOUR
from bridge.storage.atomic import Draft

UNUSED = HOUR
"""Seconds after which an unused copy is deleted."""


class FileCopies:
    """The copies, in a folder inside that of the stored files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "copies"

    def path(self, id_: str) -> Path:
        """Return the path of a file's copy, whether it exists or not."""
        return self._folder / id_

    def use(self, id_: str, size: int) -> bool:
        """Tell whether there is a copy of that size, and mark it as used."""
        path = self.path(id_)
        with suppress(FileNotFoundError):
            if path.stat().st_size == size:
                os.utime(path)
                return True
        return False

    def begin(self, id_: str) -> Draft:
        """Start a copy, after deleting unused ones."""
        self._tidy()
        return Draft(self.path(id_))

    def _tidy(self) -> None:
        oldest = time.time() - UNUSED
        for path in self._folder.glob("*file-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
