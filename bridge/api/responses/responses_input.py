"""The items of a request's input as the turns of a chat.

What the model said comes as several items, one after the other: its text, a call each. They are one turn here, so that
a history reads exactly like what the model had written. Reasoning is not needed again, and items of tools that run on
OpenAI's servers say nothing here; both are passed over.
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
"""The types of items that conversations keep."""

Item = Mapping[str, Any]


def as_items(given: object, where: str = "input") -> list[Item]:
    """Return the items of an input, which may be a text alone; raise a `RequestError` for what is no item."""
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

    `earlier` items stand before them; they were kept, and nobody can mend what is in them. Items that are not whole yet
    are read again with all that belongs to them, and may have no text.
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
    """Yield the places of items that only name another one, and the ids that they name."""
    for index, item in enumerate(items):
        if kind_of(item) == REFERENCE and isinstance(name := item.get("id"), str):
            yield index, name


def compactions(items: Sequence[Item]) -> Iterator[tuple[int, str]]:
    """Yield the places of items that stand for an earlier history, and what was sealed of it."""
    for index, item in enumerate(items):
        if item.get("type") == "compaction":
            sealed = item.get("encrypted_content")
            yield index, sealed if isinstance(sealed, str) else ""


def is_partial(items: Sequence[Item]) -> bool:
    """Tell whether the items stand for others, which must be put in their places first."""
    return any(True for _ in references(items)) or any(True for _ in compactions(items))


def refuse_trigger(items: Sequence[Item]) -> None:
    """Raise a `RequestError` where the response is to be a compaction: its client would take an answer for one."""
    for index, item in enumerate(items):
        if item.get("type") == "compaction_trigger":
            message = "A response compacts nothing here: POST /v1/responses/compact makes a history short."
            raise RequestError(message, param=f"input[{index}].type")


def check_items(items: Sequence[Item], where: str) -> None:
    """Raise a `RequestError` that names the first item which no response could go on from."""
    for index, item in enumerate(items):
        kind, place = kind_of(item), f"{where}[{index}]"
        if kind not in KEPT:
            raise RequestError(f"{place}.type must be one of {', '.join(KEPT)}.", param=f"{place}.type")
        if _role(item) is not None:
            _turn(item, place, is_new=True)


def texts_of(items: Sequence[Item]) -> Iterator[object]:
    """Yield what of the items can become text: everything but files, ids and names."""
    for item in items:
        yield without_files(item.get("content"))
        yield without_files(item.get("output"))
        yield item.get("arguments")
        yield item.get("input")


def kind_of(item: Item) -> object:
    """Return the type of an item; a message may leave it out, and so may one that only names another by its id."""
    return item.get("type") or ("message" if "role" in item else REFERENCE if "id" in item else None)


def _role(item: Item) -> Role | None:
    """Return who said it, or None where nothing was said; an unknown role has no more weight than a user."""
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
    """Add a turn; calls join the answer that they came with."""
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
