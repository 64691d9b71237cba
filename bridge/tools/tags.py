"""Finds the tags of calls in a text, however the model spells them; knows nothing of what they mean together.

    tag        = "<" ["/"] [mark] name [attributes] ["/"] [bars] ( ">" | before the next "<" )
    mark       = [bars] "DSML" [bars | ":"]
    bars       = one to three of ｜ | ‖ and their like
    attributes = "=" value | name "=" value ...         in straight, curly or no quotes
    token      = "<" bars ( "tool_call[s][_section]" [ "_begin" | "_end" ] | "/tool_call" | "python_tag"
                          | "tool_sep" | "tool_call_argument_begin" ) bars ">"

Blanks and line breaks may stand between all of them. A tag is known by its name, or by its mark whatever its name is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bridge.tools.render import Tool

BARS = "｜|‖∣│¦"
LONGEST_TAG = 600
"""Characters of a tag with all its attributes."""


class Kind(Enum):
    """What a tag is for."""

    ENVELOPE = auto()
    """Stands around calls."""
    CALL = auto()
    TOOL = auto()
    """Bears the name of a tool: a call in itself."""
    PARAMETER = auto()
    NAME = auto()
    """Holds the name of the tool that is called."""
    ARGUMENTS = auto()
    """Holds all the arguments."""
    KEY = auto()
    """Holds the name of the argument whose value follows."""
    FIELD = auto()
    """Bears the name of an argument."""
    SEPARATOR = auto()


BLOCK = (Kind.CALL, Kind.ENVELOPE, Kind.TOOL)
"""What opens and ends calls."""
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("calls", "tool_use", "tool_uses", "tools"), Kind.ENVELOPE),
    **{f"{what}{gap}calls": Kind.ENVELOPE for what in ("tool", "function") for gap in ("", "_")},
    **{f"{what}{gap}call": Kind.CALL for what in ("tool", "function") for gap in ("", "_")},
    **dict.fromkeys(("invoke", "call", "function", "tool"), Kind.CALL),
    **dict.fromkeys(("parameter", "param", "arg", "argument", "arg_value"), Kind.PARAMETER),
    "arg_key": Kind.KEY,
    **dict.fromkeys(("name", "tool_name", "function_name"), Kind.NAME),
    **dict.fromkeys(("arguments", "args", "parameters", "params", "input", "tool_input"), Kind.ARGUMENTS),
}
WEAK = frozenset(("calls", "tool_use", "tool_uses", "tools", "call", "function", "tool"))
"""Names that mean a call only if what follows looks like one."""
TAG = re.compile(
    rf"<(?:\s{{0,8}}+(?P<end>/?+)\s{{0,8}}+(?P<mark>(?:[{BARS}]\s{{0,8}}+){{0,3}}+DSML\s{{0,8}}+(?:[{BARS}:]\s{{0,8}}+){{0,3}}+)?+"
    rf"(?P<name>(?:tool|function)[ _-]?(?:calls?|uses?)(?![\w.:-])|[^\W\d](?:[\w.-]|:(?=\w|:)|/(?=\w)){{0,128}}+)"
    rf"(?P<rest>[^<>]{{0,{LONGEST_TAG}}}+)(?:>|(?=<))"
    rf"|[{BARS}]{{1,2}}+(?P<token>/?tool[▁_ ]calls?(?:[▁_ ]section)?(?:[▁_ ](?:begin|end))?|python_tag"
    rf"|tool[▁_ ](?:sep|call[▁_ ]argument[▁_ ]begin))[{BARS}]{{1,2}}+>)",
    re.IGNORECASE,
)
MARK_BEGUN = re.compile(rf"(?:[{BARS}]\s*+){{0,3}}+(?:D(?:S(?:ML?)?)?)?", re.IGNORECASE)
MARK = re.compile(rf"(?:[{BARS}]\s*+){{0,3}}+DSML\s*+(?:[{BARS}:]\s*+){{0,3}}+", re.IGNORECASE)
TOKEN_BEGUN = re.compile(rf"[{BARS}]{{1,2}}/?[\w▁ ]{{0,30}}[{BARS}]{{0,2}}")
NAME_BEGUN = re.compile(r"(?:tool|function) (?:c(?:a(?:l(?:ls?)?)?)?|u(?:s(?:es?)?)?)?(?!\S)|[\w.:/-]+", re.IGNORECASE)
LONGEST_VALUE = f"{{0,{LONGEST_TAG}}}+"
ATTRIBUTE = re.compile(
    rf"""(?<![\w-])([\w-]{{1,100}}+)\s*+=\s*+(?:"([^"]{LONGEST_VALUE})"|'([^']{LONGEST_VALUE})'"""
    rf"""|[“”„«]([^“”»]{LONGEST_VALUE})[“”»]|[‘’‚]([^‘’]{LONGEST_VALUE})[‘’]"""
    rf"""|((?:[^\s"'“”‘’<>/{BARS}]|/(?=\w)){LONGEST_VALUE.replace("0", "1", 1)}))"""
)
SHORT = re.compile(r"""\s*=\s*["'“”]?([\w.:/-]+)["'“”]?""")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag; `name` is written as `KINDS` has it, but that of a tool or a field is as in the text."""

    start: int
    end: int
    kind: Kind
    name: str
    is_end: bool = False
    is_marked: bool = False
    is_whole: bool = False
    """It opens and ends itself."""
    rest: str = ""
    """What stands behind the name."""
    is_token: bool = False
    """It is one of the tokens in which the model was trained to call."""

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes, their names in lower case; `<function=NAME>` gives a `name`, too."""
        short = SHORT.match(self.rest)
        found = {"name": short[1]} if short else {}
        for match in ATTRIBUTE.finditer(self.rest):
            found[match[1].lower()] = next((value for value in match.groups()[1:] if value is not None), "")
        return found

    @property
    def closes(self) -> bool:
        """Tell whether it is of a kind that a call's end is made of."""
        return self.kind in (*BLOCK, Kind.PARAMETER, Kind.ARGUMENTS)

    @property
    def is_start(self) -> bool:
        """Tell whether it may begin a call."""
        if self.is_end or self.kind is Kind.SEPARATOR:
            return False
        return self.is_marked or self.kind in (Kind.ENVELOPE, Kind.CALL, Kind.TOOL)

    @property
    def is_weak(self) -> bool:
        """Tell whether it begins a call only if what follows looks like one."""
        return not self.is_marked and (self.kind is Kind.TOOL or self.name in WEAK or self.is_whole)


