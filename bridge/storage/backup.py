"""Writes one encrypted archive of all data of a bridge, even while it runs.

Files that the bridge replaces atomically are read directly; databases are copied consistently first. The archive is
encrypted with the profile key, which is not in it: without that key the archive is worthless.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from bridge import __version__
from bridge.errors import StorageError
from bridge.settings import DataFolders
from bridge.storage.private_files import disk_errors
from bridge.storage.profile_key import Identity

FORMAT = 1
"""Version of the archive's format; the files in it have their own versions."""
ABOUT = "backup.json"
"""The first file of an archive: its format, and the version that wrote it."""
PROFILE = ".age"
DATABASES = (".db", ".sqlite")
LEFT_OUT = frozenset({"profile.key", "run", "bundles", "files"})
"""Names in the config folder that are left out: the archive's key, data that a start re-creates, and other folders."""
BESIDE_DATABASE = ("-wal", "-shm", "-journal")
PASSING = (".", "Singleton")
"""Prefixes of locks, drafts, and Chromium's marks of a folder in use."""


@dataclass(slots=True)
class Contents:
    """Totals of an archive."""

    logins: int = 0
    files: int = 0
    size: int = 0

    def add(self, folder: str, size: int) -> None:
        """Count a file in a folder."""
        self.logins += folder == "profiles"
        self.files += 1
        self.size += size


def by_name(folders: DataFolders) -> dict[str, Path]:
    """Return a bridge's data folders by their names in an archive."""
    return {"profiles": folders.profiles, "config": folders.config, "files": folders.files}


def write_backup(folders: DataFolders, identity: Identity, out: BinaryIO) -> Contents:
    """Write an archive of all data to `out`; blocks. Raise `StorageError` if a file cannot be read."""
    contents = Contents()

    def fill(pipe: BinaryIO) -> None:
        with tarfile.open(fileobj=pipe, mode="w|gz") as archive, _scratch(folders.config) as scratch:
            _add(archive, ABOUT, BytesIO(json.dumps({"format": FORMAT, "bridge": __version__}).encode()))
            _fill(archive, by_name(folders), scratch, contents)

    through_pipe(fill, lambda pipe: identity.seal_stream(pipe, out))
    return contents


def through_pipe(write: Callable[[BinaryIO], None], read: Callable[[BinaryIO], None]) -> None:
    """Run `write` and `read` at the two ends of a pipe; raise an error of either, the writer's first."""
    reading, writing = os.pipe()

    def run() -> None:
        with os.fdopen(writing, "wb") as pipe:
            write(pipe)

    with ThreadPoolExecutor(1) as thread:
        written = thread.submit(run)
        try:
            with os.fdopen(reading, "rb") as pipe:
                read(pipe)
        finally:
            with suppress(BrokenPipeError):  # if the reader has failed, and closed its end
                written.result()


@contextmanager
def _scratch(config: Path) -> Iterator[Path]:
    """Yield a temporary folder for copies of databases, as private as the databases themselves."""
    with ExitStack() as undo:
        with disk_errors(f"write into {config}"):
            folder = undo.enter_context(TemporaryDirectory(prefix=".backup-", dir=config))
        yield Path(folder)


def _fill(archive: tarfile.TarFile, folders: dict[str, Path], scratch: Path, contents: Contents) -> None:
    for folder, root in folders.items():
        for path in _files_of(folder, root):
            try:
                content = _content(path, root, scratch)
            except FileNotFoundError:
                continue  # deleted meanwhile
            except (OSError, sqlite3.Error) as error:
                raise StorageError(f"Cannot read {path}: {error}.") from error
            with content:
                size = _add(archive, f"{folder}/{path.relative_to(root).as_posix()}", content)
            contents.add(folder, size)


def _files_of(folder: str, root: Path) -> Iterator[Path]:
    """Yield the files of a folder that are archived."""
    match folder:
        case "profiles":
            yield from sorted(path for path in root.glob(f"*{PROFILE}") if path.is_file())
        case "config":
            for path in sorted(root.glob("*")):
                if path.name not in LEFT_OUT and not path.name.endswith(BESIDE_DATABASE):
                    yield from _below(path)
        case _:
            for path in sorted(root.glob("*")):
                yield from _below(path)


def _below(path: Path) -> Iterator[Path]:
    """Yield the files at and below a path, without following links."""
    if path.name.startswith(PASSING) or path.is_symlink():
        return
    if path.is_dir():
        with suppress(FileNotFoundError):  # deleted meanwhile
            for inner in sorted(path.iterdir()):
                yield from _below(inner)
    elif path.is_file():
        yield path


def _content(path: Path, root: Path, scratch: Path) -> BinaryIO:
    """Return a file's bytes; for a database of the bridge, those of a consistent copy, even while it is written."""
    if path.parent != root or path.suffix not in DATABASES:
        return BytesIO(path.read_bytes())  # at once, as Chromium may change its files meanwhile
    copy = scratch / path.name
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy.open("rb")


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO) -> int:
    """Add a file, and return its size."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = content.seek(0, os.SEEK_END), 0o600
    content.seek(0)
    archive.addfile(member, content)
    return member.size
