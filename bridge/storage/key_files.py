"""The format of keys, and the files of plain keys."""

from __future__ import annotations

import ipaddress
import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from bridge.errors import SetupError
from bridge.storage.atomic import create_file, write_file
from bridge.storage.private_files import open_private

PREFIX = "sk-"
"""The prefix of keys, as on most OpenAI-style endpoints; no site's userToken has it."""
EMPTIED = "# a key that was revoked"
LONG_ENOUGH = 32
"""Least characters of a key if other machines can reach the bridge."""


class KeyFile:
    """A file of plain keys in the config folder: one per line, `#` starts a comment, mode 0600.

    `api_keys` has those for chats, `admin_key` the one for local commands.
    """

    def __init__(self, config: Path, name: str = "api_keys") -> None:
        self.path = config / name

    def keys(self) -> tuple[str, ...]:
        """Return the keys; create the file with one new key if it is missing."""
        try:
            if not self.path.exists():
                self._make()
            return self._read()
        except OSError as error:
            raise SetupError(f"Cannot use the key file {self.path}: {error.strerror}.") from error

    def add(self) -> str:
        """Add a new key to the file and return it."""
        self.keys()
        key = new_key()
        with open_private(self.path, os.O_RDWR | os.O_APPEND) as file:
            gap = b"" if file.read().endswith(b"\n") else b"\n"
            file.write(gap + f"{key}\n".encode())
        return key

    def replace(self, key: str, by: str = EMPTIED) -> None:
        """Replace the line of a key; comments and other keys are unchanged."""
        lines = [by if _key_in(line) == key else line for line in self._lines()]
        write_file(self.path, "".join(f"{line}\n" for line in lines).encode())

    def left(self) -> tuple[str, ...]:
        """Return the keys, none if all are revoked or there is no file; create nothing."""
        return tuple(filter(None, map(_key_in, self._lines())))

    def _lines(self) -> list[str]:
        try:
            with open_private(self.path) as file:
                return file.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []

    def _read(self) -> tuple[str, ...]:
        if not (keys := self.left()):
            raise SetupError(f"There is no API key in {self.path}; remove the file to get a new one.")
        return keys

    def _make(self) -> None:
        """Create the file with one key, never replacing an existing file."""
        with suppress(FileExistsError):
            create_file(self.path, f"{new_key()}\n".encode())


def new_key() -> str:
    """Return a new key."""
    return f"{PREFIX}bridge-{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key, stored and compared in its place so that neither timing nor file reveals it."""
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _key_in(line: str) -> str:
    return line.partition("#")[0].strip()


def address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return `name`, with or without brackets, as an IP address; None if it is not one."""
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
