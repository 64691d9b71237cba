"""The keys of one bridge, and of several: what each changed by itself is there afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import RequestError, SetupError
from bridge.storage.api_keys import MOST, KeyStore
from bridge.storage.file_locks import try_lock
from bridge.storage.key_limits import limits_of
from bridge.storage.named_keys import NamedKeyFile


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "here", lock_limit=0.2)


def names(store: KeyStore) -> dict[str, int | None]:
    """Return the named keys, each with its limit of chats at a time."""
    return {key.name: key.limits.parallel for key in store.all()}


def changed(store: KeyStore, name: str, parallel: int) -> None:
    store.change(id_of(store, name), {"parallel": parallel})


def revoked(store: KeyStore, name: str) -> None:
    store.revoke(id_of(store, name))


def id_of(store: KeyStore, name: str) -> str:
    return next(key.id for key in store.all() if key.name == name)


def taken(store: KeyStore, other: KeyStore) -> None:
    """Let one bridge take the keys that the other one has told all."""
    document = other.named_document()
    other.keep_shared(document)
    store.merge_named(document)


def nothing(_: KeyStore) -> None:
    """Change nothing."""


@pytest.mark.parametrize(
    ("here", "there", "then"),
    [
        (nothing, nothing, {"a": 1, "b": 1}),
        (lambda here: here.add("c", "chat"), nothing, {"a": 1, "b": 1, "c": None}),
        (nothing, lambda there: there.add("d", "chat"), {"a": 1, "b": 1, "d": None}),
        (
            lambda here: here.add("c", "chat"),
            lambda there: there.add("d", "chat"),
            {"a": 1, "b": 1, "c": None, "d": None},
        ),
        (lambda here: changed(here, "a", 2), nothing, {"a": 2, "b": 1}),
        (nothing, lambda there: changed(there, "a", 3), {"a": 3, "b": 1}),
        (lambda here: changed(here, "a", 2), lambda there: changed(there, "a", 3), {"a": 2, "b": 1}),
        (lambda here: changed(here, "a", 2), lambda there: changed(there, "b", 3), {"a": 2, "b": 3}),
        (lambda here: revoked(here, "a"), nothing, {"b": 1}),
        (nothing, lambda there: revoked(there, "a"), {"b": 1}),
        (lambda here: revoked(here, "a"), lambda there: changed(there, "a", 3), {"b": 1}),
        (lambda here: changed(here, "a", 2), lambda there: revoked(there, "a"), {"b": 1}),
    ],
)
def test_what_two_bridges_changed_since_they_were_alike_is_in_both_and_a_revoked_key_stays_so(
    store: KeyStore,
    tmp_path: Path,
    here: Callable[[KeyStore], object],
    there: Callable[[KeyStore], object],
    then: dict[str, int | None],
) -> None:
    other = KeyStore(tmp_path / "there")
    for name in "ab":
        store.add(name, "chat", limits_of({"parallel": 1}))
    taken(other, store)
    assert names(other) == names(store)
    here(store)
    there(other)
    taken(store, other)
    taken(other, store)
    assert names(store) == names(other) == then
    assert other.is_shared()


def test_keys_of_another_bridge_that_cannot_be_read_change_nothing(store: KeyStore) -> None:
    store.add("a", "chat")
    with pytest.raises(SetupError, match="keys of another node"):
        store.merge_named(b"{")
    assert names(store) == {"a": None}


def test_a_name_is_taken_once_and_there_is_a_most_of_keys(store: KeyStore, tmp_path: Path) -> None:
    store.add(" a  b ", "chat")
    with pytest.raises(RequestError, match="'a b' already") as error:
        store.add("a b", "admin")
    assert error.value.param == "name"
    file = NamedKeyFile(tmp_path / "here" / "keys.json")
    (stored,) = file.read()
    file.write([stored.model_copy(update={"name": str(number)}) for number in range(MOST)])
    with pytest.raises(RequestError, match="revoke some"):
        store.add("c", "chat")
    assert len(store.all()) == MOST


def test_keys_that_cannot_be_read_are_told_with_their_file(store: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "here" / "keys.json").mkdir(parents=True)
    with pytest.raises(SetupError, match=r"Cannot read the keys in .*keys\.json: IsADirectoryError"):
        store.all()


def test_a_file_of_keys_whose_digest_is_none_is_told_with_its_folder(store: KeyStore, tmp_path: Path) -> None:
    store.add("a", "chat")
    path = tmp_path / "here" / "keys.json"
    file = NamedKeyFile(path)
    file.write([one.model_copy(update={"digest": "no digest"}) for one in file.read()])
    with pytest.raises(SetupError, match=f"Cannot read the keys in {path.parent}"):
        store.all()


def test_a_change_waits_for_that_of_another_process_but_not_for_ever(store: KeyStore, tmp_path: Path) -> None:
    store.add("a", "chat")
    patient = KeyStore(tmp_path / "here", lock_limit=60)
    held = try_lock(tmp_path / "here" / ".keys.lock")
    assert held is not None
    with held:
        with pytest.raises(SetupError, match="Another process is changing the keys"):
            store.add("b", "chat")
        waiting = threading.Thread(target=patient.add, args=("c", "chat"))
        waiting.start()
    waiting.join(60)
    assert names(store) == {"a": None, "c": None}
