"""The age keys that encrypt profiles, from a file, a setting, or created at the first start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from loguru import logger
from pyrage import (  # type: ignore[import-untyped]
    IdentityError,
    decrypt,
    decrypt_io,
    encrypt,
    encrypt_io,
    x25519,
)

from bridge.errors import SetupError
from bridge.settings import ProfileKeySource
from bridge.storage.atomic import create_file
from bridge.storage.private_files import disk_errors, read_private


class Identity:
    """The age keys that decrypt profiles; the first one also encrypts them, the others allow a change of keys."""

    def __init__(self, first: x25519.Identity, *older: x25519.Identity) -> None:
        self._keys = (first, *older)

    @classmethod
    def generate(cls) -> Identity:
        """Return a new key."""
        return cls(x25519.Identity.generate())

    @classmethod
    def parse(cls, text: str, source: str) -> Identity:
        """Parse a file of `age-keygen`: one key per line, comments with `#`; `source` names it in errors."""
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
        """Return the keys as the text of a key file, which is a secret."""
        return "".join(f"# public key: {key.to_public()}\n{key}\n" for key in self._keys)

    def seal(self, content: bytes) -> bytes:
        """Encrypt for the first key."""
        return bytes(encrypt(content, [self._keys[0].to_public()]))

    def open(self, sealed: bytes) -> bytes:
        """Decrypt with any of the keys; raise pyrage's `DecryptError` if none fits."""
        return bytes(decrypt(sealed, list(self._keys)))

    def seal_stream(self, source: BinaryIO, to: BinaryIO) -> None:
        """Encrypt a stream for the first key, in constant memory."""
        with _heeded(to) as out:
            encrypt_io(source, out, [self._keys[0].to_public()])

    def open_stream(self, sealed: BinaryIO, to: BinaryIO) -> None:
        """Decrypt a stream; raise `DecryptError`, or an `OSError` if a later part is cut or changed."""
        with _heeded(to) as out:
            decrypt_io(sealed, out, list(self._keys))


class _Heeded:
    """A writer that keeps the error of a failed write: pyrage drops that of the last one."""

    def __init__(self, to: BinaryIO) -> None:
        self._to = to
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write data; raise the error of an earlier failed write."""
        if self.error is not None:
            raise self.error
        try:
            return self._to.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Do nothing: closing the file flushes it."""


@contextmanager
def _heeded(to: BinaryIO) -> Iterator[_Heeded]:
    """Yield a writer; afterwards, raise its first error in place of any that follows from it."""
    out = _Heeded(to)
    try:
        yield out
    finally:
        if out.error is not None:
            raise out.error


def load_identity(source: ProfileKeySource) -> Identity:
    """Return the profile key from its source; create the bridge's own key file if it is missing."""
    if source.text is not None:
        return Identity.parse(source.text.get_secret_value(), "the setting profile_key")
    path = source.file
    if source.is_made:
        with disk_errors(f"make the key file {path}"):
            if not path.exists():
                _generate(path)
    with disk_errors(f"read the key file {path}"):
        text = read_private(path).decode("ascii", "replace")
    return Identity.parse(text, f"the key file {path}")


def _generate(path: Path) -> None:
    """Create a key file, unless another process is faster."""
    try:
        create_file(path, Identity.generate().export().encode())
    except FileExistsError:
        return
    logger.warning(
        f"Created the profile key {path}. Keep a backup of it: without it no saved login opens. It protects "
        "only copies of the profile folder: a program that reads files as this user has both."
    )
