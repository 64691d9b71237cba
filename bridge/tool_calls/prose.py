"""The context of calls: code blocks, quotations, inline code, and introductions of examples."""

from __future__ import annotations

import re

FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}+|~{3,}+)(?P<info>[^\n`]*+)\n", re.MULTILINE)
FENCE_BEGUN = re.compile(r" {0,3}(?:`{1,2}|~{1,2}|(?:`{3,}+|~{3,}+)[^\n`]*+)?")
CALL_INFO = re.compile(r"\s*(?:tool|function)[_-]?(?:calls?|use|code)\b", re.IGNORECASE)
BARE = re.compile(
    r"""\s*+\[?\s*+\{\s*+(?:["'](?:id|type|role|content)["']\s*+:\s*+(?:["'][^"'\n]{0,80}["']|null)\s*+,\s*+){0,3}"""
    r"""(?:["'](?:name|tool|tool_name|function|function_name|recipient_name|action)["']\s*+:\s*+["'](?P<name>[\w.:/-]{1,128})["']"""
    r"""|["'](?P<wrapper>tool_calls?|tool_uses|function_calls?|function)["']\s*+:\s*+[\[{])"""
)
BARE_ARGUMENTS = re.compile(
    r"""["'](?:arguments|args|parameters|params|input|tool_input|action_input)["']\s*+:\s*+["{]""", re.IGNORECASE
)
BARE_LINE = re.compile(r"^ {0,3}(?:<(?!pre|code)[\w.:-]{1,40}/?>[ \t]{0,8})?(?=[\[{])", re.MULTILINE)
"""The start of a line that may be a call's JSON, with or without an unknown tag before it."""
BARE_LINE_BEGUN = re.compile(r" {0,3}<(?:[\w.:-]{1,40}(?:/?>[ \t]{0,8})?)?")
UNKNOWN_TAG = re.compile(r"\s*+<(?!pre|code)[\w.:-]{1,40}>\s*+")
UNKNOWN_END = re.compile(r"\s*+</[\w.:-]{1,40}>")
BARE_BEGUN = re.compile(r"\s*+\[?\s*+(?:\{[^{}\[\]]{0,300})?")
EXAMPLE = re.compile(
    r"for example|for instance|e\.g\.|an? example|examples? (?:of|call)|example:|would look|looks like|like this"
    r"|(?:this|following|the|that|in) (?:\w{1,20} ){0,2}(?:format|notation|syntax|form|markup)\b"
    r"|(?:you|one|models?|they) (?:(?:would|will|can|could|may|must|should|usually|often) )?(?:write|wrote|emit)"
    r"|例如|比如|示例|格式|写法|例えば|пример",
    re.IGNORECASE,
)
OF_JSON = re.compile(
    r"\b(?:json|body|payload|requests?|responses?|replie[sd]|returne?[ds]?|schemas?|objects?|config\w*|logs?|files?|outputs?"
    r"|definitions?|messages?|traces?|recorded|data)\b",
    re.IGNORECASE,
)
"""Words that introduce JSON as data, not as an action."""
PLACEHOLDER = re.compile(
    r"[\W_]*+(?:(?:your|the|a|some|my)?[\W_]*+(?:(?:tool|function)[\W_]*+)?(?:name|tool|function)"
    r"(?:[\W_]*+(?:here|x|y|z|\d))?[\W_]*+|foo|bar|xxx?)?",
    re.IGNORECASE,
)
"""Placeholder names of tools."""
TICKS = re.compile("`++")
EMPHASIS = re.compile(r"\s*+[*_]{1,3}")
INDENTED = re.compile(r" {0,3}(?: {4}|\t)\s*+")
KEPT = 480
"""Characters of a line that are kept."""


class Place:
    """The position of the next text on its line, and the line above."""

    def __init__(self) -> None:
        self._line = ""
        self._above = ""
        self._has_text = self._is_quotation = self._is_code = self._is_tick = False

    def pass_over(self, text: str) -> None:
        """Move past `text`."""
        head, line_break, rest = text.rpartition("\n")
        if line_break:
            self._turn(head)
        if rest and not self._has_text and (plain := rest.lstrip()):
            self._has_text, self._is_quotation = True, plain[0] == ">"
        self._is_code ^= self._runs(rest) % 2 == 1
        self._line = (self._line + rest)[-KEPT:]

    @property
    def is_line_start(self) -> bool:
        """Tell whether nothing comes before it on its line."""
        return not self._line

    @property
    def is_blank(self) -> bool:
        """Tell whether only white space or emphasis comes before it on its line."""
        return not self._has_text or EMPHASIS.fullmatch(self._line) is not None

    @property
    def is_indented(self) -> bool:
        """Tell whether it is in an indented code block."""
        return INDENTED.fullmatch(self._line) is not None

    @property
    def is_quoted(self) -> bool:
        """Tell whether it is in inline code, in a quotation, or on a changed line of a diff."""
        return self._is_code or self._is_quotation or self._line in ("+", "-")

    @property
    def lead(self) -> str:
        """Return the text before it on its line, or the last non-empty line above."""
        return self._above if self.is_blank else self._line

    def _turn(self, head: str) -> None:
        """Move to a new line after `head`."""
        above = (self._line + head[-2 * KEPT :]).rstrip()
        self._above = above[above.rfind("\n") + 1 :][-KEPT:] or self._above
        self._line = ""
        self._has_text = self._is_quotation = self._is_code = self._is_tick = False

    def _runs(self, text: str) -> int:
        """Return how many runs of backticks begin in `text`."""
        if not text:
            return 0
        runs = len(TICKS.findall(text)) - (self._is_tick and text[0] == "`")
        self._is_tick = text[-1] == "`"
        return runs


def fence_end(text: str, marks: str, start: int, *, is_whole: bool) -> re.Match[str] | None:
    """Return the line that closes a code block; only the end of the whole text may replace its line break."""
    end = r"(?:\n|\Z)" if is_whole else r"\n"
    return re.compile(rf"^ {{0,3}}{re.escape(marks)}[`~]*+[ \t]*+{end}", re.MULTILINE).search(text, start)
