"""The file of the named keys, and the merge of two nodes' files; it has digests and limits, never a key itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from bridge.errors import SetupError
from bridge.storage.atomic import write_file
from bridge.storage.key_limits import NO_LIMITS, KeyLimits
from bridge.storage.private_files import open_private

Scope = Literal["chat", "admin", "metrics"]
"""What a key gives access to: chats; chats, the admin API and the metrics; or only the metrics."""


class NamedKey(BaseModel):
    """A key in the file; `digest` is hexadecimal."""

    id: str
    name: str
    scope: Scope
    created: datetime
    hint: str
    digest: str
    limits: KeyLimits = NO_LIMITS


class _Form(BaseModel):
    keys: list[NamedKey] = []


class NamedKeyFile:
    """A file of named keys; a missing file has none. All methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def content(self) -> bytes:
        """Return the content of the file; empty if it is missing."""
        with suppress(FileNotFoundError), open_private(self.path) as file:
            return file.read()
        return b""

    def read(self) -> Sequence[NamedKey]:
        """Return the keys; raise `SetupError` if they cannot be read."""
        failure = f"Cannot read the keys in {self.path}"
        try:
            return read_keys(self.content(), failure)
        except OSError as error:
            raise SetupError(f"{failure}: {type(error).__name__}.") from None

    def write(self, keys: Sequence[NamedKey]) -> None:
        """Replace all keys."""
        self.replace(_Form(keys=list(keys)).model_dump_json(indent=1).encode())

    def replace(self, content: bytes) -> None:
        """Replace the content of the file."""
        write_file(self.path, content)


def read_keys(content: bytes, failure: str) -> Sequence[NamedKey]:
    """Return the keys of a file; raise a `SetupError` that begins with `failure` if they cannot be read."""
    try:
        return _Form.model_validate_json(content).keys if content else ()
    except ValidationError as error:
        raise SetupError(f"{failure}: {type(error).__name__}.") from None


def by_id(keys: Sequence[NamedKey]) -> dict[str, NamedKey]:
    """Return the keys by their ids."""
    return {one.id: one for one in keys}


def merged(base: Mapping[str, NamedKey], own: Mapping[str, NamedKey], theirs: Mapping[str, NamedKey]) -> list[NamedKey]:
    """Return the keys with both sides' changes since `base`; a revocation of a key wins over a change."""
    both = [own[one] if own[one] != base.get(one) else key for one, key in theirs.items() if one in own]
    added = [
        key
        for keys, others in ((theirs, own), (own, theirs))
        for one, key in keys.items()
        if one not in others and one not in base
    ]
    return [*both, *added]
