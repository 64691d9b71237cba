"""Files that clients keep here to name them by id: in one folder, mode 0600, with limits, and not for ever.

A file is two: its bytes under its id, and `<id>.json` with what is known about it, written last. What a client calls
it is only in there; a path is made of nothing but an id of ours.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from bridge.errors import FileTooLarge, RequestError, UnknownFile
from bridge.settings import MEBIBYTE, Settings

ID = re.compile(r"file-[0-9a-f]{32}")
DAY = 86_400.0
ABANDONED = 3600.0
"""Seconds after which a file that was never finished is removed."""


class StoredFile(BaseModel):
    """What is known about a file; times are Unix times."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str
    name: str
    media_type: str
    purpose: str
    size: int
    created: float
    expires: float


class FileStore:
    """The folder of the stored files; it is made when the first one comes."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.files.folder or settings.config / "files"
        self._limits = settings.files

    def keep(self, source: BinaryIO, name: str, media_type: str, purpose: str, days: float | None = None) -> StoredFile:
        """Keep what is left in `source`, `days` long where that is less than the settings say.

        Raises a `RequestError` where it is empty, or where there is no room for it.
        """
        self.purge()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        id_ = f"file-{secrets.token_hex(16)}"
        try:
            with _new(self._folder / id_) as file:
                size = self._copy(source, file)
            now = time.time()
            expires = now + DAY * min(days or self._limits.max_age, self._limits.max_age)
            about = {"id": id_, "name": name, "media_type": media_type, "purpose": purpose}
            known = StoredFile(**about, size=size, created=now, expires=expires)
            with _new(self._about(id_).with_suffix(".draft")) as file:
                file.write(known.model_dump_json().encode())
            self._about(id_).with_suffix(".draft").replace(self._about(id_))
        except BaseException:
            self._remove(id_)
            raise
        return known

    def all(self) -> list[StoredFile]:
        """Return the files, the newest first."""
        known = [self._read(path) for path in self._folder.glob("file-*.json")]
        living = [file for file in known if file is not None and file.expires > time.time()]
        return sorted(living, key=lambda file: (file.created, file.id), reverse=True)

    def one(self, id_: str, param: str = "id") -> StoredFile:
        """Return what is known about a file; raises `UnknownFile`."""
        known = self._read(self._about(id_)) if ID.fullmatch(id_) else None
        if known is None or known.expires <= time.time():
            raise UnknownFile("There is no file of that id here, or its time is over.", param=param)
        return known

    def content(self, id_: str, param: str = "id") -> bytes:
        """Return the bytes of a file; raises `UnknownFile`."""
        known = self.one(id_, param)
        try:
            return (self._folder / known.id).read_bytes()
        except FileNotFoundError:
            raise UnknownFile("The file of that id was deleted.", param=param) from None

    def delete(self, id_: str) -> None:
        """Delete a file; raises `UnknownFile`."""
        self._remove(self.one(id_).id)

    def purge(self) -> None:
        """Remove the files whose time is over, and what was never finished."""
        now = time.time()
        for path in self._folder.glob("file-*"):
            with suppress(FileNotFoundError):
                known = self._read(self._about(path.stem))
                if known.expires <= now if known else path.stat().st_mtime < now - ABANDONED:
                    self._remove(path.stem)

    def _copy(self, source: BinaryIO, file: BinaryIO) -> int:
        """Copy as much as is allowed, and return how much that was."""
        room = self._limits.max_stored - sum(one.size for one in self.all())
        size = 0
        while data := source.read(MEBIBYTE):
            size += len(data)
            if size > self._limits.max_bytes:
                raise FileTooLarge(f"A file may have {self._limits.max_bytes} bytes (files.max_bytes).", param="file")
            if size > room:
                most = self._limits.max_stored
                raise FileTooLarge(f"All files may have {most} bytes (files.max_stored); delete some.", param="file")
            file.write(data)
        if not size:
            raise RequestError("The file is empty.", param="file")
        file.flush()
        os.fsync(file.fileno())
        return size

    def _remove(self, id_: str) -> None:
        path = self._about(id_)
        for each in (path, path.with_suffix(".draft"), self._folder / id_):
            each.unlink(missing_ok=True)

    def _read(self, path: Path) -> StoredFile | None:
        try:
            return StoredFile.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _about(self, id_: str) -> Path:
        return self._folder / f"{id_}.json"


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")
