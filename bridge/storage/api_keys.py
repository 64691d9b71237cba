"""All keys that the bridge accepts: their names, scopes, limits and files.

A named key is stored as a digest, so it is shown only once. Plain keys are in `api_keys`, so that a first start needs
no preparation, and in `admin_key`, for the commands on this machine; they have no limits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from bridge.errors import NotThere, RequestError, SetupError
from bridge.printable import as_line
from bridge.storage.atomic import make_folder
from bridge.storage.file_locks import try_lock
from bridge.storage.key_files import KeyFile, digest_of, new_key
from bridge.storage.key_limits import NO_LIMITS, KeyLimits
from bridge.storage.named_keys import NamedKey, NamedKeyFile, Scope, by_id, merged, read_keys

MOST = 200
"""Most named keys."""
LONGEST_NAME = 64
HINTED = 32
"""Length from which the last characters of a key may be shown: they would help to guess a shorter one."""
NO_KEY = "There is no key with the id '{}'."
LOCK_LIMIT = 5.0
"""Seconds that a change of the keys waits for another change."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """The description of a key; `hint` holds its last characters, and `created` is None for plain keys."""

    id: str
    name: str
    scope: Scope
    created: datetime | None
    hint: str
    digest: bytes = field(repr=False)
    limits: KeyLimits = NO_LIMITS

    @classmethod
    def of(
        cls, key: str, name: str, scope: Scope, created: datetime | None = None, limits: KeyLimits = NO_LIMITS
    ) -> Key:
        """Return the description of `key`."""
        digest = digest_of(key)
        hint = key[-4:] if len(key) >= HINTED else ""
        return cls(digest.hex()[:12], name, scope, created, hint, digest, limits)


class KeyStore:
    """The keys of a config folder. All methods block; other processes may change the files at any time."""

    def __init__(self, config: Path, lock_limit: float = LOCK_LIMIT) -> None:
        self.plain = KeyFile(config)
        self.local = KeyFile(config, "admin_key")
        self._named = NamedKeyFile(config / "keys.json")
        self._shared = NamedKeyFile(config / "keys.cluster.json")
        self._lock, self._lock_limit = config / ".keys.lock", lock_limit

    def prepare(self, *, is_free: bool = False, is_local: bool = True) -> None:
        """Create the plain keys at the first start: for chats unless those need none, and for local commands."""
        if not is_free and not any(one.scope == "chat" for one in self._named.read()):
            self.plain.keys()
        if is_local:
            self.local.keys()

    def shortest(self) -> int:
        """Return the length of the shortest plain key; named keys are always long enough."""
        return min((len(text) for file in (self.plain, self.local) for text in file.left()), default=HINTED)

    def admin_key(self) -> str:
        """Return the key of this machine's commands; the first call creates it."""
        return self.local.keys()[0]

    def all(self) -> list[Key]:
        """Return all keys, this machine's commands first."""
        try:
            named = map(_named, self._named.read())
            return [*_plain(self.local, "admin"), *_plain(self.plain, "chat"), *named]
        except (OSError, ValueError) as error:
            raise SetupError(f"Cannot read the keys in {self._named.path.parent}: {error}.") from error

    def add(self, name: str, scope: Scope, limits: KeyLimits = NO_LIMITS) -> tuple[Key, str]:
        """Add a named key; return its description and the key itself, which cannot be read again."""
        name = _checked(name)
        text = new_key()
        key = Key.of(text, name, scope, datetime.now(UTC).replace(microsecond=0), limits)
        with self._exclusive():
            stored = self._named.read()
            if len(stored) >= MOST:
                raise RequestError(f"There are {MOST} keys already; revoke some unused ones.")
            if any(one.name == name for one in stored):
                raise RequestError(f"There is a key named {name!r} already.", param="name")
            self._named.write([*stored, _stored(key)])
        return key, text

    def change(self, id: str, given: Mapping[str, object]) -> Key:  # noqa: A002
        """Change some limits of a named key, by their names, and return its description."""
        with self._exclusive():
            stored = list(self._named.read())
            place = next((number for number, one in enumerate(stored) if one.id == id), None)
            if place is None:
                raise self._not_named(id)
            limits = stored[place].limits.changed(given)
            stored[place] = stored[place].model_copy(update={"limits": limits})
            self._named.write(stored)
        return _named(stored[place])

    def rename_account(self, before: str, name: str) -> None:
        """Replace an account's name in the limits of all keys."""
        with self._exclusive():
            stored = self._named.read()
            renamed = [_on_renamed(one, before, name) for one in stored]
            if renamed != list(stored):
                self._named.write(renamed)

    def _not_named(self, id: str) -> RequestError:  # noqa: A002
        """Return the error for an id that no named key has."""
        if any(key.id == id for key in self.all()):
            return RequestError("A plain key in a file has no limits; add a named key, and revoke this one.")
        return NotThere(NO_KEY.format(as_line(id[:40])))

    def revoke(self, id: str) -> Key:  # noqa: A002
        """Revoke a key; a new one replaces the key of this machine's commands."""
        with self._exclusive():
            known = self.all()
            key = next((one for one in known if one.id == id), None)
            if key is None:
                raise NotThere(NO_KEY.format(as_line(id[:40])))
            if key.scope == "chat" and sum(one.scope == "chat" for one in known) == 1:
                raise RequestError("This is the last key for chats; add another one first.")
            if not self._replaced(self.local, key, new_key()) and not self._replaced(self.plain, key):
                self._named.write([one for one in self._named.read() if one.id != id])
        return key

    def named_document(self) -> bytes:
        """Return the file of the named keys, which holds only digests and limits; empty if there is none."""
        return self._named.content()

    def is_shared(self) -> bool:
        """Tell whether the other nodes have this node's named keys."""
        return by_id(self._shared.read()) == by_id(self._named.read())

    def keep_shared(self, document: bytes) -> None:
        """Store the keys that the other nodes have, to detect later changes, even after a restart."""
        self._shared.replace(document)

    def merge_named(self, document: bytes) -> None:
        """Merge another node's named keys with the changes made here since both were equal.

        Raise `SetupError` if they cannot be read.
        """
        theirs = read_keys(document, "The keys of another node cannot be read")
        with self._exclusive():
            own = self._named.read()
            kept = merged(by_id(self._shared.read()), by_id(own), by_id(theirs))
            if kept != list(own):
                self._named.write(kept)
            self.keep_shared(document)

    def state(self) -> tuple[object, ...]:
        """Return a value that changes whenever one of the files changes."""
        return tuple(map(_state, (self.plain.path, self.local.path, self._named.path)))

    def _replaced(self, file: KeyFile, key: Key, *by: str) -> bool:
        """Replace a key in a file by `by`, or delete it; tell whether the file had it."""
        found = next((text for text in file.left() if digest_of(text) == key.digest), None)
        if found is not None:
            file.replace(found, *by)
        return found is not None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock against other processes: a change reads, checks and writes the whole file."""
        make_folder(self._lock.parent)
        file = _tried(lambda: try_lock(self._lock), self._lock_limit)
        if file is None:
            raise SetupError("Another process is changing the keys; try again.")
        with file:
            yield


def _plain(file: KeyFile, scope: Scope) -> Iterator[Key]:
    for number, text in enumerate(file.left(), 1):
        yield Key.of(text, f"{file.path.name}, key {number}", scope)


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise RequestError(f"The name of a key has 1 to {LONGEST_NAME} printable characters.", param="name")
    return name


def _on_renamed(stored: NamedKey, before: str, name: str) -> NamedKey:
    accounts = tuple(name if one == before else one for one in stored.limits.accounts)
    return stored.model_copy(update={"limits": stored.limits.model_copy(update={"accounts": accounts})})


def _named(stored: NamedKey) -> Key:
    digest = bytes.fromhex(stored.digest)
    return Key(stored.id, stored.name, stored.scope, stored.created, stored.hint, digest, stored.limits)


def _stored(key: Key) -> NamedKey:
    assert key.created is not None  # noqa: S101 - only new keys are stored
    return NamedKey(
        id=key.id,
        name=key.name,
        scope=key.scope,
        created=key.created,
        hint=key.hint,
        digest=key.digest.hex(),
        limits=key.limits,
    )


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def _tried(attempt: Callable[[], T | None], limit: float) -> T | None:
    end = time.monotonic() + limit
    while (made := attempt()) is None and time.monotonic() < end:
        time.sleep(0.05)
    return made
