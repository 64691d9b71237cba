"""Finds the end of JSON between tags, and recognizes words or dots in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.tool_calls.call_reader import NAME, known
from bridge.tool_calls.json_repair import is_json, json_end
from bridge.tool_calls.python_calls import python_name
from bridge.tool_calls.tag_kinds import BLOCK, Kind
from bridge.tool_calls.tag_values import CDATA
from bridge.tool_calls.tagged_text import NeedMoreText, TaggedText
from bridge.tool_calls.tags import Tag

ESCAPED_QUOTE = re.compile(r'\\[\\"]')
STRING = re.compile(r""""(?!(?:\.\.\.|…)")(?:[^"\\]|\\.)*+(?:"|\\?\Z)""", re.DOTALL)
"""A JSON string, or its beginning, unless it is only dots."""
DOTS = re.compile(r"""(?:\A|[:\[{,])\s*+["']?(?:\.\.\.|…)["']?\s*+(?:[\]},]|\Z)""")


def quotes(text: str) -> int:
    """Return the number of quotes in `text` that are not escaped by a backslash."""
    return ESCAPED_QUOTE.sub("", text).count('"')


def is_structured(tagged: TaggedText, at: int) -> bool:
    """Tell whether JSON, a code block or a tool's name comes next."""
    text = tagged.text
    if text[at] in "{[`" or text.startswith((CDATA, "&quot;"), at):
        return True
    if known(python_name(text[at : at + 200]), tagged.tools):
        return True
    name = NAME.match(text, at)
    if name is None:
        return False
    if name.end() == len(text) and not tagged.is_whole:
        raise NeedMoreText
    return text[name.end() : name.end() + 1] in ("{", "`") and bool(known(name[1], tagged.tools))


def is_prose(tagged: TaggedText, at: int) -> bool:
    """Tell whether words after an opening tag only mention it: there are words, but no end tag, on its line."""
    text = tagged.text
    line_end = text.find("\n", at)
    if line_end >= 0 and not text[at:line_end].strip():
        return False
    tag = next(tagged.tags_from(at), None)
    if tag is not None and (line_end < 0 or tag.start < line_end):
        return not (tag.is_end and tag.kind in BLOCK)
    if line_end < 0 and not tagged.is_whole:
        raise NeedMoreText
    return True


def body_end(tagged: TaggedText, start: int) -> int:
    """Return where a body ends: before the first tag outside JSON strings, or at the end of the text."""
    place = start
    odd, first = False, None
    for tag in tagged.tags_from(start):
        odd ^= quotes(tagged.text[place : tag.start]) % 2 == 1
        place = tag.start
        if not _ends_body(tag):
            continue
        first = first or tag
        if not odd:
            return _end_before(tagged, start, tag)
    if not tagged.is_whole:
        raise NeedMoreText
    return (first and json_end(tagged.text, start)) or _end_before(tagged, start, first)


def _end_before(tagged: TaggedText, start: int, tag: Tag | None) -> int:
    """Return where `tag` begins, or the text ends; without an end tag, return where the JSON ends."""
    end = tag.start if tag else len(tagged.text)
    body = tagged.text[start:end]
    if (tag is None or not tag.is_end) and not is_json(body) and (length := json_end(body)):
        return start + length
    return end


def _ends_body(tag: Tag) -> bool:
    """Tell whether a tag after JSON ends it."""
    if tag.is_end:
        return tag.closes or tag.kind is Kind.NAME
    if tag.is_marked:
        return tag.kind is not Kind.SEPARATOR
    return tag.kind in (Kind.CALL, Kind.ENVELOPE, Kind.PARAMETER)


def is_sketch(written: Iterable[str], body: str) -> bool:
    """Tell whether dots replace an argument, or all of them; dots within a longer string do not count."""
    return any(text.strip() in ("...", "…") for text in written) or DOTS.search(STRING.sub("", body)) is not None
