"""Removes the login from a Playwright trace, so that a trace can be shared without the account.

The secrets are the browser's stored values for the site, and the credentials headers of the trace's requests. They are
replaced wherever they occur: in headers, bodies and page snapshots. Prompts and answers stay.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.storage.atomic import draft

SECRET_HEADERS = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie|.*(?:token|secret|api-?key|session).*", re.I)
SHORTEST = 12
"""Least characters of a secret; shorter values are settings such as `true`."""
STAND_IN = b"[removed]"


def stored(state: Any) -> set[str]:
    """Return the values in a storage state, including those inside JSON."""
    found = {cookie["value"] for cookie in state["cookies"]}
    for origin in state["origins"]:
        for item in origin.get("localStorage", ()):
            found.update(_leaves(item["value"]))
    return found


def redact(trace: Path, clean: Path, known: Collection[str], work: Path) -> None:
    """Write the trace to `clean` without `known` values and those of its requests' secret headers.

    Playwright's own files in the folder `work` stay until the browser closes, so those with such a value are deleted.
    """
    with zipfile.ZipFile(trace) as whole, draft(clean) as file:
        parts = [name for name in whole.namelist() if name.endswith("network")]
        secret = _pattern({*known, *(value for name in parts for value in _sent(whole, name))})
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as rest:
            for name in whole.namelist():
                rest.writestr(name, secret.sub(STAND_IN, whole.read(name)))
    for path in work.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and secret.search(path.read_bytes()):
                path.unlink()


def _pattern(values: Collection[str]) -> re.Pattern[bytes]:
    spellings = {way for value in values if len(value) >= SHORTEST for way in _spellings(value)}
    return re.compile(b"|".join(map(re.escape, sorted(spellings, key=len, reverse=True))) or rb"(?!)")


def _sent(whole: zipfile.ZipFile, name: str) -> Iterator[str]:
    """Yield the values of secret headers of all requests and responses in one part of a trace."""
    for line in whole.read(name).splitlines():
        try:
            snapshot = json.loads(line)["snapshot"]
            headers = [*snapshot["request"]["headers"], *snapshot["response"]["headers"]]
        except (ValueError, KeyError, TypeError):
            continue  # another kind of entry
        for header in headers:
            if SECRET_HEADERS.fullmatch(header["name"]):
                yield from re.split(r"[;,]?\s+|=", header["value"])


def _leaves(text: str) -> Iterator[str]:
    """Yield a value, and the strings in it if it is JSON."""
    yield text
    try:
        waiting = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        match waiting.pop():
            case str(value):
                yield value
            case dict(value):
                waiting += value.values()
            case list(value):
                waiting += value


def _spellings(value: str) -> set[bytes]:
    return {way.encode() for way in (value, quote(value, safe=""), quote(value), json.dumps(value)[1:-1])}
