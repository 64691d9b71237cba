"""What a client gets of an answer that may call tools: the calls, and the text where there are none.

Some clients take the first text for the final answer and never run a tool. So text is held back until no call can
follow, though no longer than `hold` characters; what the model says beside its calls becomes thinking.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.chat import Text, Thinking
from bridge.tools.parse import CallParser, Rejected, Segment
from bridge.tools.render import Call, Toolbox, write_said

AGAIN = """\
Your call could not be carried out. {why}
Write the call again, exactly in the notation: <tool_call>, one line of valid JSON, </tool_call>. Write nothing else."""
MUST = """\
You must call {what} now. Write nothing but the call, in the notation:
<tool_call>, one line of valid JSON, </tool_call>."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call for the client to carry out; `index` counts those of one answer."""

    index: int
    id: str
    call: Call


Said = Text | Thinking | ToolCall


class ToolTalk:
    """Turns the text of one answer into text, thinking and calls."""

    def __init__(self, toolbox: Toolbox, hold: int, id: str) -> None:  # noqa: A002
        self._toolbox = toolbox
        self._parser = CallParser(toolbox)
        self._hold = hold
        self._id = id
        self._held: list[str] = []
        self._is_open = hold == 0
        self.calls: list[Call] = []
        self._why = ""
        self._blank = ""

    @property
    def is_call(self) -> bool:
        """Whether the answer has called a tool."""
        return bool(self.calls)

    def say(self, text: str) -> list[Said]:
        """Take the next piece of the answer's text."""
        return [event for segment in self._parser.feed(text) for event in self._take(segment)]

    def rest(self) -> list[Said]:
        """Return what comes at the end of the text that was not released yet, but for text that is held."""
        return [event for segment in self._parser.end() for event in self._take(segment)]

    def complaint(self) -> str | None:
        """Return what to tell the model, so that it makes the call that it owes; only after `rest`."""
        if self.calls or (self._is_open and self._hold):
            return None
        if self._why:
            return AGAIN.replace("{why}", self._why)
        if self._toolbox.required or self._toolbox.named:
            named = f"the tool {self._toolbox.named}" if self._toolbox.named else "one of the tools"
            return MUST.replace("{what}", named)
        return None

    def release(self) -> list[Said]:
        """Return the text that was held: no call follows."""
        return self._open()

    def _take(self, segment: Segment) -> list[Said]:
        match segment:
            case Call():
                return self._call(segment)
            case Rejected(text, why):
                self._why = self._why or why
                return self._prose(text)
            case str():
                return self._prose(segment)

    def _call(self, call: Call) -> list[Said]:
        if self.calls and not self._toolbox.parallel:
            return [Thinking(write_said("", [call]))]
        beside = "".join(self._held).strip()
        self._held, self._blank = [], ""
        self.calls.append(call)
        index = len(self.calls) - 1
        made = ToolCall(index, f"call_{self._id}{index}", call)
        return [Thinking(beside), made] if beside else [made]

    def _prose(self, text: str) -> list[Said]:
        if self.calls:
            return self._beside(text)
        if self._is_open:
            return [Text(text)]
        self._held.append(text)
        return self._open() if sum(map(len, self._held)) > self._hold else []

    def _beside(self, text: str) -> list[Said]:
        """Return what was said behind a call, but for white space at its end."""
        text = self._blank + text
        said = text.rstrip()
        self._blank = text[len(said) :]
        return [Thinking(said)] if said else []

    def _open(self) -> list[Said]:
        self._is_open = True
        text = "".join(self._held)
        self._held = []
        return [Text(text)] if text else []


def heard(toolbox: Toolbox, hold: int, answer: str) -> tuple[str, list[Call]]:
    """Return the text and the calls that a client gets of a whole answer."""
    talk = ToolTalk(toolbox, hold, "")
    events = [*talk.say(answer), *talk.rest(), *talk.release()]
    return "".join(event.text for event in events if isinstance(event, Text)), talk.calls
