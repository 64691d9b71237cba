"""Writes the files of a prompt where Chromium can read them, and names them in errors."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.chat.types import Attachment
from bridge.errors import FileRejected, StorageError, UnknownFile

NO_ROOM = "The bridge cannot write the files for the browser: {}."


def rejected(files: Sequence[Attachment], why: str) -> FileRejected:
    """Return the error that names the files, of which at least one was rejected."""
    return FileRejected(f"The site did not accept {named(files)}: {why.rstrip('.')}.", param=files[0].param)


def named(files: Sequence[Attachment]) -> str:
    """Return the files' names as text for a message."""
    return f"the file {', '.join(repr(one.name) for one in files)}"


@asynccontextmanager
async def on_disk(attachments: Sequence[Attachment]) -> AsyncGenerator[list[Path]]:
    """Yield paths of the files in a temporary folder that only this user can read.

    Chromium reads them from there, because a large file would block the pipe to the browser.
    """
    folder = await asyncio.to_thread(_new_folder)
    try:
        yield await asyncio.to_thread(_put, attachments, Path(folder.name))
    finally:
        await asyncio.shield(asyncio.to_thread(folder.cleanup))


def _new_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="bridge-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StorageError(NO_ROOM.format(error.strerror or error)) from error


def _put(attachments: Sequence[Attachment], folder: Path) -> list[Path]:
    """Write each file under its name into a folder of its own, since two files may share a name."""
    paths = [folder / str(number) / attachment.name for number, attachment in enumerate(attachments)]
    for path, attachment in zip(paths, attachments, strict=True):
        try:
            path.parent.mkdir()
            if attachment.path is None:
                path.write_bytes(attachment.data)
            else:
                shutil.copyfile(attachment.path, path)
        except FileNotFoundError as error:
            message = f"The file '{attachment.name}' was deleted before it was sent."
            raise UnknownFile(message, param=attachment.param) from error
        except OSError as error:
            raise StorageError(NO_ROOM.format(error.strerror or error)) from error
    return paths
