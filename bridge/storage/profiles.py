"""Captured logins, and their folder: one age-encrypted JSON document per file, mode 0600.

The name and the schema version are part of the ciphertext and are checked, so a file under another name is refused.
Any `age` tool opens the files with the same key. No error message ever shows their contents.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt
from pyrage import DecryptError  # type: ignore[import-untyped]

from bridge.errors import SetupError
from bridge.storage.atomic import drafts, write_file
from bridge.storage.login_comparison import same_login
from bridge.storage.private_files import disk_errors, read_private
from bridge.storage.profile_key import Identity

SCHEMA: Final = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SUFFIX = ".age"
_REMEDY = "a backup of the file, or remove it and capture the login again with `bridge login`."


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
    """Everything that a new browser context needs to be signed in to one account of one site.

    `url` is the origin that the site's driver runs on, `viewport` is width and height in CSS pixels, `storage_state`
    is Playwright's dict (cookies; origins with localStorage and IndexedDB), `session_storage` is
    `{origin: {key: value}}`. The last two are secrets: no repr and no error shows them. `user_data_dir` names the
    browser folder of an account whose login cannot be copied; then only their session cookies are used.
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
        """Return the profile with the page's current state."""
        state = {"storage_state": _has_both_lists(storage_state), "session_storage": session_storage}
        return self.model_copy(update={**state, "saved": _now()})

    def same_login(self, other: Profile) -> bool:
        """Tell whether both are the same login, ignoring order and small shifts of expiries."""
        return same_login((self.storage_state, self.session_storage), (other.storage_state, other.session_storage))


def check_name(name: str) -> str:
    """Return `name` if it is a valid profile name; raise a `SetupError` that explains valid names."""
    if _NAME.fullmatch(name):
        return name
    raise SetupError(
        f"{name!r} is not a valid profile name: use 1 to 64 of the characters A-Z a-z 0-9 . _ - "
        "and start with a letter or a digit."
    )


class ProfileStore:
    """The folder of the captured logins, with one encrypted file per profile."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder = folder
        self.identity = identity
        self.now: Callable[[], float] | None = None
        """Returns the time of a save in Unix seconds; None: this machine's clock."""
        self._fences: dict[str, tuple[datetime, int]] = {}
        """The time and the fence of the last save of each profile."""

    def names(self) -> list[str]:
        """Return the names of all profiles in the folder, sorted."""
        with disk_errors(f"list the profiles in {self.folder}"):
            files = list(self.folder.iterdir()) if self.folder.exists() else []
        return sorted(file.stem for file in files if file.suffix == _SUFFIX and _NAME.fullmatch(file.stem))

    def path(self, name: str) -> Path:
        """Return the path of a profile, whether it exists or not."""
        return self.folder / f"{check_name(name)}{_SUFFIX}"

    def exists(self, name: str) -> bool:
        """Tell whether a profile of that name exists."""
        with disk_errors(f"look into {self.folder}"):
            return self.path(name).is_file()

    def stamp(self, name: str) -> Stamp | None:
        """Return a stamp that changes whenever the profile's file is written; None if there is no file."""
        try:
            facts = self.path(name).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def load(self, name: str) -> Profile:
        """Open a profile; raise a `SetupError` that names the file and the remedy."""
        path = self._present(name)
        with disk_errors(f"read the profile {path}"):
            sealed = read_private(path)
        try:
            content = self.identity.open(sealed)
        except DecryptError:
            raise SetupError(
                f"Cannot open the profile {path}: it is damaged, or it was saved with another key. "
                f"Restore the right key or {_REMEDY}"
            ) from None
        return _parse(content, name, path)

    def dated(self, profile: Profile) -> Profile:
        """Return the profile with the current time as that of its save."""
        saved = _now() if self.now is None else datetime.fromtimestamp(self.now(), UTC)
        return profile.model_copy(update={"saved": saved})

    def save(self, profile: Profile, fence: int = 0) -> Profile:
        """Write the profile atomically, and return it as stored.

        Whatever happens, the file holds the old login or the new one. `fence` is that of the owner whose page had the
        login; 0: a person made it.
        """
        path = self.path(profile.name)
        profile = profile if self.now is None else self.dated(profile)
        self._fences[profile.name] = profile.saved, fence  # before the write, so that a reader of the file finds it
        content = json.dumps(profile.model_dump(), default=datetime.isoformat).encode()
        with disk_errors(f"save the profile {path}"):
            write_file(path, self.identity.seal(content))
        return profile

    def fence_of(self, profile: Profile) -> int:
        """Return the fence under which a stored profile was saved in this run; 0 if no owner saved it."""
        saved, fence = self._fences.get(profile.name, (None, 0))
        return fence if saved == profile.saved else 0

    def sealed(self, name: str) -> bytes:
        """Return the encrypted content of a profile's file."""
        path = self._present(name)
        with disk_errors(f"read the profile {path}"):
            return read_private(path)

    def save_sealed(self, name: str, sealed: bytes) -> None:
        """Write the encrypted profile of another store; raise `SetupError` if it has another name."""
        path = self.path(name)
        profile = open_sealed(sealed, self.identity, f"the profile {name} of another node")
        if profile.name != name:
            raise SetupError(f"The profile {name} of another node holds {profile.name!r}.")
        with disk_errors(f"save the profile {path}"):
            write_file(path, sealed)

    def remove(self, name: str) -> None:
        """Delete a profile, and the drafts of interrupted saves."""
        path = self._present(name)
        with disk_errors(f"remove the profile {path}"):
            for file in (path, *drafts(path)):
                file.unlink()

    def rename(self, name: str, to: str) -> None:
        """Rename a profile, inside its file, too; raise `SetupError` if the name is taken."""
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
        """Raise `SetupError` if something other than a file is at a profile's path."""
        path = self.path(name)
        if os.path.lexists(path) and not path.is_file():
            kind = "a link that leads to no file" if path.is_symlink() else "a folder" if path.is_dir() else "no file"
            raise SetupError(f"{path.absolute()} is {kind}, not a profile; move it away, or use another name.")


def open_sealed(sealed: bytes, identity: Identity, source: str) -> Profile:
    """Open the encrypted profile of another store, with any name; `source` names it in errors."""
    try:
        content = identity.open(sealed)
    except DecryptError:
        raise SetupError(
            f"Cannot open {source}: it is damaged, not a profile, or it was saved with another key than the one given."
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
            f"The profile {path} opens, but this bridge cannot read the login in it. Restore {_REMEDY}"
        ) from None
    if version > SCHEMA:
        raise SetupError(
            f"A newer bridge saved the profile {path}: its format is {version}, this one reads up to {SCHEMA}. "
            "Update the bridge, or remove the file and capture the login again with `bridge login`."
        )
    raise SetupError(f"{path} holds the profile {inner_name!r}: rename the file back to {inner_name}{_SUFFIX}.")
