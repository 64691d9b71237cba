"""Writes all files of the bridge: atomically, with mode 0600, in folders of mode 0700.

The order makes it atomic: write a draft beside the file, fsync the draft, rename it over the file, fsync the folder.
A crash at any point leaves the old file or the new one. All functions block.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DRAFT = "~"
"""The separator of a file's name and a random suffix in its draft's name."""


def make_folder(folder: Path) -> None:
    """Make a folder, and its missing parents, with mode 0700; an existing one is unchanged."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, replacing an existing file."""
    with draft(path) as file:
        file.write(content)


def create_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`; raise `FileExistsError` if that exists."""
    with draft(path, replace=False) as file:
        file.write(content)


class Draft:
    """A file that is being written; `finish` moves it to its path, and `drop` deletes it."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        self._draft = path.with_name(f".{path.name}{DRAFT}{secrets.token_hex(8)}")
        self.file = _opened(self._draft)

    def finish(self, *, replace: bool = True) -> None:
        """Move the file to its path; without `replace`, raise `FileExistsError` if that exists."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if replace:
            self._draft.replace(self._path)
        else:
            self._path.hardlink_to(self._draft)  # never replaces, even if two processes race
        _keep_move(self._path.parent)
        self.drop()

    def drop(self) -> None:
        """Close the file, and remove it unless it was finished."""
        with suppress(OSError):  # closing flushes, which fails on a full disk; the content is lost on purpose
            self.file.close()
        self._draft.unlink(missing_ok=True)


@contextmanager
def draft(path: Path, *, replace: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write; at the end it is moved to `path`, but after an exception nothing has changed.

    Without `replace`, raise `FileExistsError` if `path` exists.
    """
    begun = Draft(path)
    try:
        yield begun.file
        begun.finish(replace=replace)
    finally:
        begun.drop()


def drafts(path: Path) -> list[Path]:
    """Return the drafts that interrupted writes of a file have left."""
    return list(path.parent.glob(f".{path.name}{DRAFT}*"))


def create_empty(path: Path) -> None:
    """Make a file private, creating it if missing, before a library creates it readable by others."""
    make_folder(path.parent)
    with suppress(FileExistsError):
        _opened(path).close()
    path.chmod(0o600)


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


def _keep_move(folder: Path) -> None:
    """Fsync the folder: without this, a power cut may undo the rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
