"""Looks for a secret in everything that was written or answered, in any usual encoding."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote


def spellings(secret: str) -> list[bytes]:
    """Return the encodings of a text in a file: plain, UTF-16, URL-encoded, hex, and base64 at any offset."""
    raw = secret.encode()
    ways = [raw, secret.encode("utf-16-le"), secret.encode("utf-16-be"), quote(secret, safe="").encode()]
    ways += [raw.hex().encode(), raw.hex().upper().encode()]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        whole = encoded[4 if before else 0 : len(encoded) - 4]  # the part that does not depend on its neighbours
        ways += [whole, whole.replace(b"+", b"-").replace(b"/", b"_")]
    return ways


def contents(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the content of a file, and the files in it if it is an archive."""
    yield name, data
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner in archive.namelist():
                yield from contents(f"{name}!{inner}", archive.read(inner))
    elif data.startswith(b"\x1f\x8b"):
        yield f"{name}!", gzip.decompress(data)


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all regular files below the folders, except those that are deleted during the search."""
    for path in (path for folder in folders for path in folder.rglob("*")):
        try:
            if path.is_file() and not path.is_symlink():
                yield str(path), path.read_bytes()
        except FileNotFoundError:
            continue


def leaks(secrets: Iterable[str], found: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return the places where any of the secrets occurs."""
    wanted = {secret: spellings(secret) for secret in secrets}
    return [
        f"{place}: {secret[:6]}..."
        for name, data in found
        for place, content in contents(name, data)
        for secret, ways in wanted.items()
        if any(way in content for way in ways)
    ]
