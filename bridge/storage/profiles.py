"""A captured login, and the folder that keeps it: one age-encrypted JSON document a file, mode 0600.

The name and the schema stand inside the ciphertext and are checked, so a file moved to another name opens
nothing. Any `age` tool opens the files with the same key. No error message ever shows what is inside.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from loguru import logger
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt
from pyrage import DecryptError, IdentityError, decrypt, encrypt, x25519  # type: ignore[import-untyped]

from bridge.errors import SetupError
from bridge.settings import Settings
from bridge.storage.atomic import create_file, drafts, write_file

SCHEMA: Final = 1
EXPIRY_SLACK = 3600.0
"""Seconds by which a cookie's expiry may move without making it another login: many sites push it each visit."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SUFFIX = ".age"
_COOKIE_PLACE = ("name", "domain", "path", "partitionKey")
_REMEDY = "a backup of the file, or remove it and capture the login again with `bridge login`."
_UNORDERED = frozenset({"cookies", "origins", "localStorage", "indexedDB", "stores", "records", "indexes"})
_OPAQUE = frozenset({"key", "keyEncoded", "value", "valueEncoded", "keyPath", "keyPathArray"})


def _now() -> datetime:
    return datetime.now(UTC)


def _has_both_lists(state: dict[str, Any]) -> dict[str, Any]:
    if not all(isinstance(state.get(part), list) for part in ("cookies", "origins")):
        raise ValueError("a storage state holds the lists `cookies` and `origins`")
    return state


Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Stamp = tuple[int, int, int]
StorageState = Annotated[dict[str, Any], AfterValidator(_has_both_lists)]


class Profile(BaseModel):
    """Everything a fresh browser context needs to be signed in to one account of one site.

    `url` is the origin its site's driver runs on, `viewport` is width and height in CSS pixels, `storage_state`
    is Playwright's dict (cookies; origins with localStorage and IndexedDB), `session_storage` is
    `{origin: {key: value}}`. These two are secrets: no repr and no error shows them. `user_data_dir` names the
    browser's own folder of an account whose login no copy holds; of the two only the cookies count then that end with
    the browser.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schema_version: Literal[1] = SCHEMA
    name: str
    site: str
    url: str
    created: Moment = Field(default_factory=_now)
    saved: Moment = Field(default_factory=_now)
    user_agent: str | None = None
    viewport: tuple[PositiveInt, PositiveInt] = (1280, 800)
    locale: str | None = None
    timezone: str | None = None
    versions: dict[str, str] = {}
    storage_state: StorageState = Field(repr=False)
    session_storage: dict[str, dict[str, str]] = Field(default={}, repr=False)
    user_data_dir: Annotated[str, Field(pattern=_NAME.pattern)] | None = None

    def with_state(self, storage_state: dict[str, Any], session_storage: dict[str, dict[str, str]]) -> Profile:
        """Return the same profile with what the page holds now."""
        state = {"storage_state": _has_both_lists(storage_state), "session_storage": session_storage}
        return self.model_copy(update={**state, "saved": _now()})

    def same_login(self, other: Profile) -> bool:
        """Tell whether both would sign in alike: neither order nor small shifts of an expiry count."""
        ours, theirs = self.storage_state, other.storage_state
        if _unordered(ours) != _unordered(theirs) or self._session_items() != other._session_items():
            return False
        expiries = zip(_expiries(ours["cookies"]), _expiries(theirs["cookies"]), strict=True)
        return all(abs(one - another) <= EXPIRY_SLACK for one, another in expiries)

    def _session_items(self) -> set[tuple[str, str, str]]:
        return {(origin, *item) for origin, items in self.session_storage.items() for item in items.items()}


class Identity:
    """The age keys that open profiles; the first one also closes them, the others are for a change of keys."""

    def __init__(self, first: x25519.Identity, *older: x25519.Identity) -> None:
        self._keys = (first, *older)

    @classmethod
    def generate(cls) -> Identity:
        """Make a new key."""
        return cls(x25519.Identity.generate())

    @classmethod
    def parse(cls, text: str, source: str) -> Identity:
        """Read what `age-keygen` writes: one key a line, comments with `#`; `source` names it in the error."""
        lines = [line.strip() for line in text.splitlines()]
        try:
            first, *older = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
        except (IdentityError, ValueError):
            raise SetupError(
                f"No usable age key in {source}: each line of it should start with AGE-SECRET-KEY-1 or #. "
                "`age-keygen` makes such a file, and so does the bridge when it is given no key."
            ) from None
        return cls(first, *older)

    def export(self) -> str:
        """Return the keys as the text of a key file. A secret."""
        return "".join(f"# public key: {key.to_public()}\n{key}\n" for key in self._keys)

    def seal(self, content: bytes) -> bytes:
        """Encrypt for the first key."""
        return bytes(encrypt(content, [self._keys[0].to_public()]))

    def open(self, sealed: bytes) -> bytes:
        """Decrypt with whichever key fits; raises pyrage's `DecryptError`."""
        return bytes(decrypt(sealed, list(self._keys)))


