"""Reads the system text and the messages of Anthropic's dialect as the turns of a chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

from pydantic import WithJsonSchema

from bridge.api.anthropic.anthropic_blocks import Piece, kind_of, read_blocks
from bridge.api.history_turns import Turn, begin_of_new, is_empty, left_out, write_messages
from bridge.api.request_model import Lenient
from bridge.chat.types import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call, canonical

ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
UNSAID = ("thinking", "redacted_thinking", "server_tool_use", "mcp_tool_use", "fallback")
"""Blocks of an answer that the model does not need again, as it does not the results of the server's tools."""
FOR_SERVER = "x-anthropic-billing-header:"
"""Prefix of a system text of Claude Code that is meant for the server and not for the model."""
FILLER = "[System: Empty message content sanitised to satisfy protocol]"
"""Text that LiteLLM inserts into answers with calls and without text."""


class AnthropicMessage(Lenient):
    """One message of the history, as it was sent."""

    role: Annotated[Any, WithJsonSchema({"type": "string", "enum": [*ROLES]})] = None
    content: Any = None

    @property
    def speaker(self) -> Role:
        """Return the role; an unknown role counts as the user's."""
        return ROLES.get(self.role, "user") if isinstance(self.role, str) else "user"


def read_history(system: object, given: Sequence[AnthropicMessage]) -> tuple[Message, ...]:
    """Return the messages; raise a `RequestError` that names the bad one."""
    begin = begin_of_new([message.speaker for message in given])
    turns = [turn for index, one in enumerate(given) for turn in _turns(one, index, is_new=index >= begin)]
    if begin == 0:
        _refuse_results(given)
    messages = write_messages([*_system(system), *_instructed(turns)])
    if is_empty(messages):
        raise RequestError("The last message has no text.", param=f"messages[{len(given) - 1}].content")
    return messages


def _refuse_results(given: Sequence[AnthropicMessage]) -> None:
    """Raise `RequestError` for results without any call, which come from a proxy that dropped `thread`."""
    for index, message in enumerate(given):
        for place, block in enumerate(_as_blocks(message.content)):
            if kind_of(block) == "tool_result":
                where = f"messages[{index}].content[{place}]"
                raise RequestError(
                    f"{where} is the result of a call that no message has: send all messages.", param=where
                )


def _system(given: object) -> Iterator[Turn]:
    if not isinstance(given, str | list | None):
        raise RequestError("system must be a string or a list of text blocks.", param="system")
    blocks = _as_blocks(given)
    for index, block in enumerate(blocks):
        if kind_of(block) != "text":
            raise RequestError(f"system[{index}] must be a block of text.", param=f"system[{index}]")
    texts = _texts(read_blocks(blocks, "system", is_strict=True))
    if text := "\n\n".join(text for text in texts if text and not text.startswith(FOR_SERVER)):
        yield Turn("system", text)


def _instructed(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Yield the turns with system messages before the user's beside them, so that the last turn is the user's."""
    for _, group in groupby(turns, lambda turn: turn.role == "assistant"):
        yield from sorted(group, key=lambda turn: turn.role != "system")


def _turns(message: AnthropicMessage, index: int, *, is_new: bool) -> Iterable[Turn]:
    where = f"messages[{index}]"
    if is_new and message.role not in [*ROLES]:
        raise RequestError(f"{where}.role must be one of {', '.join(ROLES)}.", param=f"{where}.role")
    content, where = message.content, f"{where}.content"
    match message.speaker:
        case "assistant":
            return [_answer(_as_blocks(content))]
        case "system":
            pieces = read_blocks(_as_blocks(content), where, is_strict=False)
            texts = [piece if isinstance(piece, str) else left_out("file") for piece in pieces]
            return [Turn("system", text)] if (text := "\n".join(texts)) else []
        case _ if is_new and not isinstance(content, str | list):
            raise RequestError(f"{where} must be a string or a list of blocks.", param=where)
        case _:
            return _user(_as_blocks(content), where, is_new=is_new)


def _answer(blocks: Iterable[Any]) -> Turn:
    """Return the model's turn; its text may come back in several blocks."""
    texts: list[str] = []
    calls: list[tuple[str, Call]] = []
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append("" if text == FILLER else text)
            case {"type": "tool_use", "name": str(name)}:
                calls.append((_id(block.get("id")), Call(name, canonical(block.get("input") or {}))))
            case _ if (kind := kind_of(block)) not in UNSAID and not kind.endswith("_tool_result"):
                texts.append(left_out(kind or None))
    return Turn("assistant", "".join(texts), calls=tuple(calls))


def _user(blocks: Sequence[object], where: str, *, is_new: bool) -> Iterator[Turn]:
    """Yield the results of calls, and the blocks before, between and after them."""
    place = 0
    for is_result, group in groupby(blocks, lambda block: kind_of(block) == "tool_result"):
        said = list(group)
        if is_result:
            yield from (_result(block, f"{where}[{index}].content") for index, block in enumerate(said, place))
        else:
            pieces = [*read_blocks(said, where, is_strict=is_new, first=place)]
            if pieces:  # some blocks have nothing for the model
                yield Turn("user", "\n".join(_texts(pieces)), _files(pieces))
        place += len(said)


def _result(block: Any, where: str) -> Turn:
    pieces = [*read_blocks(_as_blocks(block.get("content")), where, is_strict=False)]
    text = "\n".join(_texts(pieces))
    if block.get("is_error") is True and "error" not in text[:100].lower():
        text = f"Error: {text}"
    return Turn("tool", text, _files(pieces), call_id=_id(block.get("tool_use_id")))


def _as_blocks(content: object) -> Sequence[object]:
    """Return a message's content as blocks; content that is neither text nor a list becomes JSON text."""
    if isinstance(content, list):
        return content
    if content is None:
        return []
    return [{"type": "text", "text": content if isinstance(content, str) else canonical(content)}]


def _texts(pieces: Iterable[Piece]) -> list[str]:
    return [piece for piece in pieces if isinstance(piece, str)]


def _files(pieces: Iterable[Piece]) -> tuple[Attachment, ...]:
    return tuple(piece for piece in pieces if isinstance(piece, Attachment))


def _id(given: object) -> str:
    return given if isinstance(given, str) else ""
