"""File locks that are held for life: the system gives them back when their process ends, however it ends.

Process ids are used anew and creation times move with the clock; a lock tells for certain whether its owner lives.
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
"""Bytes that are read of who holds a lock."""


def try_lock(path: Path) -> BinaryIO | None:
    """Open a file, made if need be for its owner alone, and lock it; None where another process has done so."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        file.close()
        if isinstance(error, BlockingIOError):
            return None
        raise
    return file


@contextmanager
def lock_folders(*folders: Path) -> Iterator[None]:
    """Be the only bridge on these folders; raise a `SetupError` that names the one that is on them already."""
    with ExitStack() as held:
        for folder in dict.fromkeys(folder.absolute() for folder in folders):
            held.enter_context(_locked(folder))
        yield


def _locked(folder: Path) -> AbstractContextManager[object]:
    """Lock a folder, as far as it can be written."""
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
        return file.read(NOTE_SIZE).decode("utf-8", "replace") or "a process that does not tell its name"
    return "a process that does not tell its name"
