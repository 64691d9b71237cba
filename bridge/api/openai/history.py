"""The messages of OpenAI's dialect as the turns of a chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import WithJsonSchema

from bridge.api.history_turns import Turn, begin_of_new, is_empty, left_out, write_messages
from bridge.api.openai.file_parts import PARTS, read_attachment
from bridge.api.request_model import Lenient
from bridge.chat.types import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call, canonical

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


class HistoryTurn(Lenient):
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


def read_history(turns: Sequence[HistoryTurn]) -> tuple[Message, ...]:
    """Return the messages; raise a `RequestError` that names the bad one."""
    begin = begin_of_new([turn.speaker for turn in turns])
    messages = write_messages(_turn(turn, index, is_new=index >= begin) for index, turn in enumerate(turns))
    if is_empty(messages):
        raise RequestError("The last message has no text.", param=f"messages[{len(turns) - 1}].content")
    return messages


def texts(turns: Sequence[HistoryTurn]) -> list[object]:
    """Return what of the messages can become text, as it was sent: everything but files, ids and names."""
    return [
        value
        for turn in turns
        for value in (_without_files(turn.content), turn.tool_calls, turn.function_call, turn.refusal)
    ]


def _turn(turn: HistoryTurn, index: int, *, is_new: bool) -> Turn:
    if is_new and turn.role not in [*ROLES]:
        where = f"messages[{index}].role"
        raise RequestError(f"{where} must be one of {', '.join(ROLES)}.", param=where)
    text, attachments = _content(turn, f"messages[{index}].content", is_new=is_new)
    match turn.speaker:
        case "assistant":
            return Turn("assistant", text, calls=tuple(_calls(turn)))
        case "tool":
            name = turn.name if isinstance(turn.name, str) else ""
            return Turn("tool", text, attachments, call_id=_id(turn.tool_call_id), name=name)
        case role:
            return Turn(role, text, attachments)


def _content(turn: HistoryTurn, where: str, *, is_new: bool) -> tuple[str, tuple[Attachment, ...]]:
    """Return text and files of a message."""
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


def _calls(turn: HistoryTurn) -> Iterator[tuple[str, Call]]:
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


def _as_text(value: object) -> str:
    """Return a text as it is, a part of text as its text, and anything else as JSON."""
    if isinstance(value, dict) and isinstance(text := _text_of(value), str):
        return text
    return value if isinstance(value, str) else canonical(value)


def _part(part: Any, where: str, turn: HistoryTurn, *, is_new: bool) -> str | Attachment | None:
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
    return None if kind in THOUGHTS else left_out(kind)


def _without_files(content: object) -> object:
    return [part for part in content if not _is_file(part)] if isinstance(content, list) else content


def _is_file(part: object) -> bool:
    return isinstance(part, dict) and isinstance(kind := part.get("type"), str) and kind in PARTS


def _text_of(part: Mapping[str, Any]) -> object:
    """Return what stands where the text of a part of its kind does."""
    kind = part.get("type", "text")
    return part.get(TEXT_PARTS[kind]) if isinstance(kind, str) and kind in TEXT_PARTS else None


def _file(part: Mapping[str, Any], where: str, turn: HistoryTurn, *, is_new: bool) -> str | Attachment:
    """Return a file for the page, where the message may bring one, or a word in its place."""
    if turn.speaker not in BRING_FILES:
        return left_out(part["type"])
    try:
        return read_attachment(part, where)
    except RequestError:
        if is_new and turn.speaker == "user":
            raise
        return left_out(part["type"])


def _wrong_part(kind: object, where: str) -> RequestError:
    if isinstance(kind, str) and kind in TEXT_PARTS:
        return RequestError(f"{where}.{TEXT_PARTS[kind]} must be a string.", param=f"{where}.{TEXT_PARTS[kind]}")
    return RequestError(f"{where} must be text, image_url or file.", param=where)
