"""The profile store: real files, real encryption, and everything that can be wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import SecretStr, ValidationError
from rich.pretty import pretty_repr

import bridge
from bridge.errors import SetupError
from bridge.settings import Settings
from bridge.storage.login_comparison import EXPIRY_SLACK
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import Profile, ProfileStore, check_name

COOKIE = "c0ffee-session"
TOKEN = "t0ken-in-local-storage"
TAB = "t4b-in-session-storage"
SECRETS = (COOKIE, TOKEN, TAB)
ORIGIN = "https://chat.example"
TOMORROW = 1_800_000_000.0

STATE: dict[str, Any] = {
    "cookies": [
        {"name": "sid", "value": COOKIE, "domain": "chat.example", "path": "/", "expires": -1, "httpOnly": True},
        {"name": "waf", "value": "w", "domain": ".chat.example", "path": "/", "expires": TOMORROW},
    ],
    "origins": [
        {
            "origin": ORIGIN,
            "localStorage": [{"name": "userToken", "value": TOKEN}, {"name": "theme", "value": "dark"}],
            "indexedDB": [
                {
                    "name": "chat",
                    "version": 1,
                    "stores": [
                        {
                            "name": "keys",
                            "autoIncrement": False,
                            "indexes": [],
                            "records": [{"key": "a", "value": [1, 2]}, {"key": "b", "value": {"records": ["x", "y"]}}],
                        }
                    ],
                }
            ],
        }
    ],
}


def login(name: str = "main", **changes: Any) -> Profile:
    fields = {"storage_state": deepcopy(STATE), "session_storage": {ORIGIN: {"tab": TAB}}, **changes}
    return Profile(name=name, site="demo", url=ORIGIN, **fields)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def identity() -> Identity:
    return Identity.generate()


@pytest.fixture
def store(tmp_path: Path, identity: Identity) -> ProfileStore:
    return ProfileStore(tmp_path / "profiles", identity)


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="TRACE")
    yield lines
    logger.remove(sink)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def refusal(action: Callable[..., object], *arguments: object) -> str:
    """Return the message of the refusal, after making sure that not even its traceback holds a secret."""
    with pytest.raises(SetupError) as caught:
        action(*arguments)
    everything = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in (*SECRETS, "AGE-SECRET-KEY-1Q") if secret in everything]
    return caught.value.message


def test_a_saved_profile_comes_back_as_it_was(store: ProfileStore) -> None:
    profile = login(user_agent="Chrome", locale="de-DE", timezone="Europe/Berlin", versions={"chromium": "156"})
    store.save(profile)
    assert store.load("main") == profile
    assert store.exists("main")


def test_text_that_is_no_valid_unicode_survives_because_sites_pack_data_into_it(store: ProfileStore) -> None:
    state = {"cookies": [], "origins": [{"origin": ORIGIN, "localStorage": [{"name": "\ud83d", "value": "\udc00"}]}]}
    profile = login(storage_state=state, session_storage={ORIGIN: {"\ud800": "\udfff"}})
    store.save(profile)
    assert store.load("main") == profile


@pytest.mark.usefixtures("usual_umask")
def test_files_and_folders_it_makes_are_private(store: ProfileStore, tmp_path: Path) -> None:
    store.save(login())
    load_identity(Settings(config=tmp_path / "new" / "config").key_source)
    assert mode(store.folder) == mode(tmp_path / "new" / "config") == 0o700
    assert mode(store.path("main")) == mode(tmp_path / "new" / "config" / "profile.key") == 0o600


def test_nothing_of_a_profile_can_be_read_from_its_file(store: ProfileStore) -> None:
    store.save(login())
    content = store.path("main").read_bytes()
    assert content.startswith(b"age-encryption.org/v1\n")
    assert not [text for text in (*SECRETS, "main", ORIGIN, "userToken") if text.encode() in content]


def test_a_profile_copied_to_another_name_is_refused(store: ProfileStore) -> None:
    store.save(login("alice"))
    shutil.copy2(store.path("alice"), store.path("bob"))
    message = refusal(store.load, "bob")
    assert "bob.age" in message
    assert "'alice'" in message


@pytest.mark.parametrize("wide", [0o640, 0o604, 0o620, 0o666])
def test_a_profile_that_others_may_open_is_refused_with_the_command_that_helps(store: ProfileStore, wide: int) -> None:
    store.save(login())
    store.path("main").chmod(wide)
    assert f"chmod 600 {store.path('main')}" in refusal(store.load, "main")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def bend(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def blank(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, bend, blank])
def test_a_damaged_profile_is_refused_by_name(store: ProfileStore, damage: Callable[[Path], None]) -> None:
    store.save(login())
    damage(store.path("main"))
    message = refusal(store.load, "main")
    assert str(store.path("main")) in message
    assert "bridge login" in message


def test_a_profile_of_another_key_is_refused_by_name(store: ProfileStore) -> None:
    store.save(login())
    other = ProfileStore(store.folder, Identity.generate())
    message = refusal(other.load, "main")
    assert str(store.path("main")) in message
    assert "key" in message


def document(**changes: Any) -> bytes:
    return json.dumps({**login().model_dump(mode="json"), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        COOKIE.encode(),
        json.dumps([COOKIE]).encode(),
        json.dumps({"name": "main", "token": TOKEN}).encode(),
        document(extra=TOKEN),
        document(storage_state=COOKIE),
        document(storage_state={"cookies": [COOKIE]}),
        document(created=COOKIE),
        document(schema_version=COOKIE),
        document(schema_version=0),
    ],
)
def test_a_file_that_holds_no_login_is_refused_without_showing_what_it_holds(
    store: ProfileStore, identity: Identity, content: bytes
) -> None:
    store.save(login())
    store.path("main").write_bytes(identity.seal(content))
    assert str(store.path("main")) in refusal(store.load, "main")


def test_a_profile_of_a_newer_format_asks_for_a_newer_bridge(store: ProfileStore, identity: Identity) -> None:
    store.save(login())
    newer = json.dumps({"schema_version": 2, "name": "main", "vault": TOKEN}).encode()
    store.path("main").write_bytes(identity.seal(newer))
    assert "newer bridge" in refusal(store.load, "main")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../evil", "a/b", "/etc/passwd", ".hidden", "-rf", "a b", "a\n", "ä", "a\0b", "x" * 65]
)
def test_a_name_that_could_leave_the_folder_is_refused(store: ProfileStore, name: str) -> None:
    for action in (store.load, store.exists, store.remove, check_name):
        assert "A-Z a-z 0-9 . _ -" in refusal(action, name)
    refusal(store.save, login(name))
    assert not store.folder.exists()


@pytest.mark.parametrize("name", ["a", "0", "work.deepseek-2_b", "x" * 64, "mail.age"])
def test_a_name_of_plain_characters_is_taken(store: ProfileStore, name: str) -> None:
    store.save(login(name))
    assert store.names() == [name]
    assert store.load(name).name == name


def test_names_lists_profiles_only_and_needs_no_folder(store: ProfileStore) -> None:
    assert store.names() == []
    for name in ("b", "a"):
        store.save(login(name))
    for other in ("README.md", ".c.age~0", ".hidden.age", "c d.age"):
        (store.folder / other).touch()
    assert store.names() == ["a", "b"]


def test_a_missing_profile_is_refused_with_the_command_that_makes_one(store: ProfileStore) -> None:
    for action in (store.load, store.remove):
        assert "bridge login" in refusal(action, "nobody")


def test_remove_leaves_nothing_of_the_profile(store: ProfileStore) -> None:
    for name in ("main", "main.2"):
        store.save(login(name))
    (store.folder / ".main.age~0123").write_bytes(b"an interrupted save")
    store.remove("main")
    assert [file.name for file in store.folder.iterdir()] == ["main.2.age"]


def test_save_replaces_a_link_and_not_the_file_it_points_to(store: ProfileStore, tmp_path: Path) -> None:
    store.folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    store.path("main").symlink_to(victim)
    store.save(login())
    assert victim.read_text() == "untouched"
    assert not store.path("main").is_symlink()


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, identity: Identity) -> None:
    (tmp_path / "file").touch()
    store = ProfileStore(tmp_path / "file", identity)
    assert str(tmp_path / "file") in refusal(store.save, login())
    assert str(tmp_path / "file") in refusal(store.names)


SAVE_IN_TROUBLE = """
import os, resource, sys
from pathlib import Path
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import ProfileStore

