"""Finds the calls in a text that arrives in pieces; the result does not depend on where the text was cut.

A call is tagged text alone on its lines, bare or in its own code block. Text that only mentions calls is no call: in
inline code, in a quotation, within a line of text, inside a larger code block, with words or dots in place of
arguments, or after an introduction ("for example:") if it is fenced or text follows. Text is returned as soon as it
cannot become part of a call.

Undecided text is read again from its start when it has grown by an eighth, or by a half if it is long, so that the work
stays linear. A decision is made only when no further text can change it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from bridge.tool_calls.call_detection import (
    Outcome,
    judge_bare,
    judge_fence,
    judge_json,
    judge_tag,
    may_be_bare,
    may_be_python,
)
from bridge.tool_calls.notation import Call, Toolbox
from bridge.tool_calls.prose import BARE_LINE, BARE_LINE_BEGUN, FENCE, FENCE_BEGUN, Place, fence_end
from bridge.tool_calls.tagged_text import NeedMoreText, TaggedText
from bridge.tool_calls.tags import Tag, Tags

EAGER = 200
"""Characters of undecided text up to which it is read again with every piece."""
LONG = 20_000
"""Characters of undecided text above which it is read again less often."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An unreadable call; `why` is the reason, for the model."""

    text: str
    why: str
    is_cut_off: bool = False
    """The text ends within it."""


Segment = str | Call | Rejected


