"""Files that clients upload and refer to by id: in one folder, mode 0600, with limits of number, size and age.

Each is stored as two files: its bytes under its id, and `<id>.json` with its description, written last, so that bytes
without a description are an interrupted upload. Paths contain only ids of the bridge, never a client's name. The
descriptions are read once and kept in memory.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from threading import Lock, RLock
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.chat.made_ids import new_id
from bridge.durations import DAY, HOUR
from bridge.errors import FileTooLarge, RequestError, StorageError, UnknownFile
from bridge.settings import FileSettings
from bridge.storage.atomic import Draft, write_file

ID = re.compile(r"file-[0-9a-f]{32}")
ABANDONED = HOUR
"""Seconds after which an unfinished file is removed."""


class StoredFile(BaseModel):
    """The description of a file; times are Unix times."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str
    name: str
    media_type: str
    purpose: str
    size: int
    created: float
    expires: float
    digest: str = ""
    """SHA-256 of the bytes."""


class FileStore:
    """The folder of the stored files; `mark` is the prefix of the ids that are made here.

    All methods block, and are safe to call from any thread.
    """

    def __init__(self, folder: Path, limits: FileSettings, mark: str = "") -> None:
        self.folder = folder
        self.mark = mark
        self._limits = limits
        self._lock = RLock()
        self._files: dict[str, StoredFile] | None = None
        self._stored = 0
        """Bytes of all files, including unfinished uploads."""
        self._arriving = 0
        self._looked = 0.0

    def begin(self) -> None:
        """Count a new upload; raise a `FileTooLarge` if the limit of files is reached."""
        with self._known() as files:
            self.purge()
            if len(files) + self._arriving >= (most := self._limits.max_files):
                raise FileTooLarge(
                    f"The bridge stores at most {most} files (files.max_files); delete some first.", param="file"
                )
            self._arriving += 1

    def all(self) -> list[StoredFile]:
        """Return the files, the newest first."""
        now = time.time()
        with self._known() as files:
            return [file for file in reversed(files.values()) if file.expires > now]

    def one(self, id_: str, param: str = "id") -> StoredFile:
        """Return the description of a file; raise `UnknownFile` if there is none."""
        with self._known() as files:
            known = files.get(id_)
        if known is None or known.expires <= time.time():
            raise UnknownFile("There is no file with that id, or it has expired.", param=param)
        return known

    def open(self, id_: str) -> BinaryIO:
        """Open a file to read its bytes; raise `UnknownFile` if there is none."""
        known = self.one(id_)
        try:
            with disk():
                return self.path(known.id).open("rb")
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise UnknownFile("The file with that id was deleted.", param="id") from None
            raise

    def path(self, id_: str) -> Path:
        """Return the path of a file's bytes, which may be deleted any time."""
        return self.folder / id_

    def delete(self, id_: str) -> None:
        """Delete a file; raise `UnknownFile` if there is none."""
        with self._known():
            self._remove(self.one(id_))

    def purge(self) -> None:
        """Remove expired files, and from time to time unfinished ones."""
        now = time.time()
        with self._known() as files:
            if now > self._looked + ABANDONED:
                self._looked = now
                self._remove_abandoned()
            for file in [file for file in files.values() if file.expires <= now]:
                self._remove(file)

    def take(self, size: int, before: int) -> None:
        """Reserve `size` more bytes for an upload that has `before`; raise a `FileTooLarge` that names the limit."""
        if before + size > (most := self._limits.max_bytes):
            raise FileTooLarge(f"A file may have at most {most} bytes (files.max_bytes).", param="file")
        with self._lock:
            if self._stored + size > (most := self._limits.max_stored):
                raise FileTooLarge(
                    f"All stored files may have at most {most} bytes (files.max_stored); delete some first.",
                    param="file",
                )
            self._stored += size

    def add(self, file: StoredFile) -> StoredFile:
        """Add a file whose bytes are stored; the settings limit its age."""
        file = file.model_copy(update={"expires": min(file.expires, file.created + DAY * self._limits.max_age)})
        write_file(self._about(file.id), file.model_dump_json().encode())
        with self._known() as files:
            files[file.id] = file
            self._arriving -= 1
        return file

    def drop(self, id_: str, size: int) -> None:
        """Forget an upload that was not finished."""
        with self._lock:
            self._stored -= size
            self._arriving -= 1
        self.path(id_).unlink(missing_ok=True)

    @contextmanager
    def _known(self) -> Iterator[dict[str, StoredFile]]:
        """Lock and yield the files, which the first call reads; raise a `StorageError` if the disk fails."""
        with self._lock, disk():
            if self._files is None:
                found = list(filter(None, map(self._read, self.folder.glob("file-*.json"))))
                found.sort(key=lambda file: (file.created, file.id))
                self._files = {file.id: file for file in found}
                self._stored += sum(file.size for file in found)
            yield self._files

    def _read(self, path: Path) -> StoredFile | None:
        try:
            known = StoredFile.model_validate_json(path.read_bytes())
            if not known.digest:  # an older version wrote it
                known = self._with_digest(known)
        except (FileNotFoundError, ValidationError):
            return None
        return known if ID.fullmatch(known.id) and known.id == path.stem else None

    def _with_digest(self, known: StoredFile) -> StoredFile:
        with self.path(known.id).open("rb") as file:
            known = known.model_copy(update={"digest": file_digest(file, "sha256").hexdigest()})
        write_file(self._about(known.id), known.model_dump_json().encode())
        return known

    def _remove_abandoned(self) -> None:
        """Remove unfinished files."""
        oldest = time.time() - ABANDONED
        for path in (*self.folder.glob("file-*"), *self.folder.glob(".file-*")):
            if self._files is not None and path.stem not in self._files and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _remove(self, file: StoredFile) -> None:
        self._about(file.id).unlink(missing_ok=True)
        self.path(file.id).unlink(missing_ok=True)
        if self._files is not None and self._files.pop(file.id, None) is not None:
            self._stored -= file.size

    def _about(self, id_: str) -> Path:
        return self.folder / f"{id_}.json"


