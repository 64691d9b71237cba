"""Responses and conversations that clients asked to be kept: encrypted like profiles, in a SQLite file, bounded.

Each belongs to the key that made it; nobody else finds it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pyrage import DecryptError  # type: ignore[import-untyped]

from bridge.background import Background
from bridge.durations import DAY
from bridge.errors import StorageError
from bridge.settings import ResponseSettings
from bridge.storage.profile_key import Identity
from bridge.storage.sqlite_file import open_database

VERSION = 1
"""Version of the schema, stored in `user_version`; a new file has 0."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS response (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, kept REAL NOT NULL, size INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS by_age ON response (kept);
"""
DISK_LIMIT = 10.0
"""Seconds that a request waits for the disk."""
LONGEST_CHAIN = 1000
"""Responses that may go on from each other."""

T = TypeVar("T")
Document = dict[str, Any]
"""A response under `response`, and the items of its own input under `input`; or what is kept beside responses."""
Change = Callable[[Document], Document]


class ResponseStore:
    """The kept responses; a write waits for no disk, and every read comes after the writes before it."""

    def __init__(self, path: Path, identity: Identity, settings: ResponseSettings) -> None:
        self._path, self._identity, self._settings = path, identity, settings
        self._thread = Background("responses")
        self._database: sqlite3.Connection | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether anything is kept."""
        return self._settings.keep

    def keep(self, owner: str, document: Document, id: str | None = None) -> None:  # noqa: A002
        """Keep a document under its id; that of a response is its own."""
        if self._settings.keep:
            self._thread.start(self._keep, owner, document, id or document["response"]["id"])

    async def find(self, owner: str, id: str) -> Document | None:  # noqa: A002
        """Return a response of `owner`, if it is still kept."""
        return await self._run(self._find, owner, id)

    async def chain(self, owner: str, id: str) -> list[Document]:  # noqa: A002
        """Return a response and those before it, the oldest first, up to one that is not kept here."""
        return await self._run(self._chain, owner, id)

    def seal(self, text: str) -> bytes:
        """Encrypt a text that the client keeps itself."""
        return self._identity.seal(text.encode("utf-8", "replace"))

    def open(self, sealed: bytes) -> str | None:
        """Return the text that `seal` was given; None for anything else."""
        try:
            return self._identity.open(sealed).decode()
        except (DecryptError, ValueError):
            return None

    async def change(self, owner: str, id: str, change: Change) -> Document | None:  # noqa: A002
        """Keep what `change` makes of a document, and return it; None where there is none.

        It is called in the store's thread, so that no other change comes between.
        """
        return await self._run(self._change, owner, id, change)

    def change_later(self, owner: str, id: str, change: Change) -> None:  # noqa: A002
        """Change a document, and wait for no disk; see `change`."""
        self._thread.start(self._change, owner, id, change)

    async def delete(self, owner: str, id: str) -> bool:  # noqa: A002
        """Delete a response of `owner`; return whether there was one."""
        return await self._run(self._delete, owner, id)

    async def close(self) -> None:
        """Write what is still to be kept, and close the file."""
        self._thread.start(self._close)
        await self._thread.close()

    async def _run(self, work: Callable[..., T], *given: object) -> T:
        try:
            return await self._thread.run(DISK_LIMIT, work, *given)
        except (sqlite3.Error, OSError) as error:
            raise StorageError("The bridge cannot look up responses: its disk fails.") from error

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_database(self._path, SCHEMA, VERSION)
            self._database.execute("PRAGMA secure_delete = ON")
            self._prune()
        return self._database

    def _change(self, owner: str, id: str, change: Change) -> Document | None:  # noqa: A002
        found = self._find(owner, id)
        if found is None:
            return None
        changed = change(found)
        self._keep(owner, changed, id)
        return changed

    def _keep(self, owner: str, document: Document, id: str) -> None:  # noqa: A002
        sealed = self._identity.seal(json.dumps(document).encode())
        values = (id, owner, time.time(), len(sealed), sealed)
        self._opened().execute("INSERT OR REPLACE INTO response VALUES (?, ?, ?, ?, ?)", values)
        self._prune()

    def _find(self, owner: str, id: str) -> Document | None:  # noqa: A002
        asked = "SELECT sealed FROM response WHERE id = ? AND owner = ? AND kept > ?"
        row = self._opened().execute(asked, (id, owner, self._oldest())).fetchone()
        if row is None:
            return None
        try:
            found: Document = json.loads(self._identity.open(row[0]))
        except DecryptError:  # the profile key is another one now
            return None
        return found

    def _chain(self, owner: str, id: str) -> list[Document]:  # noqa: A002
        found: list[Document] = []
        wanted: str | None = id
        while wanted is not None and len(found) <= LONGEST_CHAIN:
            document = self._find(owner, wanted)
            if document is None or "response" not in document:
                break
            found.insert(0, document)
            wanted = document["response"]["previous_response_id"]
        # A chain that is in use keeps its beginning.
        ids = [(time.time(), document["response"]["id"]) for document in found]
        self._opened().executemany("UPDATE response SET kept = ? WHERE id = ?", ids)
        return found

    def _delete(self, owner: str, id: str) -> bool:  # noqa: A002
        asked = "DELETE FROM response WHERE id = ? AND owner = ?"
        return self._opened().execute(asked, (id, owner)).rowcount > 0

    def _prune(self) -> None:
        """Delete what is too old, and the oldest where all are too large together."""
        if self._database is None:
            return
        self._database.execute("DELETE FROM response WHERE kept <= ?", (self._oldest(),))
        self._database.execute(
            "DELETE FROM response WHERE id IN (SELECT id FROM"
            " (SELECT id, SUM(size) OVER (ORDER BY kept DESC, id) AS total FROM response) WHERE total > ?)",
            (self._settings.max_bytes,),
        )

    def _oldest(self) -> float:
        return time.time() - self._settings.max_age * DAY

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
