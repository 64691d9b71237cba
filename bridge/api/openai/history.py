"""The messages of OpenAI's dialect as the plain ones of a chat; calls and results in the notation of `tools`.

What the model said comes back from the client as content and calls; written down again in the notation it is what
the model had written, so that a conversation can go on where it is. Results that follow each other are one message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

from pydantic import WithJsonSchema

from bridge.api.attachments.content_parts import PARTS, read_attachment
from bridge.api.request_model import Lenient
from bridge.chat.prompt import is_blank
from bridge.chat.types import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call, canonical, write_results, write_said

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of content parts that are text, and the key it is under."""
THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
"""Kinds of parts that some clients send back, and that the model does not need again."""
BRING_FILES = ("user", "tool")
"""Whose files are uploaded; a picture that a tool has made is as good as one of the user's."""
NO_OUTPUT = "(no output)"
NO_NAME = re.compile(r"[^\w.:/-]")
LONGEST_NAME = 128
LINKED = re.compile(r"\[\[(\d+)\]\]\([^()\s]*\)")
"""A citation as it was given out; the model had written a mark."""
LONGEST_CITING = 1_000_000
"""Characters of an answer up to which its citations are made marks again: no other thread runs meanwhile."""


class Turn(Lenient):
    """One message of the history, as it was sent."""

    role: Annotated[Any, WithJsonSchema({"type": "string", "enum": [*ROLES]})] = None
    content: Any = None
    name: Any = None
    tool_calls: Any = None
    tool_call_id: Any = None
    function_call: Any = None
    refusal: Any = None

    @property
    def speaker(self) -> Role:
        """Return who said it; what an unknown role said has no more weight than what a user did."""
        return ROLES.get(self.role, "user") if isinstance(self.role, str) else "user"


def read_history(turns: Sequence[Turn]) -> tuple[Message, ...]:
    """Return the messages; raise a `RequestError` that names the bad one.

    Only what is new must be right: clients send their history again and again, and cannot mend what is in it.
    """
    reader = _Reader(_begin_of_new(turns))
    messages: list[Message] = []
    for speaker, group in groupby(enumerate(turns), key=lambda item: item[1].speaker):
        if speaker == "tool":
            messages.append(reader.results(group))
        else:
            messages += [reader.message(turn, index) for index, turn in group]
    if all(is_blank(message.text) and not message.attachments for message in messages):
        raise RequestError("The last message has no text.", param=f"messages[{len(turns) - 1}].content")
    return tuple(messages)


def _begin_of_new(turns: Sequence[Turn]) -> int:
    """Return how many turns are history: all up to the last answer, which one that is only begun is none."""
    end = len(turns)
    while end and turns[end - 1].speaker == "assistant":
        end -= 1
    while end and turns[end - 1].speaker != "assistant":
        end -= 1
    return end


def texts(turns: Sequence[Turn]) -> list[object]:
    """Return what of the messages can become text, as it was sent: everything but files, ids and names."""
    return [
        value
        for turn in turns
        for value in (_without_files(turn.content), turn.tool_calls, turn.function_call, turn.refusal)
    ]


