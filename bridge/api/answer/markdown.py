"""Markdown that arrives in pieces: what must be known of it, and what must be kept out of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from bridge.chat.types import Source

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
LONGEST_LINE = 200
"""Characters of a line that can matter to a fence."""

SWALLOWING = ("details", "summary", "script", "style", "pre", "textarea")
"""Elements that would swallow what follows them, or end the block around them."""
TAG = re.compile(rf"<(?=/?(?:{'|'.join(SWALLOWING)})|[!?])", re.IGNORECASE)

SPECIAL = re.compile(r"([\\`*_\[\]<>&|~])")
UNSAFE = re.compile(r"[^!#$%&+,./:;=?@\w~-]", re.ASCII)


class Fence:
    """Knows whether the end of a text stands inside a fenced code block."""

    def __init__(self) -> None:
        self._line = ""
        self._open = ""

    def feed(self, text: str) -> None:
        """Take the next piece."""
        *lines, last = (self._line + text).split("\n")
        for line in lines:
            self._see(line)
        self._line = last[:LONGEST_LINE]

    def closing(self) -> str:
        """Return what must follow so that the text ends outside of any code block; take it as having followed."""
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
    """Rewrites a pattern wherever the text was cut, by holding back an end that may be the start of a match."""

    def __init__(self, pattern: re.Pattern[str], by: str, start: str, begun: Callable[[str], bool]) -> None:
        self._pattern = pattern
        self._by = by
        self._start = start
        self._begun = begun
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece and return what is certain."""
        text = self._held + text
        cut = text.rfind(self._start)
        if cut < 0 or not self._begun(text[cut:]):
            cut = len(text)
        self._held = text[cut:]
        return self._pattern.sub(self._by, text[:cut])

    def finish(self) -> str:
        """Return what was held back: it was no match after all."""
        held, self._held = self._held, ""
        return held


def tame_html() -> Rewriter:
    """Return what escapes the tags that could break out of a `<details>` block."""
    tags = [f"<{slash}{name}" for name in SWALLOWING for slash in ("", "/")]
    begun = {tag[:end] for tag in tags for end in range(1, len(tag))}
    return Rewriter(TAG, r"\\<", "<", lambda tail: tail.lower() in begun)


def source_list(sources: Iterable[Source]) -> str:
    """Return the sources as a list whose numbers are those of the marks, or nothing where there are none."""
    by_number = {source.number: source for source in sources}
    lines = [f"- [{number}] {_link(by_number[number])}" for number in sorted(by_number)]
    return "\n".join(("**Sources**", "", *lines)) if lines else ""


def safe_url(address: str) -> str:
    """Return a web address that cannot end the link it stands in; nothing where it is no web address."""
    url = UNSAFE.sub(lambda match: quote(match[0], errors="replace"), address.strip())
    return url if url.startswith(("https://", "http://")) else ""


def _link(source: Source) -> str:
    url = safe_url(source.url)
    title = SPECIAL.sub(r"\\\1", " ".join((source.title or source.url).split()))
    return f"[{title}]({url})" if url else title
