"""Markdown that arrives in pieces: tracking of code fences, escaping of HTML, lists of sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from bridge.chat.types import Source

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
LONGEST_LINE = 200
"""Characters of a line that can matter for a fence."""

SWALLOWING = ("details", "summary", "script", "style", "pre", "textarea")
"""HTML elements that would hide the text after them, or end the block around them."""
TAG = re.compile(rf"<(?=/?(?:{'|'.join(SWALLOWING)})|[!?])", re.IGNORECASE)

SPECIAL = re.compile(r"([\\`*_\[\]<>&|~])")
UNSAFE = re.compile(r"[^!#$%&+,./:;=?@\w~-]", re.ASCII)


class Fence:
    """Tracks whether the end of a text is inside a fenced code block."""

    def __init__(self) -> None:
        self._line = ""
        self._open = ""

    def feed(self, text: str) -> None:
        """Add the next piece."""
        *lines, last = (self._line + text).split("\n")
        for line in lines:
            self._see(line)
        self._line = last[:LONGEST_LINE]

    def closing(self) -> str:
        """Return the text that closes an open code block, and count it as written."""
        self._see(self._line)
        fence, self._open, self._line = self._open, "", ""
        return f"\n{fence}" if fence else ""

    def _see(self, line: str) -> None:
        match = FENCE.match(line)
        if match is None:
            return
        marks, rest = match.groups()
        if not self._open:
            self._open = "" if marks[0] == "`" and "`" in rest else marks
        elif marks.startswith(self._open) and not rest.strip():
            self._open = ""


class Rewriter:
    """Replaces a pattern in a text that arrives in pieces, holding back an end that may begin a match."""

    def __init__(self, pattern: re.Pattern[str], by: str, start: str, begun: Callable[[str], bool]) -> None:
        self._pattern = pattern
        self._by = by
        self._start = start
        self._begun = begun
        self._held = ""

    def feed(self, text: str) -> str:
        """Add the next piece and return what is final."""
        text = self._held + text
        cut = text.rfind(self._start)
        if cut < 0 or not self._begun(text[cut:]):
            cut = len(text)
        self._held = text[cut:]
        return self._pattern.sub(self._by, text[:cut])

    def finish(self) -> str:
        """Return the text that was held back, which is not a match."""
        held, self._held = self._held, ""
        return held


def tame_html() -> Rewriter:
    """Return a rewriter that escapes the tags that could break out of a `<details>` block."""
    tags = [f"<{slash}{name}" for name in SWALLOWING for slash in ("", "/")]
    begun = {tag[:end] for tag in tags for end in range(1, len(tag))}
    return Rewriter(TAG, r"\\<", "<", lambda tail: tail.lower() in begun)


def source_list(sources: Iterable[Source]) -> str:
    """Return the sources as a Markdown list with the numbers of the marks; an empty text without sources."""
    by_number = {source.number: source for source in sources}
    lines = [f"- [{number}] {_link(by_number[number])}" for number in sorted(by_number)]
    return "\n".join(("**Sources**", "", *lines)) if lines else ""


def safe_url(address: str) -> str:
    """Return a web address with escapes, so that it cannot end a Markdown link; empty for other addresses."""
    url = UNSAFE.sub(lambda match: quote(match[0], errors="replace"), address.strip())
    return url if url.startswith(("https://", "http://")) else ""


def _link(source: Source) -> str:
    url = safe_url(source.url)
    title = SPECIAL.sub(r"\\\1", " ".join((source.title or source.url).split()))
    return f"[{title}]({url})" if url else title
