"""Reads the items of a request's input as the turns of a chat.

An answer of the model comes as several consecutive items: its text, and one for each call. They become one turn, so
that the history equals what the model had written. Reasoning and items of OpenAI's server tools are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridge.api.history_turns import Turn, begin_of_new, is_empty, write_messages
from bridge.api.message_content import as_text, read_content, without_files
from bridge.api.responses.responses_tools import visible_name, write_custom
from bridge.chat.types import Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call

ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
CALLS = ("function_call", "custom_tool_call")
OUTPUTS = ("function_call_output", "custom_tool_call_output")
REFERENCE = "item_reference"
KEPT = ("message", *CALLS, *OUTPUTS, "reasoning", "web_search_call", "compaction")
"""The types of items that conversations store."""

Item = Mapping[str, Any]


def as_items(given: object, where: str = "input") -> list[Item]:
    """Return the items of an input, which may be a text; raise a `RequestError` for a malformed item."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    items = given if isinstance(given, list) else []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise RequestError(f"{where}[{index}] must be an object with a type.", param=f"{where}[{index}]")
    return items


def read_items(
    items: Sequence[Item], instructions: str | None, earlier: Sequence[Item] = (), *, is_whole: bool = True
) -> tuple[Message, ...]:
    """Return the messages of a chat; raise a `RequestError` that names the bad item of `items`.

    `earlier` items precede them; these were stored, so they are read leniently. With `is_whole` false the messages may
    have no text, because the items will be read again with the missing ones.
    """
    spoken = [(index - len(earlier), item) for index, item in enumerate([*earlier, *items]) if _role(item) is not None]
    begin = begin_of_new([_role(item) or "user" for _, item in spoken])
    turns = [Turn("system", instructions)] if instructions else []
    for place, (index, item) in enumerate(spoken):
        _add(turns, _turn(item, f"input[{index}]", is_new=place >= begin and index >= 0))
    messages = write_messages(turns)
    if not is_whole:
        return messages or (Message("user", ""),)
    if is_empty(messages[1:] if instructions else messages):
        raise RequestError("The input has no text.", param="input")
    return messages


def references(items: Sequence[Item]) -> Iterator[tuple[int, str]]:
    """Yield the indexes of items that refer to another one, and its id."""
    for index, item in enumerate(items):
        if kind_of(item) == REFERENCE and isinstance(name := item.get("id"), str):
            yield index, name


def compactions(items: Sequence[Item]) -> Iterator[tuple[int, str]]:
    """Yield the indexes of compactions, and their sealed contents."""
    for index, item in enumerate(items):
        if item.get("type") == "compaction":
            sealed = item.get("encrypted_content")
            yield index, sealed if isinstance(sealed, str) else ""


def is_partial(items: Sequence[Item]) -> bool:
    """Tell whether some items must be replaced with others first."""
    return any(True for _ in references(items)) or any(True for _ in compactions(items))


def refuse_trigger(items: Sequence[Item]) -> None:
    """Raise a `RequestError` for a compaction trigger, because the client would take an answer for a compaction."""
    for index, item in enumerate(items):
        if item.get("type") == "compaction_trigger":
            message = "Compaction within a response is not supported; use POST /v1/responses/compact."
            raise RequestError(message, param=f"input[{index}].type")


def check_items(items: Sequence[Item], where: str) -> None:
    """Raise a `RequestError` that names the first item that a response could not continue from."""
    for index, item in enumerate(items):
        kind, place = kind_of(item), f"{where}[{index}]"
        if kind not in KEPT:
            raise RequestError(f"{place}.type must be one of {', '.join(KEPT)}.", param=f"{place}.type")
        if _role(item) is not None:
            _turn(item, place, is_new=True)


def texts_of(items: Sequence[Item]) -> Iterator[object]:
    """Yield the values in the items that can become text: all except files, ids and names."""
    for item in items:
        yield without_files(item.get("content"))
        yield without_files(item.get("output"))
        yield item.get("arguments")
        yield item.get("input")


def kind_of(item: Item) -> object:
    """Return the type of an item; messages and references may omit it."""
    return item.get("type") or ("message" if "role" in item else REFERENCE if "id" in item else None)


def _role(item: Item) -> Role | None:
    """Return the role of an item, or None for one that is not a turn; an unknown role counts as the user's."""
    kind = kind_of(item)
    if kind == "message":
        role = item.get("role")
        return ROLES.get(role, "user") if isinstance(role, str) else "user"
    return "assistant" if kind in CALLS else "tool" if kind in OUTPUTS else None


def _turn(item: Item, where: str, *, is_new: bool) -> Turn:
    kind = kind_of(item)
    if kind in CALLS:
        return Turn("assistant", calls=tuple(_calls(item, str(kind))))
    if kind in OUTPUTS:
        text, files = read_content(item.get("output"), f"{where}.output", "tool", is_new=is_new)
        return Turn("tool", text, files, call_id=_id(item), name=_name(item))
    if is_new and item.get("role") not in [*ROLES]:
        raise RequestError(f"{where}.role must be one of {', '.join(ROLES)}.", param=f"{where}.role")
    role = _role(item) or "user"
    text, files = read_content(item.get("content"), f"{where}.content", role, is_new=is_new)
    return Turn(role, text, files)


def _add(turns: list[Turn], turn: Turn) -> None:
    """Add a turn; calls join the answer before them."""
    last = turns[-1] if turns else None
    if turn.calls and last is not None and last.role == "assistant":
        turns[-1] = replace(last, calls=(*last.calls, *turn.calls))
    else:
        turns.append(turn)


def _calls(item: Item, kind: str) -> Iterator[tuple[str, Call]]:
    if not (name := _name(item)):
        return
    if kind == "custom_tool_call":
        yield _id(item), Call(name, write_custom(as_text(item.get("input") or "")))
    else:
        arguments = item.get("arguments")
        yield _id(item), Call(name, "" if arguments is None else as_text(arguments))


def _name(item: Item) -> str:
    name = item.get("name")
    return visible_name(name, item.get("namespace")) if isinstance(name, str) else ""


def _id(item: Item) -> str:
    given = item.get("call_id")
    return given if isinstance(given, str) else ""
