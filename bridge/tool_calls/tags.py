"""Finds the tags of calls in a text, in any spelling of a model, but does not interpret them.

    tag        = open ["/"] [mark] name [attributes] ["/"] [bars] ( close | before the next "<" )
    open       = "<", or a bracket that looks like it, with its counterpart
    mark       = [bars] "DSML" [bars | ":"] | bars
    bars       = one to three of ｜ | ‖ and similar
    attributes = "=" value | name "=" value ...         in straight, curly or no quotes
    token      = "<" bars WORDS bars ">" | "[" WORDS "]"
    head       = token of a message ... "to=" name ... ( "<|message|>" | before JSON )

Blanks and line breaks may come between all of them. A tag is recognized by its name, which may have a prefix with a
colon, or by the mark DSML with any name; a token by its words; a head by the tool that it names.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.tool_calls.notation import Tool
from bridge.tool_calls.tag_kinds import BLOCK, KINDS, WEAK, Kind, kind_of_token

BARS = "｜|‖∣│¦"
OPENING, CLOSING = "＜﹤‹〈⟨《«≺", "＞﹥›〉⟩》»≻"
"""Brackets that look like those of tags."""
LONGEST_TAG = 600
"""Most characters of a tag with its attributes."""
HEAD_TOKEN = rf"<[{BARS}]{{1,2}}+(?:start|channel|constrain)[{BARS}]{{1,2}}+>[^<>\n{{]{{0,100}}+"
TAG = re.compile(
    rf"(?P<head>{HEAD_TOKEN}(?:{HEAD_TOKEN}){{0,3}}+)(?:<[{BARS}]{{1,2}}+message[{BARS}]{{1,2}}+>|(?={{))"
    rf"|<[{BARS}]{{1,2}}+(?P<token>/?[a-z][\w▁ ]{{1,40}}+)[{BARS}]{{1,2}}+>"
    r"|\[(?:(?P<square>/?(?:END_)?(?:tool|function)[_ ](?:calls?|request)|ARGS)\](?!\()"
    r"|(?P<id>CALL_ID\]\s{0,8}+[\w-]{0,64}+))"
    rf"|(?:<|(?P<odd>[{OPENING}]))\s{{0,8}}+(?P<end>/?+)\s{{0,8}}+"
    rf"(?P<mark>(?:[{BARS}]\s{{0,8}}+){{0,3}}+DSML\s{{0,8}}+(?:[{BARS}:]\s{{0,8}}+){{0,3}}+|(?:[{BARS}]\s{{0,8}}+){{1,3}}+)?+"
    rf"(?P<name>(?:tool|function)[ _-]?(?:calls?|uses?)(?![\w.:-])|[^\W\d](?:[\w.-]|:(?=\w|:)|/(?=\w)){{0,128}}+)"
    rf"(?P<rest>(?(odd)[^<>{OPENING}{CLOSING}]{{0,{LONGEST_TAG}}}+|[^<>]{{0,{LONGEST_TAG}}}+))"
    rf"(?(odd)[>{CLOSING}]|(?:>|(?=<)))",
    re.IGNORECASE,
)
TARGET = re.compile(r"\bto=([\w.:/-]{1,128}+)")
HEAD_BEGUN = re.compile(rf"(?:{HEAD_TOKEN}){{0,4}}+(?:<[{BARS}]{{0,2}}[a-z]{{0,9}}[{BARS}]{{0,2}})?", re.IGNORECASE)
HEAD_STARTS = re.compile(rf"<[{BARS}]{{1,2}}+(?:start|channel)[{BARS}]{{1,2}}+>", re.IGNORECASE)
SQUARE = ("[tool_calls]", "[tool_call]", "[tool_request]", "[function_calls]", "[function_call]", "[args]", "[call_id]")
MARK_BEGUN = re.compile(rf"(?:[{BARS}]\s*+){{0,3}}+(?:D(?:S(?:ML?)?)?)?", re.IGNORECASE)
MARK = re.compile(rf"(?:[{BARS}]\s*+){{0,3}}+DSML\s*+(?:[{BARS}:]\s*+){{0,3}}+", re.IGNORECASE)
TOKEN_BEGUN = re.compile(rf"[{BARS}]{{1,2}}/?[\w▁ ]{{0,41}}[{BARS}]{{0,2}}")
NAME_BEGUN = re.compile(r"(?:tool|function) (?:c(?:a(?:l(?:ls?)?)?)?|u(?:s(?:es?)?)?)?(?!\S)|[\w.:/-]+", re.IGNORECASE)
LONGEST_VALUE = f"{{0,{LONGEST_TAG}}}+"
ATTRIBUTE = re.compile(
    rf"""(?<![\w-])([\w-]{{1,100}}+)\s*+=\s*+(?:"([^"]{LONGEST_VALUE})"|'([^']{LONGEST_VALUE})'"""
    rf"""|[“”„«]([^“”»]{LONGEST_VALUE})[“”»]|[‘’‚]([^‘’]{LONGEST_VALUE})[‘’]"""
    rf"""|((?:[^\s"'“”‘’<>/{BARS}]|/(?=\w)){LONGEST_VALUE.replace("0", "1", 1)}))"""
)
PREFIX = re.compile(r"[^\W\d][\w-]{0,19}+:")
PREFIX_BEGUN = re.compile(r"[^\W\d][\w-]{0,19}+:?")
SHORT = re.compile(r"""\s*[=(]\s*["'“”]?([\w.:/-]+)["'“”]?""")
NAMED_BEGUN = re.compile(r"(function|tool|invoke|call|tool_call|function_call)[:/]", re.IGNORECASE)
NAMED = re.compile(rf"{NAMED_BEGUN.pattern}([\w.:/-]+)", re.IGNORECASE)
"""A tag with the tool's name after its own."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag; `name` is spelled as in `KINDS`, but the name of a tool or a field is as in the text."""

    start: int
    end: int
    kind: Kind
    name: str
    is_end: bool = False
    is_marked: bool = False
    is_whole: bool = False
    """It is self-closing."""
    rest: str = ""
    """The text after the name."""
    is_bracketed: bool = False
    """It is a token in square brackets, which may also be a caption."""

    @property
    def attributes(self) -> dict[str, str]:
        """Return the attributes by lower-case name; `<function=NAME>` also gives a `name`."""
        short = SHORT.match(self.rest)
        found = {"name": short[1]} if short else {}
        for match in ATTRIBUTE.finditer(self.rest):
            found[match[1].lower()] = next((value for value in match.groups()[1:] if value is not None), "")
        return found

    @property
    def closes(self) -> bool:
        """Tell whether its kind can end a call."""
        return self.kind in (*BLOCK, Kind.PARAMETER, Kind.ARGUMENTS)

    @property
    def is_start(self) -> bool:
        """Tell whether it may begin a call."""
        if self.is_end or self.kind is Kind.SEPARATOR:
            return False
        return self.is_marked or self.kind in BLOCK or self.is_name_of_tool

    @property
    def is_name_of_tool(self) -> bool:
        """Tell whether it explicitly holds a tool's name."""
        return self.kind is Kind.NAME and self.name != "name"

    @property
    def is_weak(self) -> bool:
        """Tell whether it begins a call only if what follows looks like one."""
        is_weak = self.kind is Kind.TOOL or self.name in WEAK or self.is_whole or self.is_name_of_tool
        return not self.is_marked and is_weak


