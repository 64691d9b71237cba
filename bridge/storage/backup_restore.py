"""Restores the data of a backup into empty folders: all of it, or nothing.

An archive is first unpacked into a temporary folder. It is not trusted: anyone with the public half of the profile key
can make one.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import BinaryIO

from pyrage import DecryptError  # type: ignore[import-untyped]

from bridge.errors import SetupError
from bridge.settings import DataFolders
from bridge.storage.atomic import create_file, draft, make_folder
from bridge.storage.backup import ABOUT, FORMAT, LEFT_OUT, Contents, by_name, through_pipe
from bridge.storage.file_locks import lock_folders
from bridge.storage.private_files import disk_errors
from bridge.storage.profile_key import Identity

LARGEST = 2 * 1024**3
"""Most bytes of one file."""
MOST_FILES = 200_000
NOT_A_BACKUP = "This is not a backup of a bridge, or it is damaged"


def restore_backup(places: DataFolders, identity: Identity, source: BinaryIO, most_files: int = MOST_FILES) -> Contents:
    """Restore an archive of `write_backup`; blocks. Raise `SetupError` if data exists already or a bridge runs."""
    folders = by_name(places)
    with lock_folders(*folders.values()), _staging(folders) as staged:
        contents = Contents()
        try:
            through_pipe(
                lambda pipe: identity.open_stream(source, pipe),
                lambda pipe: _unpack(pipe, staged, contents, most_files),
            )
        except DecryptError as error:
            raise SetupError(
                "The key does not open this backup, or this is not a backup. Name the profile key of the bridge that"
                " wrote it with --key-file."
            ) from error
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise SetupError(f"{NOT_A_BACKUP}: {error}.") from error
        _refuse_present(folders, staged)
        with disk_errors("put the data into its place"):
            _move(folders, staged)
        return contents


def keep_key(file: Path, identity: Identity) -> None:
    """Store the key of a restored backup in the bridge's key file."""
    with disk_errors(f"write the profile key into {file.parent}"):
        create_file(file, identity.export().encode())


@contextmanager
def _staging(folders: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Yield a new folder inside each folder, so that its files can be moved by renaming."""
    with ExitStack() as undo:
        staged = {}
        for name, folder in folders.items():
            with disk_errors(f"write into {folder}"):
                make_folder(folder)
                staged[name] = Path(mkdtemp(prefix=".restore-", dir=folder))
            undo.callback(shutil.rmtree, staged[name], ignore_errors=True)
        yield staged


def _unpack(pipe: BinaryIO, staged: Mapping[str, Path], contents: Contents, most_files: int) -> None:
    with tarfile.open(fileobj=pipe, mode="r|gz") as archive:
        _check_about(archive, archive.next())
        while (member := archive.next()) is not None:
            folder, path = _place_of(member, staged)
            make_folder(path.parent)
            _extract(archive, member, path)
            contents.add(folder, member.size)
            if contents.files > most_files:
                raise ValueError(f"it has more than {most_files} files")
        while pipe.read(2**16):  # data after the archive's end is authenticated, too
            pass


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member)
    assert content is not None  # noqa: S101 - it is a file
    with disk_errors(f"write {path}"), content, draft(path, replace=False) as file:
        shutil.copyfileobj(content, file)


def _check_about(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> None:
    if member is None or member.name != ABOUT or not member.isfile() or member.size > 2**16:
        raise ValueError("it does not begin like one")
    file = archive.extractfile(member)
    assert file is not None  # noqa: S101 - it is a file
    about = json.loads(file.read())
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise ValueError("it does not name its format")
    if about["format"] > FORMAT:
        raise SetupError(f"A newer bridge ({about.get('bridge')}) wrote this backup. Update this one first.")


def _place_of(member: tarfile.TarInfo, staged: Mapping[str, Path]) -> tuple[str, Path]:
    """Return the folder and the path of a file; the path is inside the folder, whatever the file's name."""
    folder, *parts = PurePosixPath(member.name).parts or ("",)
    is_inside = folder in staged and parts and ".." not in parts
    is_known = is_inside and not (folder == "config" and parts[0] in LEFT_OUT)
    if not member.isfile() or not is_known or member.size > LARGEST:
        raise ValueError("it holds something other than files of a bridge")
    return folder, staged[folder].joinpath(*parts)


def _refuse_present(folders: Mapping[str, Path], staged: Mapping[str, Path]) -> None:
    for name, folder in folders.items():
        for path in sorted(staged[name].iterdir()):
            if (folder / path.name).exists():
                raise SetupError(
                    f"{folder / path.name} already exists, and a backup is only restored into empty folders. Move it"
                    " away, or name other folders with the settings config, profiles and files.folder."
                )


def _move(folders: Mapping[str, Path], staged: Mapping[str, Path]) -> None:
    for name, folder in folders.items():
        for path in sorted(staged[name].iterdir()):
            path.rename(folder / path.name)
