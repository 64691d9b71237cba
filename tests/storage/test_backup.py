"""A backup holds all data of a bridge that runs, opens with its key alone, and is restored whole or not at all."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from bridge.errors import SetupError, StorageError
from bridge.settings import FileSettings, Settings
from bridge.storage.atomic import write_file
from bridge.storage.backup import write_backup
from bridge.storage.backup_restore import restore_backup
from bridge.storage.file_locks import lock_folders
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.storage.sqlite_file import open_database
from tests.support.full_disk import full_disk

STATE: dict[str, list[object]] = {"cookies": [], "origins": []}


def settings_in(folder: Path) -> Settings:
    return Settings(
        config=folder / "config", profiles=folder / "profiles", files=FileSettings(folder=folder / "stored")
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of a bridge that has data of each kind."""
    made = settings_in(tmp_path / "one")
    store = ProfileStore(made.profiles, load_identity(made.key_source))
    store.save(Profile(name="alice", site="deepseek", url="https://chat.example.com", storage_state=STATE))
    for path, text in {
        made.config / "api_keys": "sk-bridge-1\n",
        made.config / "parked.json": "{}",
        made.config / "unsettled" / "alice.json": "[]",
        made.config / "browsers" / "alice-1" / "Default" / "Cookies": "SQLite format 3",
        made.config / "run" / "openers" / "xdg-open": "passing",
        made.config / ".parked.json~0123": "a draft",
        made.profiles / "README.md": "not a login",
        tmp_path / "one" / "stored" / "file-1": "bytes",
        tmp_path / "one" / "stored" / "file-1.json": "{}",
    }.items():
        write_file(path, text.encode())
    (made.config / "browsers" / "alice-1" / "SingletonLock").symlink_to("here-1")
    return made


def backup_of(settings: Settings) -> bytes:
    out = io.BytesIO()
    write_backup(settings.folders, load_identity(settings.key_source), out)
    return out.getvalue()


def restored(archive: bytes, settings: Settings, identity: Identity) -> None:
    restore_backup(settings.folders, identity, io.BytesIO(archive))


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder but the locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def archive_of(
    files: dict[str, bytes], identity: Identity, about: object = None, kind: bytes = tarfile.REGTYPE
) -> bytes:
    """Return an archive as somebody makes it who knows the public half of the key."""
    plain, sealed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w:gz") as tar:
        for name, content in {
            "backup.json": json.dumps({"format": 1} if about is None else about).encode(),
            **files,
        }.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content), tarfile.REGTYPE if name == "backup.json" else kind
            member.linkname = "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    plain.seek(0)
    identity.seal_stream(plain, sealed)
    return sealed.getvalue()


def test_a_restored_bridge_has_all_that_the_first_one_had_but_its_key_and_what_passes(
    settings: Settings, tmp_path: Path
) -> None:
    other = settings_in(tmp_path / "other")
    restored(backup_of(settings), other, load_identity(settings.key_source))
    lost = {
        *("config/profile.key", "config/run/openers/xdg-open", "config/.parked.json~0123", "profiles/README.md"),
        "config/browsers/alice-1/SingletonLock",
    }
    before = {name: content for name, content in files_in(tmp_path / "one").items() if name not in lost}
    assert files_in(tmp_path / "other") == before
    assert ProfileStore(other.profiles, load_identity(settings.key_source)).load("alice").name == "alice"
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "other").rglob("*")}
    assert modes == {0}, "nobody else may read it"


def test_a_database_in_use_is_copied_as_it_is_at_one_moment(settings: Settings, tmp_path: Path) -> None:
    path = settings.config / "usage.sqlite"
    with closing(open_database(path, "CREATE TABLE IF NOT EXISTS t (n INTEGER);", 1)) as database:
        database.execute("INSERT INTO t VALUES (1)")
        database.execute("BEGIN")
        database.execute("INSERT INTO t VALUES (2)")  # not committed
        archive = backup_of(settings)
        database.execute("COMMIT")
    other = settings_in(tmp_path / "other")
    restored(archive, other, load_identity(settings.key_source))
    with closing(sqlite3.connect(other.config / "usage.sqlite")) as copy:
        assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_without_the_key_a_backup_does_not_open_and_shows_no_word_of_it(settings: Settings, tmp_path: Path) -> None:
    archive = backup_of(settings)
    for word in (b"sk-bridge", b"alice", b"profile", b"SQLite"):
        assert word not in archive
    with pytest.raises(SetupError, match="--key-file"):
        restored(archive, settings_in(tmp_path / "other"), Identity.generate())
    assert files_in(tmp_path / "other") == {}


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_backup_that_is_cut_or_changed_is_not_restored_in_part(
    settings: Settings, tmp_path: Path, share: float
) -> None:
    archive = backup_of(settings)
    place = int(len(archive) * share)
    changed = archive[:place] + bytes([archive[place] ^ 1]) + archive[place + 1 :]
    for broken in (archive[:place], changed):
        with pytest.raises(SetupError):
            restored(broken, settings_in(tmp_path / "other"), load_identity(settings.key_source))
        assert files_in(tmp_path / "other") == {}


