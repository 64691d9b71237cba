"""A text that may hold calls, as far as it has come, with the tags in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from bridge.tool_calls.notation import Tool
from bridge.tool_calls.prose import FENCE, FENCE_BEGUN
from bridge.tool_calls.tag_kinds import Kind
from bridge.tool_calls.tags import LONGEST_TAG, Tag, Tags

LOOKS = 64
"""How often each tag is looked at in the mean, at most: what nests so that more were needed is not read."""
BLANK = re.compile(r"\s*+")
MARKS = re.compile(r"\s*+(?:\*{1,3}|_{1,3})(?=<)")
"""Emphasis that begins before a tag."""
MARKS_BEHIND = re.compile(r"(?:\*{1,3}|_{1,3})(?=[\s<]|\Z)")
MARKS_BEGUN = re.compile(r"[*_]{0,3}")


class NeedMoreText(Exception):
    """The text so far does not tell; never raised where it is whole."""


class TaggedText:
    """The text, and how to go about in it; places are counted in characters."""

    def __init__(self, text: str, tags: Tags, tools: Sequence[Tool], *, is_whole: bool) -> None:
        self.text = text
        self.tags = tuple(tags.find(text))
        self.tools = tools
        self.is_whole = is_whole
        self.has_no_ends = False
        """No value from here on has an end that is certain; so nobody looks for one again."""
        self.patience = LOOKS
        """How many more blocks may be read in vain in code blocks that turn out to be none of calls."""
        self._kinds = tags
        self._starts = [tag.start for tag in self.tags]
        self._looks = LOOKS * (len(self.tags) + LOOKS)

    def index(self, place: int) -> int:
        """Return the index of the first tag that begins at `place` or later."""
        return bisect_left(self._starts, place)

    def tags_from(self, place: int) -> Iterator[Tag]:
        """Yield the tags that begin at `place` or later."""
        for index in range(self.index(place), len(self.tags)):
            self._looks -= 1
            if self._looks < 0:
                return
            yield self.tags[index]

    def adjacent(self, place: int) -> Tag | None:
        """Return the tag that begins at `place` or behind the white space there, and what emphasizes it."""
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
        """Return where the emphasis of a tag that ends at `place` ends."""
        if not self.is_whole and MARKS_BEGUN.fullmatch(self.text, place):
            raise NeedMoreText
        marks = MARKS_BEHIND.match(self.text, place)
        return marks.end() if marks else place

    def may_go_on(self, place: int) -> bool:
        """Tell whether nothing stands at `place` but what may be the beginning of a tag."""
        at = self.blank_to(place)
        return at == len(self.text) or self._kinds.may_begin(self.text[at : at + LONGEST_TAG + 1])

    def need(self, place: int) -> None:
        """Raise `NeedMoreText` where what follows `place` is not to be seen yet."""
        if not self.is_whole and self.may_go_on(place):
            raise NeedMoreText

    def behind_ends(self, place: int) -> int:
        """Return where the end tags end that follow a call and are of no use, with one that breaks off."""
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
        """Tell whether anything but a further call or code block follows."""
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
