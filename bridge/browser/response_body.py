"""Recovers the bytes of a whole response from the result of `Network.getResponseBody`.

Chromium returns text as characters, decoded by the response's charset, or without one by the media type. Text other
than JSON, XML or HTML is decoded as windows-1252, even if it is UTF-8.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.message import Message
from typing import Any

WESTERN = "windows-1252"
UTF_8 = "utf-8"
NAMED_OTHERWISE = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": WESTERN, "latin1": WESTERN, "us-ascii": WESTERN}
"""Charsets that browsers replace by larger ones."""
WITH_RULES_OF_THEIR_OWN = ("html", "xml", "json")
WESTERN_LETTERS = "".join(bytes([byte]).decode(WESTERN, "ignore") or chr(byte) for byte in range(256))
"""The characters of windows-1252 by byte, without gaps, as in browsers."""
WESTERN_BYTES = codecs.charmap_build(WESTERN_LETTERS)


def body_of(answer: Mapping[str, Any], content_type: str, length: int | None = None) -> bytes:
    """Return the bytes of the body; `length` is their number, if known."""
    body: str = answer["body"]
    if answer["base64Encoded"]:
        return base64.b64decode(body)
    likeliest: bytes | None = None
    for reading in _encoded(body, content_type):
        if length in (None, len(reading)):
            return reading
        likeliest = reading if likeliest is None else likeliest
    return likeliest or b""


def _encoded(body: str, content_type: str) -> Iterator[bytes]:
    """Yield the possible bytes of a text, the likeliest first."""
    header = Message()
    header["content-type"] = content_type
    named = header.get_content_charset("")
    kind = header.get_content_type() if content_type else ""
    is_western = kind.startswith("text/") and not kind.endswith(WITH_RULES_OF_THEIR_OWN)
    for charset in (NAMED_OTHERWISE.get(named, named), WESTERN if is_western else UTF_8, UTF_8, WESTERN):
        with suppress(LookupError, UnicodeError):
            yield (
                codecs.charmap_encode(body, "strict", WESTERN_BYTES)[0] if charset == WESTERN else body.encode(charset)
            )
