"""The messages of OpenAI's dialect as the plain ones of a chat; calls and results in the notation of `tools`.

What the model said comes back from the client as content and calls; written down again in the notation it is what
the model had written, so that a conversation can go on where it is. Results that follow each other are one message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

from bridge.api.attached import PARTS, read_attachment
from bridge.api.lenient import Lenient
from bridge.chat import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tools.render import Call, write_results, write_said

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
NO_OUTPUT = "(no output)"
NO_NAME = re.compile(r"[^\w.:/-]")
LONGEST_NAME = 128
LINKED = re.compile(r"\[\[(\d+)\]\]\([^()\s]*\)")
"""A citation as it was given out; the model had written a mark."""


class Turn(Lenient):
    """One message of the history, as it was sent."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Any = None
    name: Any = None
    tool_calls: Any = None
    tool_call_id: Any = None
    function_call: Any = None


def read_history(turns: Sequence[Turn]) -> tuple[Message, ...]:
    """Return the messages; raise a `RequestError` that names the bad one."""
    labels: dict[str, str] = {}
    messages: list[Message] = []
    for is_result, group in groupby(enumerate(turns), key=lambda item: ROLES[item[1].role] == "tool"):
        if is_result:
            results = [(_label(turn, labels), _text(turn, _where(index)) or NO_OUTPUT) for index, turn in group]
            messages.append(Message("tool", write_results(results)))
        else:
            messages += [_message(turn, _where(index), labels) for index, turn in group]
    if not messages[-1].text.strip() and not messages[-1].attachments:
        raise RequestError("The last message has no text.", param=_where(len(turns) - 1))
    return tuple(messages)


def _where(index: int) -> str:
    return f"messages[{index}].content"


def _message(turn: Turn, where: str, labels: dict[str, str]) -> Message:
    if turn.role == "user":
        return Message("user", _text(turn, where), _attachments(turn, where))
    text = _text(turn, where)
    if turn.role != "assistant":
        return Message(ROLES[turn.role], text)
    text, made = LINKED.sub(r"[citation:\1]", text), list(_calls(turn))
    for number, (id_, call) in enumerate(made, 1):
        labels[id_] = _plain(call.name) + ("" if len(made) == 1 else f'" call="{number}')
    return Message("assistant", write_said(text, [call for _, call in made]))


def _calls(turn: Turn) -> Iterator[tuple[str, Call]]:
    """Yield the calls of an assistant's message, each with its id; what is none is passed over."""
    calls = turn.tool_calls if isinstance(turn.tool_calls, list) else []
    functions = [(call.get("id"), call.get("function")) for call in calls if isinstance(call, dict)]
    for id_, function in [*functions, (None, turn.function_call)]:
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            arguments = function.get("arguments")
            yield str(id_), Call(function["name"], arguments if isinstance(arguments, str) else "")


def _label(turn: Turn, labels: dict[str, str]) -> str:
    """Return the name of the tool whose result this is, with the number of the call where there were several."""
    name = turn.name if isinstance(turn.name, str) and turn.name else "tool"
    return labels.get(str(turn.tool_call_id)) or _plain(name)


def _plain(name: str) -> str:
    """Return a tool's name with nothing in it that could end the tag which it stands in."""
    return NO_NAME.sub("_", name[:LONGEST_NAME]) or "tool"


def _text(turn: Turn, where: str) -> str:
    if turn.content is None or isinstance(turn.content, str):
        return turn.content or ""
    if not isinstance(turn.content, list):
        raise RequestError(f"{where} must be a string or a list of parts.", param=where)
    texts = (_part(part, f"{where}[{index}]", turn) for index, part in enumerate(turn.content))
    return "\n".join(text for text in texts if text is not None)


def _attachments(turn: Turn, where: str) -> tuple[Attachment, ...]:
    parts = enumerate(turn.content) if isinstance(turn.content, list) else ()
    return tuple(
        read_attachment(part, f"{where}[{index}]") for index, part in parts if part.get("type", "text") in PARTS
    )


def _part(part: Any, where: str, turn: Turn) -> str | None:
    """Return the text of a part; None where it is a file, which only a user may send."""
    if not isinstance(part, dict):
        raise RequestError(f"{where} must be an object with a type.", param=where)
    kind = part.get("type", "text")
    if isinstance(kind, str) and kind in PARTS and turn.role == "user":
        return None
    if not isinstance(kind, str) or kind not in TEXT_PARTS:
        what = "text, image_url or file" if turn.role == "user" else "text; files belong into messages of the user"
        raise RequestError(f"{where} must be {what}.", param=where)
    text = part.get(TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise RequestError(f"{where}.{TEXT_PARTS[kind]} must be a string.", param=f"{where}.{TEXT_PARTS[kind]}")
    return text
