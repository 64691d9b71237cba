"""Responses and conversations that clients store: encrypted like profiles, in a SQLite file of bounded size.

Each belongs to the API key that made it, and no other key finds it.
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
"""Most responses in a chain of previous responses."""

T = TypeVar("T")
Document = dict[str, Any]
"""A response under `response` with its own input items under `input`; or another stored object."""
Change = Callable[[Document], Document]


class ResponseStore:
    """The stored responses; writes do not wait for the disk, and a read sees all earlier writes."""

    def __init__(self, path: Path, identity: Identity, settings: ResponseSettings) -> None:
        self._path, self._identity, self._settings = path, identity, settings
        self._thread = Background("responses")
        self._database: sqlite3.Connection | None = None

    @property
    def is_enabled(self) -> bool:
        """Tell whether responses are stored."""
        return self._settings.keep

    def keep(self, owner: str, document: Document, id: str | None = None) -> None:  # noqa: A002
        """Store a document under `id`; a response has its own."""
        if self._settings.keep:
            self._thread.start(self._keep, owner, document, id or document["response"]["id"])

    async def find(self, owner: str, id: str) -> Document | None:  # noqa: A002
        """Return a document of `owner`, if it is still stored."""
        return await self._run(self._find, owner, id)

    async def chain(self, owner: str, id: str) -> list[Document]:  # noqa: A002
        """Return a response and its previous ones, the oldest first, back to one that is not stored here."""
        return await self._run(self._chain, owner, id)

    def seal(self, text: str) -> bytes:
        """Encrypt a text that the client stores itself."""
        return self._identity.seal(text.encode("utf-8", "replace"))

    def open(self, sealed: bytes) -> str | None:
        """Decrypt a text from `seal`; return None for anything else."""
        try:
            return self._identity.open(sealed).decode()
        except (DecryptError, ValueError):
            return None

    async def change(self, owner: str, id: str, change: Change) -> Document | None:  # noqa: A002
        """Apply `change` to a document, store and return the result; None if there is no such document.

        It runs in the store's thread, so that no other change interferes.
        """
        return await self._run(self._change, owner, id, change)

    def change_later(self, owner: str, id: str, change: Change) -> None:  # noqa: A002
        """Change a document without waiting for the disk; see `change`."""
        self._thread.start(self._change, owner, id, change)

    async def delete(self, owner: str, id: str) -> bool:  # noqa: A002
        """Delete a document of `owner`; tell whether there was one."""
        return await self._run(self._delete, owner, id)

    async def close(self) -> None:
        """Finish the queued writes, and close the file."""
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
        except DecryptError:  # the profile key has changed
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
        # Using a chain keeps all of its responses.
        ids = [(time.time(), document["response"]["id"]) for document in found]
        self._opened().executemany("UPDATE response SET kept = ? WHERE id = ?", ids)
        return found

    def _delete(self, owner: str, id: str) -> bool:  # noqa: A002
        asked = "DELETE FROM response WHERE id = ? AND owner = ?"
        return self._opened().execute(asked, (id, owner)).rowcount > 0

    def _prune(self) -> None:
        """Delete documents that are too old, and the oldest ones beyond the size limit."""
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
