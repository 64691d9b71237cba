"""The marks of calls: those of the notation, and those that the model writes out of habit instead."""

from __future__ import annotations

import re

NAMES = (
    "invoke",
    *(f"{what}{gap}call{s}" for what in ("tool", "function") for gap in ("_", "-", " ", "") for s in ("", "s")),
)
NATIVE = tuple(f"|tool_call{many}_{end}|" for many in ("", "s") for end in ("begin", "end"))
"""The tokens in which the model was trained to call; bars and underscores stand for their odd relatives."""
LONGEST_TAG = 240

OPEN = re.compile(
    r"<(?:｜DSML｜)?(?:(?:tool|function)[_ -]?call(?P<many>s)?|invoke)(?:\s[^<>]{0,200})?>"
    r"|<[｜|]tool[▁_ ]call(?P<native>s)?[▁_ ]begin[｜|]>",
    re.IGNORECASE,
)
CLOSE_ONE = re.compile(
    r"</(?:｜DSML｜)?(?:(?:tool|function)[_ -]?calls?|invoke)\s*>|<[｜|]tool[▁_ ]calls?[▁_ ]end[｜|]>", re.IGNORECASE
)
CLOSE_MANY = re.compile(
    r"</(?:｜DSML｜)?(?:tool|function)[_ -]?calls\s*>|<[｜|]tool[▁_ ]calls[▁_ ]end[｜|]>", re.IGNORECASE
)
STRAY_END = re.compile(rf"\s*(?:{CLOSE_ONE.pattern})", re.IGNORECASE)
FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})(?P<info>[^\n`]*)\n", re.MULTILINE)
FENCE_BEGUN = re.compile(r" {0,3}(?:`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^\n`]*)?")
CALL_INFO = re.compile(r"\s*(?:tool|function)[_-]?calls?\b", re.IGNORECASE)
TICKS = re.compile("`+")
BARE = re.compile(r"""\s*\[?\s*\{\s*["'](?:name|tool|tool_name|function|function_name)["']\s*:\s*["']([\w.-]+)["']""")
BARE_BEGUN = re.compile(r"""\s*\[?\s*(?:\{\s*(?:["'][a-z_]{0,14}(?:["']\s*(?::\s*(?:["'][\w.-]{0,64})?)?)?)?)?""")
EXAMPLE = re.compile(
    r"for example|for instance|e\.g\.|an? example|examples? (?:of|call)|example:|would look|looks like|like this"
    r"|(?:this|following|the) (?:format|notation|syntax|form)\b|例如|比如|示例|格式",
    re.IGNORECASE,
)


def may_be_tag(inner: str) -> bool:
    """Tell whether what follows a `<` may be the beginning of a tag."""
    plain = inner.lower().removeprefix("/").replace("｜", "|").replace("▁", "_").removeprefix("|dsml|")
    names = (*NAMES, *NATIVE, "|dsml|")
    if any(name.startswith(plain) for name in names):
        return True
    return ">" not in plain and any(plain.startswith(f"{name}{gap}") for name in NAMES for gap in " \t\n")


def first_of(text: str, scan: int, close: re.Pattern[str], again: re.Pattern[str] | None) -> re.Match[str] | None:
    found = [match for pattern in (close, again) if pattern and (match := pattern.search(text, scan))]
    return min(found, key=lambda match: match.start(), default=None)


def untagged(body: str) -> str:
    """Return what is inside of the tags of a block that holds nothing else."""
    begun = OPEN.match(body.lstrip())
    if begun is None or "=" in begun[0] or "invoke" in begun[0].lower():
        return body
    return STRAY_END.sub("", body.lstrip()[begun.end() :]) if len(CLOSE_ONE.findall(body)) == 1 else body
