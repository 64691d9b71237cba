"""The API keys: their file, what is asked of them, and where the bridge may run without any."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import shlex
import stat
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from bridge.atomic import create_file
from bridge.errors import SetupError
from bridge.settings import Settings

PREFIX = "sk-"
"""What keys begin with, ours and those that people make up for other endpoints; no userToken does."""
LONG_ENOUGH = 32
"""Characters that a key must have where others than this machine can reach the bridge."""


class Keys:
    """The keys that are let in, held as digests."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    def accept(self, key: str) -> bool:
        """Return whether `key` is one of them, in a time that tells nothing about it."""
        given = _digest(key)
        matches = [hmac.compare_digest(given, known) for known in self._digests]
        return any(matches)


class KeyFile:
    """The file `api_keys` in the config folder: one key a line, `#` starts a comment, mode 0600."""

    def __init__(self, config: Path) -> None:
        self.path = config / "api_keys"

    def keys(self) -> tuple[str, ...]:
        """Return the keys; at the first start the file is made with one new key."""
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
        with self._open(os.O_RDWR | os.O_APPEND) as file:
            gap = b"" if file.read().endswith(b"\n") else b"\n"
            file.write(gap + f"{key}\n".encode())
        return key

    def _read(self) -> tuple[str, ...]:
        with self._open(os.O_RDONLY) as file:
            lines = file.read().decode("utf-8", "replace").splitlines()
        keys = tuple(key for line in lines if (key := line.partition("#")[0].strip()))
        if not keys:
            raise SetupError(f"There is no API key in {self.path}; remove the file to get a new one.")
        return keys

    def _open(self, flags: int) -> BinaryIO:
        """Open the file, unless it is a link or others may use it."""
        file = os.fdopen(os.open(self.path, flags | os.O_NOFOLLOW), "rb" if flags == os.O_RDONLY else "r+b")
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            file.close()
            raise SetupError(f"Others can use the API keys; run: chmod 600 {shlex.quote(str(self.path))}")
        return file

    def _make(self) -> None:
        """Make the file with one key, but never in place of another."""
        with suppress(FileExistsError):
            create_file(self.path, f"{new_key()}\n".encode())


def new_key() -> str:
    """Return a fresh key."""
    return f"{PREFIX}bridge-{secrets.token_urlsafe(32)}"


def load_keys(settings: Settings) -> Keys | None:
    """Return the keys that callers must show, or None where none is asked for.

    Raises `SetupError` where the bridge would stand open to others than this machine.
    """
    local = _is_loopback(settings.server.host)
    if settings.server.no_auth:
        if not local:
            raise SetupError(f"no_auth needs a loopback address, not {settings.server.host}.")
        return None
    keys = KeyFile(settings.config).keys()
    if not local and min(map(len, keys)) < LONG_ENOUGH:
        raise SetupError(f"Beyond this machine every API key needs {LONG_ENOUGH} characters or more.")
    return Keys(keys)


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _is_loopback(host: str) -> bool:
    address = address_of(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that `name` is, in brackets or not; None where it is none."""
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
