"""Filters an answer that may call tools: the client gets the calls, or the text if there are none.

Some clients take the first text for the final answer and never run a tool. So text is held back until no call can
follow, but no longer than `hold` characters; text beside calls becomes thinking. An unreadable call is held back to the
end, with everything after it: the model may write it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.chat.types import Text, Thinking
from bridge.tool_calls.notation import Call, Toolbox, write_said
from bridge.tool_calls.parser import CallParser, Rejected, Segment

AGAIN = """\
Your call could not be carried out. {why}
Write the call again, exactly in the notation: <tool_call>, one line of valid JSON, </tool_call>. Write nothing else."""
UNREAD = "\n\n[This is a tool call that could not be read. {why}]"
"""The note to the client after an unreadable call that the model did not write again."""
MUST = """\
You must call {what} now. Write nothing but the call, in the notation:
<tool_call>, one line of valid JSON, </tool_call>."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call for the client to carry out; `index` counts those of one answer."""

    index: int
    id: str
    call: Call


FilteredEvent = Text | Thinking | ToolCall


class ToolCallFilter:
    """A filter that splits the text of one answer into text, thinking and calls (see `TextFilter`).

    It holds text back in two cases: before any call, up to `hold` characters, since text before a call becomes
    thinking; and after an unreadable call, without a limit, since the model may be asked to write it again. Text that
    was returned (`_is_open`) cannot be taken back by a call; later calls are still returned.
    """

    def __init__(self, toolbox: Toolbox, hold: int, id: str) -> None:  # noqa: A002
        self._toolbox = toolbox
        self._parser = CallParser(toolbox)
        self._hold = hold
        self._id = id
        self._held: list[str] = []
        self._size = 0
        self._is_open = hold == 0
        self.calls: list[Call] = []
        self._rejected: Rejected | None = None
        self._blank = ""

    @property
    def is_call(self) -> bool:
        """Tell whether the answer has called a tool."""
        return bool(self.calls)

    @property
    def unreadable_note(self) -> str:
        """Return the note for the client about an unreadable call; empty if there is none."""
        return "" if self.calls or self._rejected is None else UNREAD.replace("{why}", self._rejected.why)

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the answer breaks off within a call."""
        return not self.calls and self._rejected is not None and self._rejected.is_cut_off

    def feed(self, text: str) -> list[FilteredEvent]:
        """Process the next piece of the answer's text; return the events that are certain."""
        return [event for segment in self._parser.feed(text) for event in self._take(segment)]

    def finish(self) -> list[FilteredEvent]:
        """Process the end of the text; return the last calls, and the text unless it is held back."""
        return [event for segment in self._parser.end() for event in self._take(segment)]

    def retry_prompt(self) -> str | None:
        """Return the prompt for a missing or unreadable call, or None; call it only after `finish`."""
        if self.calls:
            return None
        if self._rejected is not None:
            return AGAIN.replace("{why}", self._rejected.why)
        if (self._toolbox.required or self._toolbox.named) and not (self._is_open and self._hold):
            named = f"the tool {self._toolbox.named}" if self._toolbox.named else "one of the tools"
            return MUST.replace("{what}", named)
        return None

    def release(self) -> list[FilteredEvent]:
        """Return the text that was held back, as no call follows."""
        return self._open()

    def _take(self, segment: Segment) -> list[FilteredEvent]:
        match segment:
            case Call():
                return self._call(segment)
            case Rejected(text):
                self._rejected = self._rejected or segment
                return self._prose(text)
            case str():
                return self._prose(segment)

    def _call(self, call: Call) -> list[FilteredEvent]:
        if self.calls and not self._toolbox.parallel:
            return [Thinking(write_said("", [call]))]
        beside = "".join(self._held).strip()
        beside = beside if beside.strip("*_") else ""
        self._held, self._size, self._blank = [], 0, ""
        self.calls.append(call)
        index = len(self.calls) - 1
        made = ToolCall(index, f"call_{self._id}{index}", call)
        return [Thinking(beside), made] if beside else [made]

    def _prose(self, text: str) -> list[FilteredEvent]:
        if self.calls:
            return self._beside(text)
        if self._rejected is None and self._is_open:
            return [Text(text)]
        self._held.append(text)
        self._size += len(text)
        return self._open() if self._rejected is None and self._size > self._hold else []

    def _beside(self, text: str) -> list[FilteredEvent]:
        """Return text after a call as thinking; hold white space at its end, which may precede another call."""
        text = self._blank + text
        said = text.rstrip()
        self._blank = text[len(said) :]
        return [Thinking(said)] if said else []

    def _open(self) -> list[FilteredEvent]:
        self._is_open = True
        text = "".join(self._held)
        self._held, self._size = [], 0
        return [Text(text)] if text else []


def filter_answer(toolbox: Toolbox, hold: int, answer: str, *, is_last: bool) -> tuple[str, list[Call]]:
    """Return the text and calls of a whole answer for the client; `is_last`: the model is not asked again."""
    call_filter = ToolCallFilter(toolbox, hold, "")
    events = [*call_filter.feed(answer), *call_filter.finish(), *call_filter.release()]
    text = "".join(event.text for event in events if isinstance(event, Text))
    return text + (call_filter.unreadable_note if is_last else ""), call_filter.calls
