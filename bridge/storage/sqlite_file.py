"""Opens SQLite files of the bridge: private, with a version of their schema, and in WAL mode."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bridge.errors import StorageError
from bridge.storage.atomic import create_empty


def open_database(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """Open the file, make its tables where they are not there, and return the connection, which commits by itself.

    The version is in `user_version`; a new file has 0. Raises a `StorageError` for a file of a later version.
    """
    create_empty(path)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database, path, schema, version)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path, schema: str, version: int) -> None:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found > version:
        raise StorageError(
            f"A newer version of the bridge wrote {path.name} (schema {found}; this one knows"
            f" {version}). Start that version again, or remove the file to start over."
        )
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(f"{schema}\nPRAGMA user_version = {version};")
