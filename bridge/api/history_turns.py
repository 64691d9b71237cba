"""The turns of a client's history, independent of dialects, and their conversion to the messages of a chat.

The model's answers come back from the client as text and calls. Written again in the notation of `bridge.tool_calls`
they equal what the model had written, so that its conversation can continue. Consecutive results form one message.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from bridge.chat.prompt import is_blank
from bridge.chat.types import Attachment, Message, Role
from bridge.tool_calls.notation import Call, write_results, write_said

NO_OUTPUT = "(no output)"
NO_NAME = re.compile(r"[^\w.:/-]")
LONGEST_NAME = 128
LINKED = re.compile(r"\[\[(\d+)\]\]\([^()\s]*\)")
"""A citation as the client got it; the model had written a mark."""
LONGEST_CITING = 1_000_000
"""Most characters of an answer whose citations are turned into marks again: the pattern blocks other threads."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a history; a client may split a turn into several: text, calls, one for each result."""

    role: Role
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    calls: tuple[tuple[str, Call], ...] = ()
    """The calls of an assistant's turn, each with its id or an empty text."""
    call_id: str = ""
    """The id of the call of a tool's turn; empty: the first call of that name without a result."""
    name: str = ""
    """The name of the tool, if the client gives it; the name in the call takes precedence."""


def write_messages(turns: Iterable[Turn]) -> tuple[Message, ...]:
    """Return the messages of a chat."""
    writer = _Writer()
    return tuple(message for role, group in groupby(turns, _role) for message in writer.messages(role, group))


def begin_of_new(roles: Sequence[Role]) -> int:
    """Return how many turns are history: all up to the last complete answer; a begun answer at the end is not one.

    Clients resend their history and cannot repair it, so only new turns must be valid.
    """
    end = len(roles)
    while end and roles[end - 1] == "assistant":
        end -= 1
    while end and roles[end - 1] != "assistant":
        end -= 1
    return end


def is_empty(messages: Iterable[Message]) -> bool:
    """Tell whether the messages have neither text nor files."""
    return all(is_blank(message.text) and not message.attachments for message in messages)


def plain_name(name: str) -> str:
    """Return a tool's name without characters that could end the tag around it."""
    return NO_NAME.sub("_", name[:LONGEST_NAME]) or "tool"


def left_out(kind: object) -> str:
    """Return the placeholder for a part that cannot be sent."""
    return f"[{plain_name(kind) if isinstance(kind, str) else 'part'} left out]"


class _Writer:
    """Writes the messages in their order."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        """The headings of results, by the ids of their calls."""
        self._of_name: dict[str, deque[str]] = {}
        self._in_order: deque[str] = deque()
        """The headings for the calls of the last answer, for results without a call's id."""

    def messages(self, role: Role, turns: Iterable[Turn]) -> Iterator[Message]:
        """Yield the messages of consecutive turns of one role."""
        if role == "tool":
            yield self._results(list(turns))
            return
        if role == "assistant":
            self._of_name, self._in_order = {}, deque()
        for turn in turns:
            yield self._answer(turn) if role == "assistant" else Message(role, turn.text, turn.attachments)

    def _results(self, turns: Sequence[Turn]) -> Message:
        results = [(self._label(turn), turn.text or NO_OUTPUT) for turn in turns]
        return Message("tool", write_results(results), tuple(file for turn in turns for file in turn.attachments))

    def _answer(self, turn: Turn) -> Message:
        for number, (id_, call) in enumerate(turn.calls, 1):
            label = plain_name(call.name) + ("" if len(turn.calls) == 1 else f'" call="{number}')
            if id_:
                self._labels[id_] = label
            self._of_name.setdefault(call.name, deque()).append(label)
            self._in_order.append(label)
        return Message("assistant", write_said(_with_marks(turn.text), [call for _, call in turn.calls]))

    def _label(self, turn: Turn) -> str:
        """Return the heading of a result: the name of the tool, with the number of the call if there were several."""
        if turn.call_id in self._labels:
            return self._labels[turn.call_id]
        waiting = self._of_name.get(turn.name) if turn.name else self._in_order
        return waiting.popleft() if waiting else plain_name(turn.name or "tool")


def _role(turn: Turn) -> Role:
    return turn.role


def _with_marks(text: str) -> str:
    """Return an answer with its citations turned back into the model's marks."""
    return LINKED.sub(r"[citation:\1]", text) if "[[" in text and len(text) <= LONGEST_CITING else text
