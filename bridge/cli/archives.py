"""Writes and reads backups for the command line."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from bridge.errors import SetupError
from bridge.settings import MEBIBYTE, ProfileKeySource, Settings
from bridge.storage.atomic import draft
from bridge.storage.backup import Contents, write_backup
from bridge.storage.backup_restore import keep_key, restore_backup
from bridge.storage.private_files import disk_errors, read_private
from bridge.storage.profile_key import Identity, load_identity


def back_up(settings: Settings, file: Path | None) -> str:
    """Write a backup to a new file, or to standard output without one, and return the message for the user."""
    if (key := _named(settings.key_source)) is None:
        raise SetupError(f"There is nothing to back up: {settings.config} has no profile key, so no bridge ran here.")
    if file is not None and file.exists():
        raise SetupError(f"{file} exists already; give each backup a new name.")
    out = nullcontext(sys.stdout.buffer) if file is None else draft(file)
    with disk_errors(f"write the backup {file or 'to standard output'}"), out as archive:
        contents = write_backup(settings.folders, load_identity(settings.key_source), archive)
        archive.flush()
    return f"Backed up {_counts(contents)}. Only the profile key ({key}) opens it: keep a copy of the key elsewhere."


def restore_from(settings: Settings, file: Path | None, key_file: Path | None) -> str:
    """Restore a backup from a file, or from standard input without one, and return the message for the user."""
    source = settings.key_source
    key = _named(source)
    if key is not None and key_file is not None:
        raise SetupError(
            f"This bridge has a profile key already ({key}), and a restored bridge keeps the key of its backup. "
            "Leave out --key-file if both keys are the same; else restore into other folders, or replace the key here."
        )
    identity = load_identity(source) if key is not None else _given(key_file)
    with disk_errors(f"read {file}"), _opened(file) as archive:
        contents = restore_backup(settings.folders, identity, archive)
    if key is None:
        keep_key(source.file, identity)
    return f"Restored {_counts(contents)}. Run each account in one place only: stop the bridge that was backed up."


def _named(key: ProfileKeySource) -> str | None:
    """Return where the profile key is, None where there is none yet."""
    if key.text is not None:
        return "the setting profile_key"
    return None if key.is_made and not key.file.exists() else str(key.file)


def _given(key_file: Path | None) -> Identity:
    if key_file is None:
        raise SetupError("Name the profile key of the bridge that was backed up: --key-file FILE")
    with disk_errors(f"read the key file {key_file}"):
        return Identity.parse(read_private(key_file).decode("ascii", "replace"), f"the key file {key_file}")


def _opened(file: Path | None) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if file is None else file.open("rb")


def _counts(contents: Contents) -> str:
    logins = f"{contents.logins} login{'' if contents.logins == 1 else 's'}"
    return f"{logins} and {contents.files - contents.logins} other files ({contents.size / MEBIBYTE:.1f} MB)"
