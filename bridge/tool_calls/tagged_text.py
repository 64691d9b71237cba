"""A text that may hold calls, as far as it has arrived, with its tags."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from bridge.tool_calls.notation import Tool
from bridge.tool_calls.prose import FENCE, FENCE_BEGUN
from bridge.tool_calls.tag_kinds import Kind
from bridge.tool_calls.tags import LONGEST_TAG, Tag, Tags

LOOKS = 64
"""Most visits of each tag on average; deeper nesting than that is not read."""
BLANK = re.compile(r"\s*+")
MARKS = re.compile(r"\s*+(?:\*{1,3}|_{1,3})(?=<)")
"""Emphasis before a tag."""
MARKS_BEHIND = re.compile(r"(?:\*{1,3}|_{1,3})(?=[\s<]|\Z)")
MARKS_BEGUN = re.compile(r"[*_]{0,3}")


class NeedMoreText(Exception):
    """The text so far does not allow a decision; never raised for a whole text."""


class TaggedText:
    """A text and ways to navigate it; places are character indexes."""

    def __init__(self, text: str, tags: Tags, tools: Sequence[Tool], *, is_whole: bool) -> None:
        self.text = text
        self.tags = tuple(tags.find(text))
        self.tools = tools
        self.is_whole = is_whole
        self.has_no_ends = False
        """No later value has a certain end, so none is searched for again."""
        self.patience = LOOKS
        """How many more blocks may be read in code blocks that turn out to hold no call."""
        self._kinds = tags
        self._starts = [tag.start for tag in self.tags]
        self._looks = LOOKS * (len(self.tags) + LOOKS)

    def index(self, place: int) -> int:
        """Return the index of the first tag that begins at or after `place`."""
        return bisect_left(self._starts, place)

    def tags_from(self, place: int) -> Iterator[Tag]:
        """Yield the tags that begin at or after `place`."""
        for index in range(self.index(place), len(self.tags)):
            self._looks -= 1
            if self._looks < 0:
                return
            yield self.tags[index]

    def adjacent(self, place: int) -> Tag | None:
        """Return the tag at `place`, or after white space and emphasis there."""
        marks = MARKS.match(self.text, place)
        at = marks.end() if marks else self.blank_to(place)
        if not self.is_whole and self.text.startswith(("*", "_"), at) and MARKS_BEGUN.fullmatch(self.text, at):
            raise NeedMoreText
        index = self.index(at)
        if index < len(self.tags) and self.tags[index].start == at:
            return self.tags[index]
        self.need(at)
        return None

    def blank_to(self, place: int) -> int:
        """Return where the white space at `place` ends."""
        match = BLANK.match(self.text, place)
        return match.end() if match else place

    def behind_marks(self, place: int) -> int:
        """Return the end of the emphasis that follows a tag ending at `place`."""
        if not self.is_whole and MARKS_BEGUN.fullmatch(self.text, place):
            raise NeedMoreText
        marks = MARKS_BEHIND.match(self.text, place)
        return marks.end() if marks else place

    def may_go_on(self, place: int) -> bool:
        """Tell whether the text at `place` is only the possible start of a tag."""
        at = self.blank_to(place)
        return at == len(self.text) or self._kinds.may_begin(self.text[at : at + LONGEST_TAG + 1])

    def need(self, place: int) -> None:
        """Raise `NeedMoreText` if the text after `place` may still become a tag."""
        if not self.is_whole and self.may_go_on(place):
            raise NeedMoreText

    def behind_ends(self, place: int) -> int:
        """Return the end of the stray end tags after a call, including an incomplete one."""
        place = self.behind_marks(place)
        while (tag := self.adjacent(place)) is not None and self._is_useless(tag):
            place = self.behind_marks(tag.end)
        at = self.blank_to(place)
        return len(self.text) if self.text.startswith("/", at + 1) and self.may_go_on(at) else place

    def _is_useless(self, tag: Tag) -> bool:
        if tag.is_end:
            return tag.is_marked or tag.closes
        if tag.kind is not Kind.ENVELOPE or self.blank_to(tag.end) < len(self.text):
            return False
        self.need(tag.end)
        return True

    def text_follows(self, place: int) -> bool:
        """Tell whether text other than a call or a code block follows."""
        tag = self.adjacent(place)
        at = self.blank_to(place)
        if not self.is_whole and self.text.find("\n", at) < 0 and FENCE_BEGUN.fullmatch(self.text, at):
            raise NeedMoreText
        return at < len(self.text) and tag is None and not FENCE.match(self.text, at)

    def line_goes_on(self, place: int) -> bool:
        """Tell whether text follows on the same line."""
        place = self.behind_ends(place)
        at = self.blank_to(place)
        if self.text.find("\n", place, at) >= 0:
            return False
        self.need(at)
        return at < len(self.text) and self.text[at] != "<"
