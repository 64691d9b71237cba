"""What the bridge writes is there whole or not at all, and for its owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from bridge.api.access.credentials import load_credentials
from bridge.browser.processes import RunFile
from bridge.settings import ConversationSettings, Settings
from bridge.storage.account_states import AccountState, AccountStatesFile
from bridge.storage.atomic import create_empty, create_file, draft, write_file
from bridge.storage.conversation_file import ConversationFile
from bridge.storage.profile_key import load_identity
from bridge.telemetry import WorkerState
from tests.support.full_disk import full_disk


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """Give each file the widest mode that whoever makes it does not forbid."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_and_each_folder_made_for_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    write_file(tmp_path / "a" / "b" / "c", b"1")
    assert [mode(tmp_path / path) for path in ("a", "a/b", "a/b/c")] == [0o700, 0o700, 0o600]
    (tmp_path / "a/b/c").chmod(0o644)
    write_file(tmp_path / "a" / "b" / "c", b"2")
    assert (mode(tmp_path / "a/b/c"), (tmp_path / "a/b/c").read_bytes()) == (0o600, b"2")


def test_a_file_that_is_there_is_never_created_again(tmp_path: Path) -> None:
    create_file(tmp_path / "a", b"1")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "a", b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"1"


def give_up_after(file: BinaryIO) -> NoReturn:
    file.write(b"half")
    raise BrokenPipeError


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")
    with pytest.raises(BrokenPipeError), draft(tmp_path / "a") as file:
        give_up_after(file)
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_file(tmp_path / "a", b"x" * 100_000)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_draft_follows_no_link_and_an_empty_file_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    write_file(tmp_path / "a", b"ours")
    assert (tmp_path / "target").read_bytes() == b"theirs"
    (tmp_path / "b").touch(0o644)
    for name in "bc":
        create_empty(tmp_path / name)
        assert mode(tmp_path / name) == 0o600


def test_everything_below_the_config_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    config = tmp_path / "config"
    settings = Settings(config=config, profiles=config / "profiles")
    load_credentials(settings.config, settings.server, settings.dashboard)
    load_identity(settings.key_source)
    AccountStatesFile(config).put("alice", AccountState(WorkerState.MUTED, "", datetime.now(UTC) + timedelta(1)))
    note = RunFile(config / "run", os.getpid())
    conversations = ConversationFile(config / "conversations.db", ConversationSettings())
    conversations.forget("made to write")
    made = sorted(config.rglob("*"))
    assert len(made) >= 7
    wrong = {path: oct(mode(path)) for path in [config, *made] if mode(path) != (0o700 if path.is_dir() else 0o600)}
    assert wrong == {}
    conversations.close()
    note.remove()
