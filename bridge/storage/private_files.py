"""Reads files with secrets, only if no other user of this machine can read them."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bridge.errors import SetupError


def read_private(path: Path) -> bytes:
    """Return the content of a file that no other user may read; one owned by root may be readable by the group."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise SetupError(f"{path} is not a regular file.")
        allowed = 0o600 if facts.st_uid == os.geteuid() else 0o640
        if stat.S_IMODE(facts.st_mode) & 0o077 & ~allowed:
            raise SetupError(
                f"Others on this machine may read or change {path} (mode {stat.S_IMODE(facts.st_mode):04o}). "
                f"Make it private: chmod 600 {shlex.quote(str(path))}"
            )
        return file.read()


def open_private(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a file of keys; raise an error if it is a link or others may use it."""
    file = os.fdopen(os.open(path, flags | os.O_NOFOLLOW), "rb" if flags == os.O_RDONLY else "r+b")
    if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
        file.close()
        raise SetupError(f"Other users of this machine can read the API keys; run: chmod 600 {shlex.quote(str(path))}")
    return file


@contextmanager
def disk_errors(action: str) -> Iterator[None]:
    """Raise a `SetupError` that names the failed `action` in place of an `OSError`."""
    try:
        yield
    except OSError as error:
        raise SetupError(f"Cannot {action}: {error.strerror or error}.") from error
