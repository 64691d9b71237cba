"""Tells calls from text that only mentions calls, by their context and content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bridge.tool_calls.call_block import Block, read_block
from bridge.tool_calls.call_body import quotes
from bridge.tool_calls.call_reader import Definition, known, read_calls
from bridge.tool_calls.json_repair import Unreadable, json_begins, json_end
from bridge.tool_calls.notation import Call
from bridge.tool_calls.prose import (
    BARE,
    BARE_ARGUMENTS,
    BARE_BEGUN,
    CALL_INFO,
    EXAMPLE,
    OF_JSON,
    PLACEHOLDER,
    UNKNOWN_END,
    UNKNOWN_TAG,
    Place,
    fence_end,
)
from bridge.tool_calls.python_calls import LONGEST, python_calls, python_name
from bridge.tool_calls.tagged_text import NeedMoreText, TaggedText
from bridge.tool_calls.tags import LONGEST_TAG, Tag

WRAPPED = re.compile("[\"'](?:tool_calls|function_calls|tool_uses)[\"']")
PYTHON_BEGUN = re.compile(r"\s*+\[?\s*+[A-Za-z_][\w.]{0,127}+|\s*+\[\s*+")
CLOSING_BEGUN = re.compile(r"[`~]*+[ \t]*+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision on the text up to `end`: calls, an unreadable call and `why`, or else plain text."""

    end: int
    calls: Sequence[Call] = ()
    why: str = ""
    is_cut_off: bool = False


def judge_tag(tagged: TaggedText, place: Place, tag: Tag) -> Outcome:
    """Return the decision on the text that begins with a tag."""
    if place.is_quoted:
        return Outcome(tag.end)
    block = read_block(tagged, tag, within_line=not place.is_blank)
    if not _is_attempt(tagged, place, tag, block):
        return Outcome(block.inner if block.is_loose or not block.is_closed else block.end)
    if not place.is_blank and tagged.line_goes_on(block.end):
        return Outcome(block.end)
    if _is_shown(tagged, place, block):
        return Outcome(_run_end(tagged, block.end))
    return Outcome(max(block.end, tag.end), block.calls, block.why, block.is_cut_off)


def judge_json(end: int, body: str, tagged: TaggedText, *, is_closed: bool = False) -> Outcome:
    """Return the decision on JSON up to `end`; `is_closed`: the end of its code block was seen."""
    try:
        return Outcome(end, read_calls(body, tagged.tools))
    except Definition:
        return Outcome(end)
    except Unreadable as unreadable:
        return Outcome(end, (), str(unreadable), not is_closed and not body.rstrip().endswith(("}", "]", "`")))


def judge_bare(tagged: TaggedText, place: Place, start: int, behind_tag: int) -> Outcome:
    """Return the decision on JSON at the start of a line after text: a call only if certain and nothing follows."""
    may_be_bare(tagged, behind_tag)  # asked again, as the parser swallows NeedMoreText
    text, end = tagged.text, behind_tag
    while json_begins(text, end) and (behind := json_end(text, end)):
        end = behind
    if json_begins(text, end):
        if not tagged.is_whole:
            raise NeedMoreText
        end = len(text)
    body = text[behind_tag:end]
    is_in_tag = behind_tag > start or UNKNOWN_TAG.fullmatch(place.lead)
    unknown = UNKNOWN_END.match(text, end) if is_in_tag else None
    end = unknown.end() if unknown else end
    is_named = BARE_ARGUMENTS.search(body, 0, 2 * LONGEST_TAG) is not None or WRAPPED.search(body[: 2 * LONGEST_TAG])
    if tagged.text_follows(end) or not is_named or EXAMPLE.search(place.lead) or OF_JSON.search(place.lead):
        return Outcome(end)
    return judge_json(end, body, tagged)


def judge_fence(tagged: TaggedText, place: Place, begun: re.Match[str]) -> Outcome | None:
    """Return the decision on a code block that holds only a call; None if it is code."""
    tag = tagged.adjacent(begun.end())
    if tag is not None and tag.is_start:
        return _fenced_blocks(tagged, place, begun, tag)
    is_named = CALL_INFO.match(begun["info"]) is not None
    if not is_named and not may_be_bare(tagged, begun.end()):
        return None
    end, body = _fenced_json(tagged, begun)
    if EXAMPLE.search(place.lead) or (tagged.text_follows(end) and not is_named):
        return Outcome(end)
    return judge_json(end, body, tagged, is_closed=end > begun.end() + len(body))