store = ProfileStore(Path(sys.argv[1]), Identity.parse(sys.stdin.read(), "standard input"))
profile = store.load("main")
if sys.argv[2] == "crash":
    sys.addaudithook(lambda event, args: os._exit(9) if event == "os.rename" else None)
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
store.save(profile.with_state({"cookies": [], "origins": []}, {}))
"""


def save_in_trouble(store: ProfileStore, identity: Identity, trouble: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SAVE_IN_TROUBLE, store.folder, trouble],
        input=identity.export(),
        env={**os.environ, "PYTHONPATH": str(Path(bridge.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.browser
def test_a_crash_before_the_rename_leaves_the_old_login(store: ProfileStore, identity: Identity) -> None:
    old = login()
    store.save(old)
    assert save_in_trouble(store, identity, "crash").returncode == 9
    assert len(list(store.folder.iterdir())) == 2, "the new file was complete when the process died"
    assert store.load("main") == old
    assert store.names() == ["main"]


@pytest.mark.browser
def test_a_disk_that_takes_no_more_leaves_the_old_login_and_no_rest(store: ProfileStore, identity: Identity) -> None:
    old = login()
    store.save(old)
    done = save_in_trouble(store, identity, "full")
    assert "SetupError: Cannot save the profile" in done.stderr
    assert [file.name for file in store.folder.iterdir()] == ["main.age"]
    assert store.load("main") == old


def test_no_repr_of_a_profile_or_a_key_shows_a_secret(identity: Identity, log: list[str]) -> None:
    profile = login()
    logger.info("{} {!r} {}", profile, profile, identity)
    shown = "".join((str(profile), repr(profile), pretty_repr(profile), str(identity), repr(identity), *log))
    assert "name='main'" in shown
    assert not [secret for secret in (*SECRETS, "AGE-SECRET-KEY") if secret in shown]


def test_a_profile_with_a_wrong_field_is_refused_without_showing_the_login() -> None:
    with pytest.raises(ValidationError) as caught:
        login(storage_state={"cookies": COOKIE})
    assert COOKIE not in "".join(traceback.format_exception(caught.value))


def test_times_are_utc_and_never_without_a_zone() -> None:
    east = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=8)))
    created = login(created=east).created
    assert (created.tzinfo, created.hour) == (UTC, 4)
    with pytest.raises(ValidationError):
        login(created=datetime(2026, 1, 1))


def test_the_key_is_taken_from_its_file_then_from_its_text_then_from_the_config_folder(tmp_path: Path) -> None:
    keys = [Identity.generate() for _ in range(3)]
    for name, key in zip(("key", "profile.key"), (keys[0], keys[2]), strict=True):
        (tmp_path / name).write_text(key.export())
        (tmp_path / name).chmod(0o600)
    text = SecretStr(keys[1].export())
    layers: list[dict[str, Any]] = [
        {"profile_key_file": tmp_path / "key", "profile_key": text},
        {"profile_key": text},
        {"profile_key": SecretStr("")},
        {},
    ]
    found = [load_identity(Settings(config=tmp_path, **layer).key_source).export() for layer in layers]
    assert found == [key.export() for key in (*keys, keys[2])]


def test_a_key_is_made_once_with_one_warning_even_by_many_at_the_same_time(tmp_path: Path, log: list[str]) -> None:
    settings = Settings(config=tmp_path / "config")
    with ThreadPoolExecutor(8) as threads:
        keys = {key.export() for key in threads.map(lambda _: load_identity(settings.key_source), range(8))}
    assert len(keys) == 1
    assert [file.name for file in settings.config.iterdir()] == ["profile.key"]
    (warning,) = [line for line in log if "WARNING" in line]
    assert str(settings.config / "profile.key") in warning
    assert "only copies of the profile folder" in warning
    assert "AGE-SECRET-KEY" not in warning


@pytest.mark.parametrize("text", ["", "# only a comment", "AGE-SECRET-KEY-1QQQQ", "hunter2", "age-encryption.org/v1"])
def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "profile.key").write_text(text)
    (tmp_path / "profile.key").chmod(0o600)
    from_file = refusal(load_identity, Settings(config=tmp_path).key_source)
    from_text = refusal(Identity.parse, text, "the setting profile_key")
    assert str(tmp_path / "profile.key") in from_file
    assert "the setting profile_key" in from_text
    assert "hunter2" not in from_file + from_text


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_identity(Settings(config=tmp_path).key_source)
    (tmp_path / "profile.key").chmod(0o644)
    assert f"chmod 600 {tmp_path / 'profile.key'}" in refusal(load_identity, Settings(config=tmp_path).key_source)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand over a file")
def test_a_key_handed_over_by_another_user_may_be_readable_for_the_group_only(tmp_path: Path) -> None:
    key = tmp_path / "credential"
    key.write_text(Identity.generate().export())
    os.chown(key, 10001, 10001)
    key.chmod(0o440)
    load_identity(Settings(profile_key_file=key).key_source)
    key.chmod(0o444)
    refusal(load_identity, Settings(profile_key_file=key).key_source)


def test_a_key_file_that_is_missing_or_no_file_is_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, reason in (("nothing", "No such file"), ("pipe", "not a regular file")):
        message = refusal(load_identity, Settings(profile_key_file=tmp_path / name).key_source)
        assert str(tmp_path / name) in message
        assert reason in message


def test_an_older_key_still_opens_and_the_first_one_closes(tmp_path: Path) -> None:
    old, new = Identity.generate(), Identity.generate()
    both = Identity.parse(new.export() + old.export(), "both")
    ProfileStore(tmp_path, old).save(login())
    changing = ProfileStore(tmp_path, both)
    changing.save(changing.load("main"))
    assert ProfileStore(tmp_path, new).load("main").name == "main"
    refusal(ProfileStore(tmp_path, old).load, "main")


def test_a_profile_with_a_new_state_keeps_all_else() -> None:
    old = login(locale="de-DE")
    new = old.with_state({"cookies": [], "origins": []}, {})
    assert new.saved > old.saved
    assert (new.name, new.created, new.locale) == (old.name, old.created, old.locale)
    assert new.storage_state == {"cookies": [], "origins": []}
    assert new.session_storage == {}
    assert old.storage_state == STATE


def after(change: Callable[[dict[str, Any]], object]) -> Profile:
    state = deepcopy(STATE)
    change(state)
    return login(storage_state=state)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["cookies"].reverse(),
        lambda state: state["origins"][0]["localStorage"].reverse(),
        lambda state: state["origins"][0]["indexedDB"][0]["stores"][0]["records"].reverse(),
        lambda state: state["origins"].insert(0, {"origin": "https://empty.example", "localStorage": []}),
        lambda state: state["cookies"][1].update(expires=TOMORROW + EXPIRY_SLACK - 1),
    ],
    ids=["cookies moved", "local storage moved", "records moved", "an empty origin", "an expiry pushed a little"],
)
def test_a_state_that_differs_in_nothing_that_matters_is_the_same_login(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert after(change).same_login(login())
    assert login().same_login(after(change))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["cookies"][0].update(value="rotated"),
        lambda state: state["cookies"][0].update(path="/app"),
        lambda state: state["cookies"][0].update(partitionKey="https://top.example"),
        lambda state: state["cookies"][0].update(expires=TOMORROW),
        lambda state: state["cookies"][1].update(expires=TOMORROW + EXPIRY_SLACK + 1),
        lambda state: state["cookies"].pop(),
        lambda state: state["origins"][0]["localStorage"][0].update(value="rotated"),
        lambda state: state["origins"][0]["localStorage"].pop(),
        lambda state: state["origins"].append({"origin": "https://new", "localStorage": [{"name": "a", "value": ""}]}),
        lambda state: state["origins"][0]["indexedDB"][0].update(version=2),
        lambda state: state["origins"][0]["indexedDB"][0]["stores"][0]["records"].pop(),
        lambda state: state["origins"][0]["indexedDB"][0]["stores"][0]["records"][0]["value"].reverse(),
        lambda state: state["origins"][0]["indexedDB"][0]["stores"][0]["records"][1]["value"]["records"].reverse(),
    ],
)
def test_a_state_that_the_site_changed_is_another_login(change: Callable[[dict[str, Any]], object]) -> None:
    assert not after(change).same_login(login())
    assert not login().same_login(after(change))


def test_session_storage_counts_for_the_login_but_empty_origins_do_not() -> None:
    assert login(session_storage={"https://empty": {}, ORIGIN: {"tab": TAB}}).same_login(login())
    assert not login(session_storage={ORIGIN: {"tab": "other"}}).same_login(login())
    assert not login(session_storage={"https://other": {"tab": TAB}}).same_login(login())


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Path.mkdir, "is a folder"),
        (os.mkfifo, "is no file"),
        (lambda path: path.symlink_to("nowhere"), "is a link that leads to no file"),
    ],
)
def test_what_stands_in_a_profiles_place_is_named_and_never_replaced_by_another_name(
    store: ProfileStore, make: Callable[[Path], object], kind: str
) -> None:
    profile = login()
    store.save(profile)
    make(store.path("to"))
    with pytest.raises(SetupError, match=kind):
        store.load("to")
    with pytest.raises(SetupError, match=kind):
        store.rename(profile.name, "to")
    assert store.exists(profile.name)
    assert not store.exists("to")


# Profiles that get another name, or come from another node


def test_a_renamed_profile_is_the_same_login_under_its_new_name_alone(store: ProfileStore) -> None:
    profile = login()
    store.save(profile)
    store.save(login("taken"))
    with pytest.raises(SetupError, match="a profile taken already"):
        store.rename("main", "taken")
    store.rename("main", "other")
    assert store.names() == ["other", "taken"]
    renamed = store.load("other")
    assert (renamed.name, renamed.same_login(profile), renamed.created) == ("other", True, profile.created)


def test_a_profile_of_another_node_is_taken_as_it_is_where_it_is_one_of_that_name(
    store: ProfileStore, identity: Identity, tmp_path: Path
) -> None:
    other, strange = ProfileStore(tmp_path / "b", identity), ProfileStore(tmp_path / "c", Identity.generate())
    strange.save(login())
    other.save(login())
    other.save(login("second"))
    for sealed, why in (
        (other.sealed("second"), "of another node holds 'second'"),
        (strange.sealed("main"), "Cannot open the profile main of another node"),
        (identity.seal(b"{}"), "main of another node opens, but"),
        (b"", "Cannot open the profile main of another node"),
    ):
        with pytest.raises(SetupError, match=why):
            store.save_sealed("main", sealed)
    assert store.names() == []
    store.save_sealed("main", other.sealed("main"))
    assert store.sealed("main") == other.sealed("main")
    assert store.load("main") == other.load("main")
    assert mode(store.path("main")) == 0o600


def test_a_profile_is_saved_at_the_time_of_the_cluster_where_there_is_one(store: ProfileStore) -> None:
    store.now = lambda: 86_400.0
    store.save(login())
    assert store.load("main").saved == datetime(1970, 1, 2, tzinfo=UTC)
    stamp = store.stamp("main")
    store.save(login())
    assert None is not stamp != store.stamp("main")
    assert store.stamp("none") is None
