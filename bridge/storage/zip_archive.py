"""Packs the stored files of a chat or a page into one archive."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from bridge.errors import BodyTooLarge

MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of all files of an archive together."""


def zipped(files: Iterable[Path]) -> bytes:
    """Return the files as an archive; blocks. Raise `BodyTooLarge` if they have more than `MOST_BYTES`."""
    body, size = BytesIO(), 0
    with ZipFile(body, "w", ZIP_DEFLATED) as archive:
        for path in files:
            size += path.stat().st_size
            if size > MOST_BYTES:
                raise BodyTooLarge(f"It has more than {MOST_BYTES} bytes; look at it in {path.parent} instead.")
            archive.write(path, path.name)
    return body.getvalue()


def in_folder(folder: Path) -> list[Path]:
    """Return the files in a folder."""
    return sorted(path for path in folder.iterdir() if path.is_file())