def may_be_bare(tagged: TaggedText, start: int) -> bool:
    """Tell whether the JSON of an untagged call begins at `start`."""
    body = tagged.text[start : start + 2 * LONGEST_TAG]
    match = BARE.match(body)
    if match is not None:
        return bool(match["wrapper"]) or bool(known(match["name"], tagged.tools))
    if not tagged.is_whole and BARE_BEGUN.fullmatch(body):
        raise NeedMoreText
    return False


def may_be_python(tagged: TaggedText) -> bool:
    """Tell whether the whole answer, without further words, is a call written as Python."""
    head, text = tagged.text[: 2 * LONGEST_TAG], tagged.text
    name = python_name(head)
    if not name:
        if not tagged.is_whole and PYTHON_BEGUN.fullmatch(head):
            raise NeedMoreText
        return False
    if not known(name, tagged.tools) or len(text) > LONGEST:
        return False
    if not tagged.is_whole:
        raise NeedMoreText
    with suppress(Unreadable):
        return bool([*python_calls(text)])
    return False


def _is_attempt(tagged: TaggedText, place: Place, tag: Tag, block: Block) -> bool:
    """Tell whether a block is meant as a call."""
    if block.is_sketch:
        return False
    if block.calls:
        return place.is_blank or not block.is_weak
    if PLACEHOLDER.fullmatch(block.name or "call"):
        return False
    if block.is_weak:
        return place.is_blank and not block.is_loose and bool(known(block.name, tagged.tools))
    if block.is_loose:
        return place.is_blank and not block.is_prose and not tag.is_bracketed and not tagged.line_goes_on(block.end)
    return place.is_blank or not EXAMPLE.search(place.lead)


def _is_shown(tagged: TaggedText, place: Place, block: Block) -> bool:
    """Tell whether a block is an example, or code of another program."""
    is_example = EXAMPLE.search(place.lead) is not None
    is_foreign = place.is_indented and bool(block.name) and not known(block.name, tagged.tools)
    if is_example and place.is_indented:
        return True
    return (is_example or is_foreign) and tagged.text_follows(_run_end(tagged, block.end))


def _run_end(tagged: TaggedText, end: int) -> int:
    """Return the end of a block and of the blocks that follow it directly."""
    end = tagged.behind_ends(end)
    while (tag := tagged.adjacent(end)) is not None and tag.is_start:
        end = tagged.behind_ends(max(read_block(tagged, tag).end, tag.end))
    return end


def _fenced_blocks(tagged: TaggedText, place: Place, begun: re.Match[str], tag: Tag | None) -> Outcome | None:
    """Return the decision on a code block that begins with a tag; None if it is code."""
    if tagged.patience < 0:
        return None
    blocks: list[Block] = []
    end = begun.end()
    while tag is not None and tag.is_start:
        block = read_block(tagged, tag)
        if not _is_attempt(tagged, Place(), tag, block):
            return None
        blocks.append(block)
        end = tagged.behind_ends(max(block.end, tag.end))
        tag = tagged.adjacent(end)
    end = _closed(tagged, begun, end)
    if end < 0:
        tagged.patience -= len(blocks)
        return None
    is_foreign = all(block.name and not known(block.name, tagged.tools) for block in blocks)
    if EXAMPLE.search(place.lead) or (is_foreign and tagged.text_follows(end)):
        return Outcome(end)
    calls = [call for block in blocks for call in block.calls]
    why = next((block.why for block in blocks if not block.calls), "")
    return Outcome(end, calls, why, blocks[-1].is_cut_off)


def _closed(tagged: TaggedText, begun: re.Match[str], place: int) -> int:
    """Return where a code block ends if only its closing line follows; -1 otherwise."""
    at = tagged.blank_to(place)
    match = fence_end(tagged.text, begun["marks"], tagged.text.rfind("\n", 0, at) + 1, is_whole=tagged.is_whole)
    if match is not None and match.start() <= at:
        return match.end()
    if not tagged.is_whole and CLOSING_BEGUN.fullmatch(tagged.text, at):
        raise NeedMoreText
    return len(tagged.text) if at == len(tagged.text) else -1


def _fenced_json(tagged: TaggedText, begun: re.Match[str]) -> tuple[int, str]:
    """Return the end and the content of a code block; ignore closing lines inside JSON strings."""
    start = scan = begun.end()
    odd = False
    while (match := fence_end(tagged.text, begun["marks"], scan, is_whole=tagged.is_whole)) is not None:
        odd ^= quotes(tagged.text[scan : match.start()]) % 2 == 1
        if not odd:
            return match.end(), tagged.text[start : match.start()]
        scan = match.end()
    if not tagged.is_whole:
        raise NeedMoreText
    return len(tagged.text), tagged.text[start:]
