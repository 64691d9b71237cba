"""Opens SQLite files of the bridge: private, with a schema version, in WAL mode."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from bridge.errors import StorageError
from bridge.storage.atomic import create_empty


def open_database(
    path: Path, schema: str, version: int, migrate: Callable[[sqlite3.Connection], None] = lambda _: None
) -> sqlite3.Connection:
    """Open the file, create its missing tables, let `migrate` change old ones, and return the autocommit connection.

    The version is in `user_version`; a new file has 0. Raise a `StorageError` for a file of a later version.
    """
    create_empty(path)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _check_version(database, path, version)
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(schema)
        migrate(database)
        database.execute(f"PRAGMA user_version = {version}")  # last, so that an interrupted start migrates again
    except BaseException:
        database.close()
        raise
    return database


def _check_version(database: sqlite3.Connection, path: Path, version: int) -> None:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found > version:
        raise StorageError(
            f"A newer version of the bridge wrote {path} (schema {found}; this one knows"
            f" {version}). Start that version again, or remove the file to start over."
        )