class Upload:
    """A file that is being uploaded; its bytes count at once. All methods block."""

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._id = f"file-{new_id(store.mark).hex}"
        self._lock = Lock()  # when a client leaves, `close` may run during a `write`
        self._draft: Draft | None = None
        self._is_counted = self._is_over = False
        self._size = 0
        self._hash = sha256()

    def write(self, data: bytes) -> None:
        """Write the next bytes; raise a `RequestError` if the file becomes too large."""
        with self._lock, disk():
            if self._is_over:
                return
            if not self._is_counted:
                self._store.begin()
                self._is_counted = True
            self._draft = self._draft or Draft(self._store.path(self._id))
            self._store.take(len(data), self._size)
            self._size += len(data)
            self._hash.update(data)
            self._draft.file.write(data)

    def keep(self, name: str, media_type: str, purpose: str, days: float | None = None) -> StoredFile:
        """Store the file for `days` or the settings' limit, whichever is less; raise a `RequestError` if empty."""
        with self._lock, disk():
            if self._draft is None or not self._size:
                raise RequestError("The file is empty.", param="file")
            self._draft.finish()
            about = {"id": self._id, "name": name, "media_type": media_type, "purpose": purpose}
            times = {"created": (now := time.time()), "expires": now + DAY * days if days else math.inf}
            kept = self._store.add(StoredFile(**about, **times, size=self._size, digest=self._hash.hexdigest()))
            self._is_over = True
            return kept

    def close(self) -> None:
        """Delete the file unless it was stored."""
        with self._lock:
            if self._draft is not None and not self._is_over:
                self._draft.drop()
            if self._is_counted and not self._is_over:
                self._store.drop(self._id, self._size)
            self._is_over = True


@contextmanager
def disk() -> Iterator[None]:
    """Raise a `StorageError` in place of an `OSError` of the disk."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"The bridge cannot use its folder of files: {error.strerror or error}.") from error
