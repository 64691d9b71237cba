"""Finds the end of a value between tags, and decodes it.

An end tag closes the last tag of its kind that was opened within the value, and the value itself only if markup
follows. Without a certain end tag, the value ends before the next argument, at a likely end, or with the call.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection

from bridge.tool_calls.tag_kinds import BLOCK, Kind
from bridge.tool_calls.tagged_text import NeedMoreText, TaggedText
from bridge.tool_calls.tags import Tag

DEEPEST = 64
"""Most nested tags that are tracked within one value."""
CDATA = "<![CDATA["
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
SIBLING = re.compile(r"</?\w")


def plain(value: str, *, is_exact: bool) -> str:
    """Return a value without CDATA, entities, and the line breaks that only separate it from its tags."""
    if (inner := out_of_cdata(value)) is not None:
        return inner
    if not is_exact and value.startswith(("\n", "\r\n")):
        value = value[value.index("\n") + 1 :].removesuffix("\n").removesuffix("\r")
    is_escaped = "&" in value and "<" not in value and ">" not in value and "&" not in ENTITY.sub("", value)
    return html.unescape(value) if is_escaped else value


def out_of_cdata(value: str) -> str | None:
    """Return the content of a value that is a CDATA section, or None if it is not one."""
    inner = value.strip()
    if not (inner.startswith(CDATA) and inner.endswith("]]>")):
        return None
    return inner[len(CDATA) : -len("]]>")].replace("]]]]><![CDATA[>", "]]>")


def without_last_break(value: str) -> str:
    """Return a value without the line break that only separates it from the next tag."""
    head, line_break, rest = value.rpartition("\n")
    return head.removesuffix("\r") if line_break and not rest.strip() else value


def value_end(tagged: TaggedText, opening: Tag, missing: Collection[str]) -> tuple[Tag | None, bool]:
    """Return the tag before which the value of `opening` ends, None for the text's end, and whether it is its end tag.

    `missing` names the arguments that may follow.
    """
    marked = _marked_end(tagged, opening) if opening.is_marked else None
    if marked is not None:
        return marked, True
    return _first_end(tagged, opening) if tagged.has_no_ends else _certain_end(tagged, opening, missing)


def _marked_end(tagged: TaggedText, opening: Tag) -> Tag | None:
    """Return the next marked tag if it is the end; an unmarked tag never ends a value whose end tag is marked."""
    tag = next((tag for tag in tagged.tags_from(_behind_cdata(tagged, opening.end)) if tag.is_marked), None)
    if tag is None and not tagged.is_whole:
        raise NeedMoreText
    return tag if tag and tag.is_end and _may_end(opening, tag) and _is_followed(tagged, tag) else None


def _certain_end(tagged: TaggedText, opening: Tag, missing: Collection[str]) -> tuple[Tag | None, bool]:
    opened: list[Tag] = []
    ends: list[Tag] = []
    sibling: Tag | None = None
    for tag in tagged.tags_from(_behind_cdata(tagged, opening.end)):
        if not tag.is_end:
            if len(opened) < DEEPEST and _opens_within(opening, tag):
                opened.append(tag)
                sibling = sibling or (tag if _is_next(tagged, opening, tag, missing) else None)
        elif _drop(opened, tag) or not _is_followed(tagged, tag):
            ends += [tag] if _may_end(opening, tag) else []
        elif _may_end(opening, tag):
            return tag, True
        elif tag.kind in BLOCK:
            return _without_end(sibling, ends[-1:], tag)
    if not tagged.is_whole:
        raise NeedMoreText
    tagged.has_no_ends = True
    return _without_end(sibling, ends[:1], None)


def _first_end(tagged: TaggedText, opening: Tag) -> tuple[Tag | None, bool]:
    """Return the first tag that may end a value, for a text without certain ends."""
    for tag in tagged.tags_from(_behind_cdata(tagged, opening.end)):
        if tag.is_end and _may_end(opening, tag):
            return tag, True
        if tag.kind in BLOCK:
            return tag, False
    return None, False


def _behind_cdata(tagged: TaggedText, place: int) -> int:
    """Return the end of the CDATA section at `place`, or `place` if there is none."""
    if not tagged.text.startswith(CDATA, tagged.blank_to(place)):
        return place
    end = tagged.text.find("]]>", place)
    if end < 0 and not tagged.is_whole:
        raise NeedMoreText
    return max(end, place)


def _without_end(sibling: Tag | None, ends: list[Tag], tag: Tag | None) -> tuple[Tag | None, bool]:
    if sibling is not None:
        return sibling, False
    return (ends[0], True) if ends else (tag, False)


def _opens_within(opening: Tag, tag: Tag) -> bool:
    if tag.is_whole or tag.kind is Kind.SEPARATOR:
        return False
    return tag.name == opening.name or tag.kind in BLOCK or (tag.kind is Kind.PARAMETER and bool(tag.attributes))


def _is_next(tagged: TaggedText, opening: Tag, tag: Tag, missing: Collection[str]) -> bool:
    """Tell whether a tag in a value is the next argument, so that the value's end tag is missing."""
    line = tagged.text[max(tagged.text.rfind("\n", opening.end, tag.start), tag.start - 80) + 1 : tag.start]
    return tag.kind is Kind.PARAMETER and tag.attributes.get("name") in missing and not line.strip()


def _is_followed(tagged: TaggedText, tag: Tag) -> bool:
    """Tell whether markup or nothing follows an end tag."""
    at = tagged.blank_to(tag.end)
    if tagged.adjacent(at) is not None or tagged.may_go_on(at) or tagged.text.startswith("```", at):
        return True
    return tag.kind is Kind.FIELD and not tag.is_marked and SIBLING.match(tagged.text, at) is not None


def _may_end(opening: Tag, tag: Tag) -> bool:
    return tag.name.lower() == opening.name.lower() or tag.kind is Kind.PARAMETER


def _drop(opened: list[Tag], tag: Tag) -> bool:
    """Close the tag within a value that an end tag closes; return whether there was one."""
    for place in reversed(range(len(opened))):
        one = opened[place]
        if one.name == tag.name or (one.kind in BLOCK and tag.kind in BLOCK) or one.kind is tag.kind is Kind.PARAMETER:
            del opened[place:]
            return True
    return False
