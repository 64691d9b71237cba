"""Copies of files that other nodes store, for the prompts of this one; those that are not used for an hour are deleted.

All of it blocks, and any thread may use it.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from bridge.durations import HOUR
from bridge.storage.atomic import Draft

UNUSED = HOUR
"""Seconds after which a copy that was not used is deleted."""


class FileCopies:
    """The copies, in a folder inside that of the stored files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "copies"

    def path(self, id_: str) -> Path:
        """Return where the copy of a file is, or would be."""
        return self._folder / id_

    def use(self, id_: str, size: int) -> bool:
        """Tell whether there is a copy of that size, which is used now."""
        path = self.path(id_)
        with suppress(FileNotFoundError):
            if path.stat().st_size == size:
                os.utime(path)
                return True
        return False

    def begin(self, id_: str) -> Draft:
        """Begin a copy; what was not used for long goes first."""
        self._tidy()
        return Draft(self.path(id_))

    def _tidy(self) -> None:
        oldest = time.time() - UNUSED
        for path in self._folder.glob("*file-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
