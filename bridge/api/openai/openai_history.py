"""Reads the messages of OpenAI's dialect as the turns of a chat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import WithJsonSchema

from bridge.api.history_turns import Turn, begin_of_new, is_empty, write_messages
from bridge.api.message_content import as_text, read_content, without_files
from bridge.api.request_model import Lenient
from bridge.chat.types import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


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
        """Return the role; an unknown role counts as the user's."""
        return ROLES.get(self.role, "user") if isinstance(self.role, str) else "user"


def read_history(turns: Sequence[HistoryTurn]) -> tuple[Message, ...]:
    """Return the messages; raise a `RequestError` that names the bad one."""
    begin = begin_of_new([turn.speaker for turn in turns])
    messages = write_messages(_turn(turn, index, is_new=index >= begin) for index, turn in enumerate(turns))
    if is_empty(messages):
        raise RequestError("The last message has no text.", param=f"messages[{len(turns) - 1}].content")
    return messages


def texts(turns: Sequence[HistoryTurn]) -> list[object]:
    """Return the values in the messages that can become text, as they were sent: all except files, ids and names."""
    return [
        value
        for turn in turns
        for value in (without_files(turn.content), turn.tool_calls, turn.function_call, turn.refusal)
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
    content = turn.refusal if turn.content is None and turn.speaker == "assistant" else turn.content
    return read_content(content, where, turn.speaker, is_new=is_new)


def _calls(turn: HistoryTurn) -> Iterator[tuple[str, Call]]:
    """Yield the calls of an assistant's message, each with its id; skip malformed ones."""
    calls = turn.tool_calls if isinstance(turn.tool_calls, list) else []
    called = [(call.get("id"), call.get("function", call.get("custom"))) for call in calls if isinstance(call, dict)]
    for id_, tool in [*called, (None, turn.function_call)]:
        if isinstance(tool, dict) and isinstance(tool.get("name"), str):
            arguments = tool.get("arguments", tool.get("input"))
            yield _id(id_), Call(tool["name"], "" if arguments is None else as_text(arguments))


def _id(given: object) -> str:
    """Return the id of a call; empty for other types, whose text could be of any size."""
    return str(given) if isinstance(given, str | int) else ""