class _Reader:
    """Reads the messages in their order; `begin` is the first that is new."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self._labels: dict[str, str] = {}
        """What the results of calls are headed with, by the ids of the calls."""

    def results(self, group: Iterable[tuple[int, Turn]]) -> Message:
        """Return the results of calls that follow each other as one message."""
        read = [(self._label(turn), *self._content(turn, index)) for index, turn in group]
        attached = tuple(attachment for _, _, attachments in read for attachment in attachments)
        return Message("tool", write_results([(label, text or NO_OUTPUT) for label, text, _ in read]), attached)

    def message(self, turn: Turn, index: int) -> Message:
        """Return any other message."""
        if turn.role not in [*ROLES] and index >= self._begin:
            raise RequestError(
                f"messages[{index}].role must be one of {', '.join(ROLES)}.", param=f"messages[{index}].role"
            )
        text, attachments = self._content(turn, index)
        if turn.speaker != "assistant":
            return Message(turn.speaker, text, attachments)
        text, made = _with_marks(text), list(_calls(turn))
        for number, (id_, call) in enumerate(made, 1):
            self._labels[id_] = _plain(call.name) + ("" if len(made) == 1 else f'" call="{number}')
        return Message("assistant", write_said(text, [call for _, call in made]))

    def _label(self, turn: Turn) -> str:
        """Return the name of the tool whose result this is, with the number of the call where there were several."""
        name = turn.name if isinstance(turn.name, str) and turn.name else "tool"
        return self._labels.get(_id(turn.tool_call_id)) or _plain(name)

    def _content(self, turn: Turn, index: int) -> tuple[str, tuple[Attachment, ...]]:
        """Return text and files of a message."""
        where, is_new = f"messages[{index}].content", index >= self._begin
        if isinstance(turn.content, list):
            read = [_part(part, f"{where}[{place}]", turn, is_new=is_new) for place, part in enumerate(turn.content)]
            texts = [part for part in read if isinstance(part, str)]
            return "\n".join(texts), tuple(part for part in read if isinstance(part, Attachment))
        content = turn.refusal if turn.content is None and turn.speaker == "assistant" else turn.content
        if content is None or isinstance(content, str):
            return content or "", ()
        if turn.speaker == "user" and is_new:
            raise RequestError(f"{where} must be a string or a list of parts.", param=where)
        return _as_text(content), ()


def _calls(turn: Turn) -> Iterator[tuple[str, Call]]:
    """Yield the calls of an assistant's message, each with its id; what is none is passed over."""
    calls = turn.tool_calls if isinstance(turn.tool_calls, list) else []
    called = [(call.get("id"), call.get("function", call.get("custom"))) for call in calls if isinstance(call, dict)]
    for id_, tool in [*called, (None, turn.function_call)]:
        if isinstance(tool, dict) and isinstance(tool.get("name"), str):
            arguments = tool.get("arguments", tool.get("input"))
            yield _id(id_), Call(tool["name"], "" if arguments is None else _as_text(arguments))


def _id(given: object) -> str:
    """Return the id of a call; what is none could be of any size as text."""
    return str(given) if isinstance(given, str | int) else ""


def _plain(name: str) -> str:
    """Return a tool's name with nothing in it that could end the tag which it stands in."""
    return NO_NAME.sub("_", name[:LONGEST_NAME]) or "tool"


def _as_text(value: object) -> str:
    """Return a text as it is, a part of text as its text, and anything else as JSON."""
    if isinstance(value, dict) and isinstance(text := _text_of(value), str):
        return text
    return value if isinstance(value, str) else canonical(value)


def _part(part: Any, where: str, turn: Turn, *, is_new: bool) -> str | Attachment | None:
    """Return what a part of a message's content is; None where it says nothing."""
    is_strict = is_new and turn.speaker == "user"
    if not isinstance(part, dict):
        if is_strict:
            raise RequestError(f"{where} must be an object with a type.", param=where)
        return _as_text(part)
    if _is_file(part):
        return _file(part, where, turn, is_new=is_new)
    if isinstance(text := _text_of(part), str):
        return text
    if is_strict:
        raise _wrong_part(part.get("type", "text"), where)
    kind = part.get("type", "text")
    return None if kind in THOUGHTS else _left_out(kind)


def _without_files(content: object) -> object:
    return [part for part in content if not _is_file(part)] if isinstance(content, list) else content


def _is_file(part: object) -> bool:
    return isinstance(part, dict) and isinstance(kind := part.get("type"), str) and kind in PARTS


def _text_of(part: Mapping[str, Any]) -> object:
    """Return what stands where the text of a part of its kind does."""
    kind = part.get("type", "text")
    return part.get(TEXT_PARTS[kind]) if isinstance(kind, str) and kind in TEXT_PARTS else None


def _file(part: Mapping[str, Any], where: str, turn: Turn, *, is_new: bool) -> str | Attachment:
    """Return a file for the page, where the message may bring one, or a word in its place."""
    if turn.speaker not in BRING_FILES:
        return _left_out(part["type"])
    try:
        return read_attachment(part, where)
    except RequestError:
        if is_new and turn.speaker == "user":
            raise
        return _left_out(part["type"])


def _left_out(kind: object) -> str:
    return f"[{_plain(kind) if isinstance(kind, str) else 'part'} left out]"


def _wrong_part(kind: object, where: str) -> RequestError:
    if isinstance(kind, str) and kind in TEXT_PARTS:
        return RequestError(f"{where}.{TEXT_PARTS[kind]} must be a string.", param=f"{where}.{TEXT_PARTS[kind]}")
    return RequestError(f"{where} must be text, image_url or file.", param=where)


def _with_marks(text: str) -> str:
    """Return an answer with its citations as the model had written them."""
    return LINKED.sub(r"[citation:\1]", text) if "[[" in text and len(text) <= LONGEST_CITING else text