class CallParser:
    """A parser that takes a text in pieces and returns its segments in order; joined, they are the text without calls.

    `_step` checks for one of four states, in this order:

    - in a code block (`_fence` holds its marks): everything is text until its closing line;
    - after a call (`_is_called`): stray end tags are skipped;
    - at the start (`_is_first`): the whole answer may be an untagged call as JSON or Python;
    - in prose: the text before the nearest code block, tag or bare JSON is returned, and that is judged.

    Between two steps, `_at` is the index of the first undecided character, and `_place` describes the text before it on
    its line. Each step advances `_at`, changes the state, or raises `NeedMoreText`, so the loop ends. Returned text is
    never read again.
    """

    def __init__(self, toolbox: Toolbox) -> None:
        self._tools = toolbox.tools
        self._tags = Tags(toolbox.tools)
        self._tagged = TaggedText("", self._tags, self._tools, is_whole=False)
        self._at = 0
        self._place = Place()
        self._pieces: list[str] = []
        self._size = 0
        self._fence = ""
        self._is_first, self._is_called = True, False
        # Where the last search for a tag, a code block and bare JSON ended: each pass searches each stretch once.
        self._index, self._searched, self._bare = 0, -1, (-1, -1)
        self._next: re.Match[str] | None = None
        self._segments: list[Segment] = []

    def feed(self, text: str) -> list[Segment]:
        """Process the next piece and return the segments that are certain."""
        self._pieces.append(text)
        self._size += len(text)
        # Reading again only after growth by a fixed share makes a geometric series: linear work in total.
        waiting = len(self._tagged.text) - self._at
        if self._size * (8 if waiting < LONG else 2) < waiting - EAGER:
            return []
        return self._go_on(is_whole=False)

    def end(self) -> list[Segment]:
        """Return the last segments, as there is no more text."""
        return self._go_on(is_whole=True)

    def _go_on(self, *, is_whole: bool) -> list[Segment]:
        text = "".join((self._tagged.text[self._at :], *self._pieces))
        self._pieces, self._size, self._at = [], 0, 0
        self._index, self._searched, self._bare = 0, -1, (-1, -1)
        self._tagged = TaggedText(text, self._tags, self._tools, is_whole=is_whole)
        with suppress(NeedMoreText):
            while self._at < len(text):
                self._step()
        segments, self._segments = self._segments, []
        return segments

    def _step(self) -> None:
        """Decide the next stretch of text, or raise `NeedMoreText`."""
        if self._fence:
            self._code()
        elif self._is_called:
            end = self._tagged.behind_ends(self._at)
            self._is_called = False
            if end > self._at:
                self._go_behind(end)
        elif self._is_first:
            self._only_json()
        else:
            self._prose()

    def _only_json(self) -> None:
        """Process an answer that is nothing but a call's JSON or Python."""
        # Such a call is decided only at the end of the answer: text after it would make it prose.
        if may_be_bare(self._tagged, 0) or may_be_python(self._tagged):
            if not self._tagged.is_whole:
                raise NeedMoreText
            self._take(judge_json(len(self._tagged.text), self._tagged.text, self._tagged))
        self._is_first = False

    def _prose(self) -> None:
        """Return the text before the next possible call, and decide that call."""
        # A fence at the same place comes first: tags inside a code block are judged with the block.
        tag, fence = self._next_tag(), self._next_fence()
        start, behind_tag = self._next_bare()
        if fence is not None and (tag is None or fence.start() <= tag.start) and fence.start() <= start:
            self._say(fence.start())
            self._fenced(fence)
        elif behind_tag < (tag.start if tag else len(self._tagged.text)):
            self._say(start)
            self._take(judge_bare(self._tagged, self._place, start, behind_tag))
        elif tag is not None:
            self._say(tag.start)
            self._take(judge_tag(self._tagged, self._place, tag))
        elif self._tagged.is_whole:
            self._last_words()
        else:
            self._say(self._safe())
            raise NeedMoreText

    def _next_tag(self) -> Tag | None:
        tags = self._tagged.tags
        while self._index < len(tags) and (tags[self._index].start < self._at or not tags[self._index].is_start):
            self._index += 1
        tag = tags[self._index] if self._index < len(tags) else None
        return None if tag is not None and tag.start >= self._fence_begun() else tag

    def _fence_begun(self) -> int:
        """Return where the last line begins if it may open a code block, or else the text's end."""
        text = self._tagged.text
        line = max(text.rfind("\n") + 1, self._next_line())
        begun = FENCE_BEGUN.fullmatch(text, line) or BARE_LINE_BEGUN.fullmatch(text, line)
        is_begun = not self._tagged.is_whole and begun is not None
        return line if is_begun else len(text)

    def _next_fence(self) -> re.Match[str] | None:
        if self._searched < self._at:
            start = self._next_line()
            self._next = FENCE.search(self._tagged.text, start) if start < len(self._tagged.text) else None
            self._searched = self._next.start() if self._next else len(self._tagged.text)
        return self._next

    def _next_bare(self) -> tuple[int, int]:
        """Return where the next line that may hold a bare call begins, and its JSON; or twice the text's end."""
        if self._bare[0] < self._at:
            lines = BARE_LINE.finditer(self._tagged.text, self._next_line())
            found = (line.span() for line in lines if self._may_be_bare(line.end()))
            self._bare = next(found, (len(self._tagged.text),) * 2)
        return self._bare

    def _may_be_bare(self, start: int) -> bool:
        try:
            return may_be_bare(self._tagged, start)
        except NeedMoreText:
            return True

    def _next_line(self) -> int:
        """Return where the first wholly undecided line begins."""
        if self._place.is_line_start:
            return self._at
        return self._tagged.text.find("\n", self._at) + 1 or len(self._tagged.text)

    def _safe(self) -> int:
        """Return the end of the text that can no longer become a call."""
        return min(self._tags.open_end(self._tagged.text, self._at), self._fence_begun())

    def _last_words(self) -> None:
        """Return the end of the text; a call that begins there has broken off."""
        text = self._tagged.text
        tag = self._tags.open_end(text, self._at)
        if tag < len(text) and self._tags.is_begun(text[tag:]):
            self._say(tag)
            if self._place.is_blank and not self._place.is_quoted:
                self._take(Outcome(len(text), (), "It breaks off before its end.", is_cut_off=True))
                return
        self._say(len(text))

    def _fenced(self, begun: re.Match[str]) -> None:
        outcome = judge_fence(self._tagged, self._place, begun)
        if outcome is not None:
            self._take(outcome)
            return
        self._fence = begun["marks"]
        self._say(begun.end())

    def _code(self) -> None:
        """Return a code block as text while it arrives."""
        text, line = self._tagged.text, self._next_line()
        match = fence_end(text, self._fence, line, is_whole=self._tagged.is_whole) if line < len(text) else None
        if match is not None:
            self._fence = ""
            self._say(match.end())
            return
        self._say(self._fence_begun())
        raise NeedMoreText

    def _take(self, outcome: Outcome) -> None:
        """Add the segments of a decision."""
        text = self._tagged.text[self._at : outcome.end]
        if outcome.calls:
            self._segments += outcome.calls
            self._is_called = True
            self._go_behind(outcome.end)
        elif outcome.why:
            self._segments.append(Rejected(text, outcome.why, outcome.is_cut_off))
            self._go_behind(outcome.end)
        else:
            self._say(outcome.end)

    def _go_behind(self, end: int) -> None:
        """Continue after a call, as if on an empty line; a code block still needs a new line."""
        self._at, self._place = end, Place()
        if not self._tagged.text.endswith("\n", 0, end):
            self._place.pass_over(" ")

    def _say(self, end: int) -> None:
        if end > self._at:
            text = self._tagged.text[self._at : end]
            self._segments.append(text)
            self._place.pass_over(text)
            self._at = end