class Tags:
    """The tags that count where these tools may be called."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = frozenset(tool.name.lower() for tool in tools)
        properties = (tool.parameters.get("properties") for tool in tools)
        self._fields = frozenset(name.lower() for known in properties if isinstance(known, dict) for name in known)
        self._names = sorted({*KINDS, *self._tools, *self._fields})

    def find(self, text: str) -> Iterator[Tag]:
        """Yield the tags of `text` in their order."""
        at = 0
        while (match := TAG.search(text, at)) is not None:
            tag = self._token(match) if match["token"] else self._tag(match)
            at = tag.end if tag else match.start() + 1
            if tag is not None:
                yield tag

    def may_begin(self, text: str) -> bool:
        """Tell whether `text`, which begins with `<` and ends before the tag does, may become one, or CDATA."""
        if "<![CDATA[".startswith(text):
            return True
        inner = text[1:].lstrip().removeprefix("/").lstrip()
        if not text.startswith("<") or len(text) > LONGEST_TAG or "<" in inner or ">" in inner:
            return False
        if MARK_BEGUN.fullmatch(inner) or TOKEN_BEGUN.fullmatch(inner):
            return True
        if MARK.match(inner) is not None:
            return True
        name = NAME_BEGUN.match(inner)
        return name is not None and self._may_be_name(name[0].lower(), is_whole=name.end() < len(inner))

    def is_begun(self, text: str) -> bool:
        """Tell whether `text` is the beginning of a call's tag beyond doubt: by its mark, or by five letters."""
        inner = text[1:].lstrip()
        if not self.may_begin(text) or inner.startswith("/"):
            return False
        plain = re.sub("[ -]", "_", inner.lower())
        names = (name for name in KINDS if KINDS[name] in (Kind.CALL, Kind.ENVELOPE) and name not in WEAK)
        by_name = len(plain) > 4 and any(name.startswith(plain) or plain.startswith(name) for name in names)
        return inner[:1] in BARS or by_name

    def _may_be_name(self, name: str, *, is_whole: bool) -> bool:
        plain = re.sub("[ -]", "_", name)
        known = any(self._first(one.rstrip("/")) == one.rstrip("/") for one in (plain, name))
        return known if is_whole else known or any(self._first(one).startswith(one) for one in (plain, name))

    def _first(self, name: str) -> str:
        """Return the first of the names that does not stand before `name`: those that begin with it follow it."""
        place = bisect_left(self._names, name)
        return self._names[place] if place < len(self._names) else ""

    def _token(self, match: re.Match[str]) -> Tag:
        what = match["token"].lower()
        is_end = what.endswith("end") or what.startswith("/")
        kind = (
            Kind.SEPARATOR if "sep" in what or "argument" in what else Kind.ENVELOPE if "calls" in what else Kind.CALL
        )
        name = "tool_calls" if kind is Kind.ENVELOPE else "tool_call"
        return Tag(match.start(), match.end(), kind, name, is_end, is_marked=True, is_token=True)

    def _tag(self, match: re.Match[str]) -> Tag | None:
        rest, is_marked = match["rest"], bool(match["mark"])
        plain = rest.rstrip().rstrip(BARS).rstrip()
        has_end = match[0].endswith(">") or (
            (is_marked or plain != rest.rstrip()) and not ATTRIBUTE.sub("", plain).strip()
        )
        if not has_end or (plain and not plain[0].isspace() and plain[0] not in f"=/{BARS}"):
            return None
        kind, name = self._kind(match["name"], is_marked=is_marked)
        if kind is None:
            return None
        is_whole = plain.endswith("/") and not match["end"]
        return Tag(match.start(), match.end(), kind, name, bool(match["end"]), is_marked, is_whole, rest)

    def _kind(self, name: str, *, is_marked: bool) -> tuple[Kind | None, str]:
        plain = re.sub("[ -]", "_", name.lower())
        if name.lower() in self._tools and plain not in ("invoke", "tool_call", "tool_calls"):
            return Kind.TOOL, name
        if plain in KINDS:
            return KINDS[plain], plain
        return (Kind.FIELD if is_marked or name.lower() in self._fields else None), name
