"""Finds the calls in a text that arrives in pieces; the outcome does not depend on where the text was cut.

A call is what stands in its tags, alone on its lines, bare or in a code block of its own. No call, but text, is
what only speaks of calls: in inline code, in a quotation, in the middle of a line that goes on, inside of a larger
code block, or under an introduction ("for example:") if it is fenced or text follows. Text is given out as soon as
it cannot become part of a call; what looked like a call and was none is given out untouched, as `Rejected`.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from bridge.tools.marks import (
    BARE,
    BARE_BEGUN,
    CALL_INFO,
    CLOSE_MANY,
    CLOSE_ONE,
    EXAMPLE,
    FENCE,
    FENCE_BEGUN,
    LONGEST_TAG,
    OPEN,
    STRAY_END,
    TICKS,
    first_of,
    may_be_tag,
    untagged,
)
from bridge.tools.mending import Unclear, in_string, is_json, json_end
from bridge.tools.read import known, read_calls
from bridge.tools.render import Call, Toolbox


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was written like a call and is none, with the reason for the model to hear; it is text."""

    text: str
    why: str


Segment = str | Call | Rejected
Steps = Generator[None, None, None]


class CallParser:
    """Takes a text in pieces and gives out its segments in order; joined they are the text, but for the calls."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._tools = toolbox.tools
        self._text = ""
        self._at = 0
        self._called = self._fed = 0
        self._is_whole = False
        self._segments: list[Segment] = []
        self._steps = self._run()

    def feed(self, text: str) -> list[Segment]:
        """Take the next piece and return what is certain."""
        self._fed = len(self._text)
        self._text += text
        return self._go_on()

    def end(self) -> list[Segment]:
        """Return the rest: there is no more text."""
        self._is_whole = True
        return self._go_on()

    def _go_on(self) -> list[Segment]:
        next(self._steps, None)
        segments, self._segments = self._segments, []
        return segments

    def _run(self) -> Steps:
        yield from self._bare()
        while True:
            yield from self._prose()
            if self._at == len(self._text) and self._is_whole:
                return
            if OPEN.match(self._text, self._at):
                yield from self._tagged()
            else:
                yield from self._fenced()
            while self._called == self._at and self._may_be_stray():
                yield

    def _bare(self) -> Steps:
        """Read an answer that is nothing but the JSON of a call."""
        while not self._is_whole and self._may_be_bare(0, len(self._text)):
            yield
        if self._is_whole and self._may_be_bare(0, len(self._text)) and self._text.strip():
            self._decide(len(self._text), self._text)

    def _prose(self) -> Steps:
        """Give out text up to what may be a call, or all of it."""
        scan = self._at
        while True:
            mark = self._next_mark(scan)
            if mark is None:
                safe = len(self._text) if self._is_whole else self._safe()
                self._say(safe)
                scan = max(self._at, scan)
                if self._is_whole:
                    return
                yield
            elif self._is_quoted(mark):
                scan = mark.end()
            else:
                self._say(mark.start())
                return

    def _next_mark(self, scan: int) -> re.Match[str] | None:
        line = self._text.rfind("\n") + 1
        end = line if FENCE_BEGUN.fullmatch(self._text, line) and not self._is_whole else len(self._text)
        found = [match for pattern in (OPEN, FENCE) if (match := pattern.search(self._text, scan, end))]
        return min(found, key=lambda match: match.start(), default=None)

    def _is_quoted(self, mark: re.Match[str]) -> bool:
        """Tell whether a tag stands in inline code, or in a quotation."""
        line = self._line_before(mark.start())
        return mark.re is OPEN and (len(TICKS.findall(line)) % 2 == 1 or line.lstrip().startswith(">"))

    def _line_before(self, place: int) -> str:
        return self._text[max(self._text.rfind("\n", 0, place) + 1, self._called) : place]

    def _safe(self) -> int:
        """Return up to where the text cannot become a call any more."""
        end = len(self._text)
        line = self._text.rfind("\n") + 1
        if FENCE_BEGUN.fullmatch(self._text, line) and end > line:
            return max(line, self._at)
        tag = self._text.rfind("<", max(end - LONGEST_TAG, self._at))
        return tag if tag >= 0 and may_be_tag(self._text[tag + 1 :]) else end

    def _tagged(self) -> Steps:
        """Read a block from its opening tag to the end that belongs to it."""
        begun = OPEN.match(self._text, self._at)
        assert begun is not None  # noqa: S101 - the caller has looked, this is for the type checker
        many = bool(begun["many"] or begun["native"])
        end, body = yield from self._block(begun, CLOSE_MANY if many else CLOSE_ONE, None if many else OPEN)
        line = self._line_before(self._at)
        rest = yield from self._rest_of_line(end)
        follows = yield from self._text_follows(end)
        alone = not line.strip() or not rest
        if not alone or (follows and EXAMPLE.search(self._lead(self._at))):
            self._say(end)
        else:
            self._decide(end, begun[0] + body if "=" in begun[0] or "invoke" in begun[0].lower() else body)

    def _block(
        self, begun: re.Match[str], close: re.Pattern[str], again: re.Pattern[str] | None
    ) -> Generator[None, None, tuple[int, str]]:
        """Return where the block ends and what is in it; an end inside of a JSON string is none."""
        start = scan = begun.end()
        first: tuple[int, str] | None = None
        while True:
            match = first_of(self._text, scan, close, again)
            if match is None:
                if self._is_whole:
                    return first or self._unended(start)
                scan = max(scan, len(self._text) - LONGEST_TAG)
                yield
                continue
            body = self._text[start : match.start()]
            if match.re is OPEN and not body.strip():
                scan = match.end()
                continue
            found = (match.end() if match.re is close else match.start()), body
            if is_json(body) or not in_string(body):
                return found
            first, scan = first or found, match.end()

    def _unended(self, start: int) -> tuple[int, str]:
        """Return the end of a block that has no end tag: that of its JSON, if something follows it."""
        body = self._text[start:]
        place = json_end(body)
        return (start + place, body[:place]) if place else (len(self._text), body)

    def _fenced(self) -> Steps:
        """Read a code block: a call if it holds nothing else, or else text."""
        begun = FENCE.match(self._text, self._at)
        assert begun is not None  # noqa: S101 - as above
        while not self._is_whole and self._may_hold_call(begun) is None:
            yield
        if not self._may_hold_call(begun):
            yield from self._code(begun)
            return
        end, body = yield from self._fence_body(begun)
        tagged = bool(OPEN.match(body.lstrip()) or CALL_INFO.match(begun["info"]))
        follows = yield from self._text_follows(end)
        if EXAMPLE.search(self._lead(self._at)) or (follows and not tagged):
            self._say(end)
        elif tagged:
            self._decide(end, untagged(body))
        else:
            self._decide(end, body)

    def _may_hold_call(self, begun: re.Match[str]) -> bool | None:
        """Tell whether the block may hold a call; None: that is not to be seen yet."""
        start = begun.end()
        body = self._text[start : start + 2 * LONGEST_TAG].lstrip()
        if OPEN.match(body) or BARE.match(body):
            return bool(OPEN.match(body)) or self._may_be_bare(start, len(self._text))
        if body and not (body[0] == "<" and may_be_tag(body[1:])) and not BARE_BEGUN.fullmatch(body):
            return False
        return None if not self._is_whole else False

    def _may_be_bare(self, start: int, end: int) -> bool:
        body = self._text[start : min(end, start + 2 * LONGEST_TAG)]
        if (match := BARE.match(body)) is not None:
            return known(match[1], self._tools) is not None
        return BARE_BEGUN.fullmatch(body) is not None

    def _code(self, begun: re.Match[str]) -> Steps:
        """Give out a code block as text, while it arrives."""
        scan = begun.end()
        while (match := self._fence_end(begun, scan)) is None:
            if self._is_whole:
                self._say(len(self._text))
                return
            scan = max(scan, self._text.rfind("\n") + 1)
            while True:
                self._say(scan if FENCE_BEGUN.fullmatch(self._text, scan) else len(self._text))
                yield
                if self._has_new_line():
                    break
        self._say(match.end())

    def _fence_body(self, begun: re.Match[str]) -> Generator[None, None, tuple[int, str]]:
        start = scan = begun.end()
        while True:
            match = self._fence_end(begun, scan)
            if match is None:
                if self._is_whole:
                    return len(self._text), self._text[start:]
                scan = max(scan, self._text.rfind("\n") + 1)
                yield
                while not self._has_new_line():
                    yield
                continue
            body = self._text[start : match.start()]
            if is_json(untagged(body)) or not in_string(body):
                return match.end(), body
            scan = match.end()

    def _has_new_line(self) -> bool:
        """Tell whether the last piece brought the end of a line, or of all."""
        return self._is_whole or "\n" in self._text[self._fed :]

    def _fence_end(self, begun: re.Match[str], scan: int) -> re.Match[str] | None:
        """Return the line that closes a code block; only the end of all text may stand for its line break."""
        end = r"(?:\n|\Z)" if self._is_whole else r"\n"
        line = re.compile(rf"^ {{0,3}}{re.escape(begun['marks'])}[`~]*[ \t]*{end}", re.MULTILINE)
        return line.search(self._text, scan)

    def _rest_of_line(self, place: int) -> Generator[None, None, bool]:
        """Return whether the line goes on with text."""
        while True:
            rest = self._text[place:].split("\n", 1)
            if rest[0].strip() or len(rest) > 1 or self._is_whole:
                return bool(rest[0].strip()) and not rest[0].lstrip().startswith("<")
            yield

    def _text_follows(self, place: int) -> Generator[None, None, bool]:
        """Return whether anything but a further call follows."""
        while True:
            rest = self._text[place : place + 2 * LONGEST_TAG].lstrip()
            may_be_mark = (rest.startswith("<") and may_be_tag(rest[1:])) or FENCE_BEGUN.fullmatch(rest)
            if self._is_whole or (rest and not may_be_mark) or OPEN.match(rest):
                return bool(rest) and not OPEN.match(rest) and not CLOSE_ONE.match(rest) and not FENCE.match(rest)
            yield

    def _lead(self, place: int) -> str:
        """Return the last line before `place` that is not empty."""
        before = self._text[max(0, place - 2 * LONGEST_TAG) : place].rstrip()
        return before[before.rfind("\n") + 1 :]

    def _decide(self, end: int, body: str) -> None:
        """Take the block up to `end` as calls, if it can be read as such."""
        try:
            calls = read_calls(body, self._tools)
        except Unclear as unclear:
            self._segments.append(Rejected(self._text[self._at : end], str(unclear)))
            self._at = end
            return
        self._segments += calls
        self._at = self._called = end

    def _may_be_stray(self) -> bool:
        """Pass over an end tag too many behind a call; return whether one may still come."""
        while (stray := STRAY_END.match(self._text, self._at)) is not None:
            self._at = self._called = stray.end()
        rest = self._text[self._at :].lstrip()
        return not self._is_whole and (not rest or (rest.startswith("<") and may_be_tag(rest[1:]) and ">" not in rest))

    def _say(self, end: int) -> None:
        if end > self._at:
            self._segments.append(self._text[self._at : end])
            self._at = end