def load_identity(settings: Settings) -> Identity:
    """Take the profile key from its file, else from its setting, else from the config folder, made if missing."""
    path = settings.profile_key_file
    if not path and settings.profile_key:
        return Identity.parse(settings.profile_key.get_secret_value(), "the setting profile_key")
    if not path:
        path = settings.config / "profile.key"
        with _explained(f"make the key file {path}"):
            if not path.exists():
                _generate(path)
    with _explained(f"read the key file {path}"):
        text = read_private(path).decode("ascii", "replace")
    return Identity.parse(text, f"the key file {path}")


def check_name(name: str) -> str:
    """Return `name` if a profile may be called so; raise `SetupError` that says what may be."""
    if _NAME.fullmatch(name):
        return name
    raise SetupError(
        f"{name!r} is no name for a profile: take 1 to 64 of the characters A-Z a-z 0-9 . _ - "
        "and start with a letter or a digit."
    )


class ProfileStore:
    """The folder of the captured logins, one encrypted file a profile."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder = folder
        self.identity = identity

    def names(self) -> list[str]:
        """Name all profiles in the folder, sorted."""
        with _explained(f"list the profiles in {self.folder}"):
            files = list(self.folder.iterdir()) if self.folder.exists() else []
        return sorted(file.stem for file in files if file.suffix == _SUFFIX and _NAME.fullmatch(file.stem))

    def path(self, name: str) -> Path:
        """Say where the profile of that name is kept, whether it exists or not."""
        return self.folder / f"{check_name(name)}{_SUFFIX}"

    def exists(self, name: str) -> bool:
        """Tell whether a profile of that name is kept here."""
        with _explained(f"look into {self.folder}"):
            return self.path(name).is_file()

    def stamp(self, name: str) -> Stamp | None:
        """Return what changes whenever the file of that name is written; None where there is none."""
        try:
            facts = self.path(name).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def load(self, name: str) -> Profile:
        """Open a profile; raises `SetupError` that names the file and what to do about it."""
        path = self._present(name)
        with _explained(f"read the profile {path}"):
            sealed = read_private(path)
        try:
            content = self.identity.open(sealed)
        except DecryptError:
            raise SetupError(
                f"Cannot open the profile {path}: it is damaged, or it was saved with another key. "
                f"Bring back the right key or {_REMEDY}"
            ) from None
        return _parse(content, name, path)

    def save(self, profile: Profile) -> None:
        """Write the profile in one step: whatever happens, the file holds the old login or the new one."""
        path = self.path(profile.name)
        content = json.dumps(profile.model_dump(), default=datetime.isoformat).encode()
        with _explained(f"save the profile {path}"):
            write_file(path, self.identity.seal(content))

    def remove(self, name: str) -> None:
        """Delete a profile, and what an interrupted save of it may have left behind."""
        path = self._present(name)
        with _explained(f"remove the profile {path}"):
            for file in (path, *drafts(path)):
                file.unlink()

    def rename(self, name: str, to: str) -> None:
        """Give a profile another name, inside its file, too; refused where that name is taken."""
        if self.exists(to):
            raise SetupError(f"There is a profile {to} already; remove it first, or take another name.")
        self.refuse_other(to)
        self.save(self.load(name).model_copy(update={"name": to}))
        self.remove(name)

    def _present(self, name: str) -> Path:
        if self.exists(name):
            return self.path(name)
        self.refuse_other(name)
        raise SetupError(f"There is no profile {name} in {self.folder.absolute()}; `bridge login` captures one.")

    def refuse_other(self, name: str) -> None:
        """Raise `SetupError` where something else than a file stands in a profile's place."""
        path = self.path(name)
        if os.path.lexists(path) and not path.is_file():
            kind = "a link that leads to no file" if path.is_symlink() else "a folder" if path.is_dir() else "no file"
            raise SetupError(f"{path.absolute()} is {kind}, and so no profile; move it away, or take another name.")


