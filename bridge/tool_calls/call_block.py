"""Reads one call, from its opening tag to its end.

    call     = opening ... ( body | argument ... ) ( end | before the next call, or text )
    opening  = a tag of a call or of an envelope, which may name the tool, or the tool's name as a tag
             or the tool's name as text before its first argument
    body     = JSON | name JSON                 up to the first tag outside its strings
    argument = <parameter name="..."> value end | <FIELD> value end | <name> value end
             | <arg_key> name end <arg_value> value end | <arguments> ( body | argument ... ) end
    end      = any end tag of a call, an envelope or the tool

Envelopes and their end tags have no meaning: they may be missing, doubled, or of another dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.tool_calls.call_body import body_end, is_prose, is_sketch, is_structured
from bridge.tool_calls.call_reader import (
    ARGUMENTS,
    NAME,
    NAMES,
    Unknown,
    fields_of,
    known,
    make_call,
    named_call,
    read_calls,
)
from bridge.tool_calls.json_repair import Unreadable
from bridge.tool_calls.notation import Call
from bridge.tool_calls.tag_kinds import BLOCK, Kind
from bridge.tool_calls.tag_values import out_of_cdata, plain, value_end, without_last_break
from bridge.tool_calls.tagged_text import NeedMoreText, TaggedText
from bridge.tool_calls.tags import Tag

BREAKS_OFF = "It breaks off before its end."


@dataclass(frozen=True, slots=True)
class Block:
    """The result of reading from one opening tag: the calls, or why there are none."""

    end: int
    inner: int
    """The end of its opening tags."""
    calls: tuple[Call, ...] = ()
    why: str = ""
    name: str = ""
    """The tool that it names, known or not."""
    is_closed: bool = False
    """It ends with an end tag."""
    is_loose: bool = False
    """It has words in place of JSON or arguments."""
    is_prose: bool = False
    """Those words only mention calls, and are not part of it."""
    is_cut_off: bool = False
    """The text ends within it."""
    is_sketch: bool = False
    """Dots replace an argument, or all of them."""
    is_weak: bool = False
    """None of its tags alone makes it a call."""


def read_block(tagged: TaggedText, tag: Tag, *, within_line: bool = False) -> Block:
    """Read the call that `tag` opens; `within_line` tells whether text comes before it on its line."""
    return _Reader(tagged, tag, within_line=within_line).read()


class _Reader:
    def __init__(self, tagged: TaggedText, tag: Tag, *, within_line: bool) -> None:
        self._tagged = tagged
        self._first = tag
        self._at, self._inner = tag.start, tag.end
        self._within_line = within_line
        self._name = self._key = ""
        self._arguments: dict[str, str] = {}
        self._is_text: dict[str, bool] = {}
        self._body: str | None = None
        self._is_closed = self._is_loose = False
        self._is_weak = True
        self._wrong = ""

    def read(self) -> Block:
        goes_on = True
        while goes_on and not self._is_closed:
            tag = self._tagged.adjacent(self._at)
            goes_on = self._tag(tag) if tag else self._words()
        return self._block()

    @property
    def _has_content(self) -> bool:
        return bool(self._arguments) or self._body is not None

    # Tags

    def _tag(self, tag: Tag) -> bool:
        """Process a tag; return whether the call continues."""
        if self._is_argument(tag):
            self._argument(tag)
            return True
        if tag.kind in BLOCK and not tag.is_end and (self._has_content or (self._name and _named(tag))):
            return False  # another call begins
        self._at = tag.end
        if tag.kind is Kind.NAME and not tag.is_end:
            self._name = self._value(tag).strip()
        elif tag.kind is Kind.KEY and not tag.is_end:
            self._key = self._value(tag).strip()
        elif tag.kind in BLOCK and tag.is_end:
            self._is_closed = True
        elif tag.kind in BLOCK:
            self._open(tag)
        return True

    def _open(self, tag: Tag) -> None:
        """Process a tag that opens the call or its envelope."""
        self._at = self._tagged.behind_marks(tag.end)
        self._inner = self._inner if self._has_content else self._at
        self._is_weak = self._is_weak and tag.is_weak
        self._is_closed = tag.is_whole
        self._name = self._name or _named(tag)
        if self._name and tag.rest:
            self._take_attributes(tag)

    def _take_attributes(self, tag: Tag) -> None:
        """Read the arguments in the attributes of the opening tag."""
        fields = {name.lower(): name for name in self._fields()}
        for key, value in tag.attributes.items():
            if key in fields and (key not in NAMES or tag.kind is Kind.TOOL):
                self._arguments[fields[key]], self._is_text[fields[key]] = value, True
            elif key in ARGUMENTS:
                self._body = value

    def _is_argument(self, tag: Tag) -> bool:
        if tag.is_end or tag.kind is Kind.SEPARATOR or self._is_envelope(tag):
            return False
        if tag.kind is Kind.PARAMETER:
            return bool(self._key) or "name" in tag.attributes
        if tag.kind is Kind.FIELD or (tag.kind is Kind.NAME and self._name):
            return True
        return bool(self._name) and not tag.rest.strip() and tag.name.lower() in map(str.lower, self._fields())

    def _is_envelope(self, tag: Tag) -> bool:
        """Tell whether a tag known only by its mark encloses calls."""
        if tag.kind is not Kind.FIELD or self._name or self._has_content:
            return False
        inner = self._tagged.adjacent(tag.end)
        return inner is not None and inner.kind in BLOCK and not inner.is_end

    def _fields(self) -> Iterator[str]:
        return (name for tool in known(self._name, self._tagged.tools) for name in fields_of(tool))

    def _argument(self, tag: Tag) -> None:
        attributes = tag.attributes
        key = attributes.get("name", self._key) if tag.kind is Kind.PARAMETER else tag.name
        self._key = ""
        self._at = tag.end
        if key in self._arguments:
            self._wrong = f"The argument {key[:80]!r} is given twice."
        self._is_text[key] = attributes.get("string", "").lower() != "false"
        self._arguments[key] = attributes.get("value", "") if tag.is_whole else self._value(tag)

    def _value(self, opening: Tag) -> str:
        """Return the text up to the end of the value that `opening` opens, and move past it."""
        tag, is_end = value_end(self._tagged, opening, set(self._fields()) - set(self._arguments))
        end = tag.start if tag else len(self._tagged.text)
        if tag is None:
            self._wrong = BREAKS_OFF
        self._at = tag.end if tag and is_end else end
        value = self._tagged.text[opening.end : end]
        return plain(value if is_end else without_last_break(value), is_exact="string" in opening.attributes)

    # Words: the body, or other text

    def _words(self) -> bool:
        """Process text between tags; return whether the call continues."""
        tagged, at = self._tagged, self._tagged.blank_to(self._at)
        if self._has_content or self._wrong:
            return self._text_between(at)
        if at == len(tagged.text) or self._is_lost(at):
            return False
        if not self._name and self._is_name(at):
            return True
        self._is_loose = not is_structured(tagged, at)
        if self._is_loose and (self._within_line or is_prose(tagged, self._at)):
            return False
        end = body_end(tagged, self._at)
        self._body, self._at = tagged.text[self._at : end].rstrip().rstrip("*_"), end
        return True

    def _is_name(self, at: int) -> bool:
        """Read a tool's name, if it comes next with an argument or a separator after it."""
        first = NAME.match(self._tagged.text, at)
        tag = self._tagged.adjacent(first.end()) if first else None
        if first is None or tag is None:
            return False
        if tag.is_end:
            return self._is_name_apart(first[1], tag)
        if tag.kind is Kind.SEPARATOR:
            self._name = "" if first[1].lower() == "function" else first[1]
        elif tag.kind in (Kind.KEY, Kind.PARAMETER, Kind.FIELD) and known(first[1], self._tagged.tools):
            self._name = first[1]
        else:
            return False
        self._at = tag.start
        return True

    def _is_name_apart(self, name: str, end: Tag) -> bool:
        """Read a tool's name that is alone between tags, if its arguments follow them."""
        tagged = self._tagged
        at = tagged.blank_to(end.end)
        behind = tagged.adjacent(end.end)
        is_followed = tagged.text.startswith("{", at) or (behind is not None and behind.kind is Kind.ARGUMENTS)
        if end.kind not in BLOCK or not known(name, tagged.tools) or not is_followed:
            return False
        self._name, self._at = name, end.end
        return True

    def _is_lost(self, at: int) -> bool:
        """Tell whether only an incomplete tag follows."""
        if not self._tagged.may_go_on(at):
            return False
        self._at, self._wrong = len(self._tagged.text), BREAKS_OFF
        return True

    def _text_between(self, at: int) -> bool:
        """Process text after the arguments, which belongs to the call only if the call's end follows."""
        tagged = self._tagged
        if tagged.may_go_on(at):
            self._at = len(tagged.text)
            return False
        tag = next(tagged.tags_from(at), None)
        if tag is None and not tagged.is_whole:
            raise NeedMoreText
        if tag is None or not tag.is_end or not tag.closes:
            return False
        self._wrong = self._wrong or "There is other text between the arguments."
        self._at = tag.start
        return True

    # The outcome

    def _block(self) -> Block:
        is_prose = self._is_loose and self._body is None
        is_at_end = self._tagged.blank_to(self._at) == len(self._tagged.text)
        is_cut = self._tagged.is_whole and not self._is_closed and is_at_end
        calls: tuple[Call, ...] = ()
        why = self._wrong
        if not why and not is_prose:
            try:
                calls = tuple(self._calls(is_cut=is_cut))
            except Unreadable as unreadable:
                why = str(unreadable)
                self._name = unreadable.name if isinstance(unreadable, Unknown) else self._name
        return Block(
            max(self._at, self._first.end),
            self._inner,
            calls,
            why,
            self._name,
            self._is_closed,
            self._is_loose,
            is_prose,
            is_cut_off=is_cut and not calls,
            is_weak=self._is_weak and self._first.is_weak,
            is_sketch=is_sketch((*self._arguments, *self._arguments.values()), self._body or ""),
        )

    def _calls(self, *, is_cut: bool) -> list[Call]:
        tools = self._tagged.tools
        if self._body is not None:
            # Entities stay: they are text in JSON strings, and JSON that is escaped as a whole is decoded later.
            body = out_of_cdata(self._body) or self._body
            return [named_call(self._name, body, tools)] if self._name else read_calls(body, tools)
        if not self._name:
            raise Unreadable("The call has no name." if self._arguments else "The block holds no call.")
        if is_cut and not self._arguments:
            raise Unreadable(BREAKS_OFF)
        return [make_call(self._name, self._arguments, tools, self._is_text)]


def _named(tag: Tag) -> str:
    """Return the tool name in an opening tag; empty if there is none."""
    if tag.kind is Kind.TOOL:
        return tag.name
    attributes = tag.attributes
    return next((attributes[key] for key in NAMES if attributes.get(key)), "")
