"""File locks that a process holds until it ends; the system then releases them, even after a crash.

A process id can be reused, and a start time depends on the clock. Only a lock proves that its owner is alive.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from loguru import logger

from bridge.errors import SetupError
from bridge.storage.atomic import make_folder

NAME = ".bridge.lock"
NOTE_SIZE = 200
"""Most bytes that are read of the note about the holder."""


def try_lock(path: Path) -> BinaryIO | None:
    """Create or open a file of mode 0600 and lock it; return None if another process holds the lock.

    The lock lasts until the returned file is closed.
    """
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:  # on any error, as no caller can close the file
        file.close()
        raise
    return file


@contextmanager
def lock_folders(*folders: Path) -> Iterator[None]:
    """Lock these folders against other bridges; raise a `SetupError` naming the process that uses one already."""
    with ExitStack() as held:
        for folder in dict.fromkeys(folder.absolute() for folder in folders):
            held.enter_context(_locked(folder))
        yield


def _locked(folder: Path) -> AbstractContextManager[object]:
    """Lock a folder; one that cannot be written is left unlocked, with a warning."""
    path = folder / NAME
    try:
        make_folder(folder)
        file = try_lock(path)
    except OSError as error:
        logger.warning("Cannot lock the folder {}: {}; make sure that no other bridge uses it", folder, error.strerror)
        return nullcontext()
    if file is None:
        raise SetupError(
            f"Another bridge uses the folder {folder}: {_holder(path)}. Stop that one first, or give this one folders "
            "of its own with the settings config, profiles and files.folder."
        )
    file.truncate()
    file.write(f"process {os.getpid()}, started {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}".encode())
    return file


def _holder(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        return file.read(NOTE_SIZE).decode("utf-8", "replace") or "an unknown process"
    return "an unknown process"