class Tags:
    """The tags that matter for calls of these tools."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = frozenset(tool.name.lower() for tool in tools)
        properties = (tool.parameters.get("properties") for tool in tools)
        self._fields = frozenset(name.lower() for known in properties if isinstance(known, dict) for name in known)
        self._names = sorted({*KINDS, *self._tools, *self._fields})

    def find(self, text: str) -> Iterator[Tag]:
        """Yield the tags of `text` in order."""
        at = 0
        while (match := TAG.search(text, at)) is not None:
            tag = self._made(match)
            at = tag.end if tag else match.start() + 1
            if tag is not None:
                yield tag

    def open_end(self, text: str, start: int) -> int:
        """Return where an incomplete tag begins after `start`, or the text's end."""
        start = max(len(text) - LONGEST_TAG, start)
        places = [match.start() for match in HEAD_STARTS.finditer(text, start)]
        last = [text.rfind(char, start) for char in f"<[{OPENING}"]
        found = (place for place in (*places, *sorted(last)) if place >= 0 and self.may_begin(text[place:]))
        return next(found, len(text))

    def may_begin(self, text: str) -> bool:
        """Tell whether `text`, the start of a possible tag, may become a tag or CDATA."""
        if "<![CDATA[".startswith(text) or (HEAD_STARTS.match(text) and HEAD_BEGUN.fullmatch(text)):
            return True
        if text.startswith("["):
            plain = text.lower().replace("[/", "[", 1).replace("[end_", "[", 1).replace(" ", "_")
            return any(one.startswith(plain) for one in (*SQUARE, "[end_"))
        inner = text[1:].lstrip().removeprefix("/").lstrip()
        brackets = "<>" if text.startswith("<") else f"<>{OPENING}{CLOSING}"
        if not text or text[0] not in f"<{OPENING}" or len(text) > LONGEST_TAG or not set(brackets).isdisjoint(inner):
            return False
        if MARK_BEGUN.fullmatch(inner) or TOKEN_BEGUN.fullmatch(inner) or PREFIX_BEGUN.fullmatch(inner):
            return True
        if MARK.match(inner) is not None:
            return True
        inner = inner.lstrip(f"{BARS} ")
        name = NAME_BEGUN.match(inner)
        return name is not None and self._may_be_name(name[0].lower(), is_whole=name.end() < len(inner))

    def is_begun(self, text: str) -> bool:
        """Tell whether `text`, the start of a tag, certainly begins a call: by its mark, or by five letters."""
        if HEAD_STARTS.match(text):
            return TARGET.search(text) is not None
        inner = text[1:].lstrip()
        plain = re.sub("[ -]", "_", inner.lower())
        names = (name for name in KINDS if KINDS[name] in (Kind.CALL, Kind.ENVELOPE) and name not in WEAK)
        by_name = len(plain) > 4 and any(name.startswith(plain) or plain.startswith(name) for name in names)
        return inner.startswith((*BARS,)) or by_name

    def _may_be_name(self, name: str, *, is_whole: bool) -> bool:
        plain = re.sub("[ -]", "_", name)
        if NAMED_BEGUN.match(plain):
            return True
        if (prefix := PREFIX.match(plain)) and any(one.startswith(plain[prefix.end() :]) for one in KINDS):
            return True
        known = any(self._first(one.rstrip("/")) == one.rstrip("/") for one in (plain, name))
        return known if is_whole else known or any(self._first(one).startswith(one) for one in (plain, name))

    def _first(self, name: str) -> str:
        """Return the first known name not sorted before `name`; names that start with it are sorted after it."""
        place = bisect_left(self._names, name)
        return self._names[place] if place < len(self._names) else ""

    def _made(self, match: re.Match[str]) -> Tag | None:
        if match["head"]:
            target = TARGET.search(match["head"])
            return self._special(match, Kind.CALL, rest=f"={target[1]}") if target else None
        if match["token"] is None and not match["square"] and not match["id"]:
            return self._tag(match)
        known = kind_of_token(match["token"] or match["square"] or match["id"].partition("]")[0])
        if known is not None:
            return self._special(match, known[0], is_end=known[1], is_bracketed=match["token"] is None)
        kind, name = self._kind(match["token"], is_marked=False)
        is_start = kind in BLOCK
        return Tag(match.start(), match.end(), kind, name, is_marked=name not in WEAK) if kind and is_start else None

    def _special(
        self, match: re.Match[str], kind: Kind, *, is_end: bool = False, is_bracketed: bool = False, rest: str = ""
    ) -> Tag:
        name = "tool_calls" if kind is Kind.ENVELOPE else "tool_call"
        place = (match.start(), match.end())
        return Tag(*place, kind, name, is_end, is_marked=True, rest=rest, is_bracketed=is_bracketed)

    def _tag(self, match: re.Match[str]) -> Tag | None:
        rest, mark = match["rest"], match["mark"] or ""
        is_native = mark.lower().find("dsml") >= 0
        plain = rest.rstrip().rstrip(BARS).rstrip()
        has_end = match[0][-1] in f">{CLOSING}" or (
            (is_native or plain != rest.rstrip()) and not ATTRIBUTE.sub("", plain).strip()
        )
        if not has_end or (plain and not plain[0].isspace() and plain[0] not in f"=(/{BARS}"):
            return None
        kind, name = self._kind(match["name"], is_marked=is_native)
        if kind in (None, Kind.FIELD) and (named := NAMED.fullmatch(match["name"])):
            kind, name, rest = Kind.CALL, named[1].lower(), f"={named[2]} {rest}"
        if kind is None:
            return None
        is_whole = plain.endswith("/") and not match["end"]
        is_marked = is_native or (bool(mark) and name not in WEAK)
        return Tag(match.start(), match.end(), kind, name, bool(match["end"]), is_marked, is_whole, rest)

    def _kind(self, name: str, *, is_marked: bool) -> tuple[Kind | None, str]:
        plain = re.sub("[ -]", "_", name.lower())
        if name.lower() in self._tools and plain not in ("invoke", "tool_call", "tool_calls"):
            return Kind.TOOL, name
        for one in (plain, PREFIX.sub("", plain)):
            if one in KINDS:
                return KINDS[one], one
        return (Kind.FIELD if is_marked or name.lower() in self._fields else None), name