def test_data_that_is_there_already_is_not_replaced(settings: Settings, tmp_path: Path) -> None:
    other = settings_in(tmp_path / "other")
    write_file(other.config / "api_keys", b"mine")
    with pytest.raises(SetupError, match=r"api_keys already exists"):
        restored(backup_of(settings), other, load_identity(settings.key_source))
    assert files_in(tmp_path / "other") == {"config/api_keys": b"mine"}


def test_nothing_is_restored_below_a_bridge_that_runs(settings: Settings, tmp_path: Path) -> None:
    other, archive = settings_in(tmp_path / "other"), backup_of(settings)
    with lock_folders(other.config), pytest.raises(SetupError, match="Another bridge uses the folder"):
        restored(archive, other, load_identity(settings.key_source))


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "/etc/evil", "config/../../evil", "evil", "config", "elsewhere/evil", ""),
        *("config/profile.key", "config/run/evil", "config/files/evil"),
    ],
)
def test_an_archive_of_somebody_else_writes_nothing_beside_the_data(tmp_path: Path, name: str) -> None:
    identity = Identity.generate()
    with pytest.raises(SetupError, match="This is not a backup"):
        restored(archive_of({name: b"x"}, identity), settings_in(tmp_path / "other"), identity)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_an_archive_of_somebody_else_makes_no_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    identity = Identity.generate()
    with pytest.raises(SetupError, match="This is not a backup"):
        restored(archive_of({"config/api_keys": b""}, identity, kind=kind), settings_in(tmp_path / "other"), identity)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("about", [{"format": 2, "bridge": "9.9"}, {"format": "1"}, [1], "x", "x" * 70_000])
def test_an_archive_of_another_form_is_refused(tmp_path: Path, about: object) -> None:
    identity = Identity.generate()
    says = "A newer bridge" if isinstance(about, dict) and about["format"] == 2 else "This is not a backup"
    with pytest.raises(SetupError, match=says):
        restored(archive_of({}, identity, about), settings_in(tmp_path / "other"), identity)


def test_an_archive_of_very_many_files_is_refused_and_leaves_none(tmp_path: Path) -> None:
    identity, other = Identity.generate(), settings_in(tmp_path / "other")
    archive = archive_of({f"config/{number}.json": b"{}" for number in range(4)}, identity)
    with pytest.raises(SetupError, match="more than 3 files"):
        restore_backup(other.folders, identity, io.BytesIO(archive), most_files=3)
    assert files_in(tmp_path) == {}
    assert restore_backup(other.folders, identity, io.BytesIO(archive), most_files=4).files == 4


def test_what_stands_behind_the_end_of_an_archive_must_be_whole_too(settings: Settings, tmp_path: Path) -> None:
    identity, plain, sealed = load_identity(settings.key_source), io.BytesIO(), io.BytesIO()
    identity.open_stream(io.BytesIO(backup_of(settings)), plain)
    identity.seal_stream(io.BytesIO(plain.getvalue() + bytes(1_000_000)), sealed)
    with pytest.raises(SetupError):
        restored(sealed.getvalue()[:-1], settings_in(tmp_path / "other"), identity)
    assert files_in(tmp_path / "other") == {}
    restored(sealed.getvalue(), settings_in(tmp_path / "other"), identity)


@pytest.mark.parametrize("sealed", [True, False])
def test_what_is_no_archive_at_all_is_refused(tmp_path: Path, sealed: bool) -> None:
    identity = Identity.generate()
    with pytest.raises(SetupError):
        restored(identity.seal(b"text") if sealed else b"text", settings_in(tmp_path / "other"), identity)


def test_a_backup_onto_a_full_disk_fails_and_is_not_short(settings: Settings, tmp_path: Path) -> None:
    room = len(backup_of(settings)) // 2
    with (
        full_disk(room),
        (tmp_path / "backup").open("wb", buffering=0) as out,
        pytest.raises(OSError, match="arge"),
    ):
        write_backup(settings.folders, load_identity(settings.key_source), out)


def test_a_file_that_cannot_be_read_ends_the_backup_with_its_name(settings: Settings) -> None:
    write_file(settings.config / "conversations.db", b"no database" * 100)
    with pytest.raises(StorageError, match=r"Cannot read .*conversations\.db"):
        backup_of(settings)