def open_sealed(sealed: bytes, identity: Identity, source: str) -> Profile:
    """Open what another store has saved, under whatever name; `source` names it in the error."""
    try:
        content = identity.open(sealed)
    except DecryptError:
        raise SetupError(
            f"Cannot open {source}: it is damaged or no profile, or it was saved with another key than the one given."
        ) from None
    return _parse(content, None, source)


def _parse(content: bytes, name: str | None, path: Path | str) -> Profile:
    try:
        document = json.loads(content)
        version, inner_name = int(document["schema_version"]), str(document["name"])
        if version <= SCHEMA and name in (None, inner_name):
            return Profile.model_validate(document)
    except (ValueError, TypeError, KeyError):
        raise SetupError(
            f"The profile {path} opens, but holds no login this bridge can read. Bring back {_REMEDY}"
        ) from None
    if version > SCHEMA:
        raise SetupError(
            f"A newer bridge saved the profile {path}: its format is {version}, this one reads up to {SCHEMA}. "
            "Update the bridge, or remove the file and capture the login again with `bridge login`."
        )
    raise SetupError(f"{path} is the profile {inner_name!r} under another name: call it {inner_name}{_SUFFIX} again.")


def _generate(path: Path) -> None:
    """Make a key file, unless another process is faster."""
    try:
        create_file(path, Identity.generate().export().encode())
    except FileExistsError:
        return
    logger.warning(
        f"Made the key of the profiles: {path}. Keep a backup of it: without it no saved login opens. It protects "
        "copies of the profile folder only; whoever reads files as this user here has both."
    )


def read_private(path: Path) -> bytes:
    """Read a file that nobody else may read; one handed over by root may be readable for our group."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise SetupError(f"{path} is not a regular file.")
        allowed = 0o600 if facts.st_uid == os.geteuid() else 0o640
        if stat.S_IMODE(facts.st_mode) & 0o077 & ~allowed:
            raise SetupError(
                f"Others on this machine may read or change {path} (mode {stat.S_IMODE(facts.st_mode):04o}). "
                f"Make it private: chmod 600 {shlex.quote(str(path))}"
            )
        return file.read()


@contextmanager
def _explained(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SetupError(f"Cannot {action}: {error.strerror or error}.") from error


def _unordered(value: Any, field: str = "") -> Any:
    """Take out of a storage state what tells no logins apart: order, empty parts and expiries."""
    if field in _OPAQUE:
        return value
    if isinstance(value, dict):
        parts = {name: _unordered(part, name) for name, part in value.items() if name != "expires"}
        filled = {name: part for name, part in parts.items() if part not in ({}, [])}
        return {} if filled.keys() <= {"origin"} else filled
    if isinstance(value, list) and field in _UNORDERED:
        return sorted(filter(None, map(_unordered, value)), key=lambda part: json.dumps(part, sort_keys=True))
    return value


def _expiries(cookies: list[dict[str, Any]]) -> list[float]:
    ordered = sorted(cookies, key=lambda cookie: [str(cookie.get(part)) for part in _COOKIE_PLACE])
    return [float(cookie.get("expires", -1)) for cookie in ordered]
