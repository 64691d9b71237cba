"""Files beside the text of a message: data URLs and base64 are decoded here, addresses and ids only noted.

An address or id becomes a `Remote`, which `bridge.api.attachments.gather` replaces with the file.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from bridge.chat.types import Attachment
from bridge.errors import RequestError

UNKNOWN_TYPE = "application/octet-stream"
MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)
LONGEST_NAME = 200
"""Most bytes of a name in UTF-8; file systems allow 255."""
LONGEST_ENDING = 10
SEPARATORS = re.compile(r"[/\\]")
FORBIDDEN = frozenset('<>:"/\\|?*')
"""Characters that some file systems forbid."""
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of invisible and direction-changing characters: controls, formats, surrogates, separators."""
LONGEST_HEAD = 1000
"""Most characters of a data URL before its data."""
PIECE = 8192
"""Bytes to unquote at a time, because each escape becomes an object."""
TO_STANDARD = bytes.maketrans(b"-_", b"+/")
BLANKS = b" \t\n\r\v\f"


@dataclass(frozen=True, slots=True)
class Remote(Attachment):
    """An attachment that must still be fetched, by id or address; an unknown media type is empty."""

    file_id: str = ""
    url: str = ""


def named(name: str, media_type: str, digest: str) -> str:
    """Return a safe form of a file's name; without one, a name from its type and digest."""
    clean = "".join("_" if _is_unwanted(char) else char for char in _last(name)).strip(". ")
    if not clean:
        kind = "image" if media_type.startswith("image/") else "file"
        return "-".join(filter(None, (kind, digest[:8]))) + (mimetypes.guess_extension(media_type) or "")
    stem, dot, ending = clean.rpartition(".")
    if not dot or len(ending) > LONGEST_ENDING:
        return _cut(clean, LONGEST_NAME) + (mimetypes.guess_extension(media_type) or "")
    return f"{_cut(stem, LONGEST_NAME - len(ending.encode()))}.{ending}"


def typed(name: str, media_type: str) -> str:
    """Return a media type without its parameters; if it is malformed, guess it from the name."""
    given = media_type.partition(";")[0].strip().lower()
    return given if MEDIA_TYPE.fullmatch(given) else mimetypes.guess_type(named(name, "", ""))[0] or UNKNOWN_TYPE


def attachment(name: str, media_type: str, data: bytes, param: str) -> Attachment:
    """Return the attachment; raise a `RequestError` for an empty file."""
    if not data:
        raise RequestError(f"{param}: the file is empty.", param=param)
    kind = typed(name, media_type)
    made = Attachment(name, kind, data, param)
    return Attachment(named(name, kind, made.digest), kind, data, param)


def _last(path: str) -> str:
    """Return the last part of a path of any operating system, cut to a bounded length."""
    return SEPARATORS.split(path[-4 * LONGEST_NAME :].rstrip("/\\"))[-1]


def _is_unwanted(char: str) -> bool:
    return char in FORBIDDEN or unicodedata.category(char) in INVISIBLE


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode("utf-8", "ignore")


def stored(file_id: object, param: str) -> Remote:
    """Return the attachment for a stored file; raise a `RequestError` for a malformed id."""
    if not isinstance(file_id, str) or not file_id:
        raise RequestError(f"{param} must be the id of a file.", param=param)
    return Remote("", "", b"", param, file_id=file_id)


def located(given: str, name: str, param: str) -> Attachment:
    """Return the file in a data URL, or a `Remote` for an http(s) address; raise a `RequestError` for others."""
    if given[:5].lower() == "data:":
        return _inline(given, name, param)
    if given[:8].lower().startswith(("http://", "https://")):
        if len(given) > 8000 or not _host(given):
            raise RequestError(f"{param} is not a usable address.", param=param)
        return Remote(name or unquote(PurePosixPath(urlsplit(given).path).name), "", b"", param, url=given)
    raise RequestError(f"{param} must be a data URL or an http(s) address.", param=param)


def from_base64(given: str, name: str, media_type: str, param: str) -> Attachment:
    """Return the attachment with the base64 data `given`; raise a `RequestError` if it is malformed."""
    return attachment(name, media_type, _decoded(given.encode("utf-8", "replace"), param), param)


def is_address(given: str) -> bool:
    """Tell whether this is a data URL or an http(s) address, and not base64 data."""
    return given[:8].lower().startswith(("data:", "http://", "https://"))


def _inline(given: str, name: str, param: str) -> Attachment:
    comma = given.find(",", 0, LONGEST_HEAD)
    if comma < 0:
        raise RequestError(f"{param} is not a data URL: it has no comma before the data.", param=param)
    head = given[len("data:") : comma].lower()
    data = _unquoted(given.encode("utf-8", "replace").partition(b",")[2])
    data = _decoded(data, param) if head.endswith(";base64") else data
    return attachment(name, head.partition(";")[0].strip(), data, param)


def _unquoted(data: bytes) -> bytes:
    """Replace escapes such as `%41` with their bytes, in pieces that end between escapes."""
    if b"%" not in data:
        return data
    made, place = bytearray(), 0
    while place < len(data):
        end = place + PIECE
        cut = data.rfind(b"%", end - 2, end)
        end = end if cut < 0 else cut
        made += unquote_to_bytes(data[place:end])
        place = end
    return bytes(made)


def _decoded(data: bytes, param: str) -> bytes:
    """Decode base64 of either alphabet, with or without its padding and white space."""
    bare = data.translate(TO_STANDARD, BLANKS).rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(f"{param} is not valid base64.", param=param) from None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
