"""Parses the content of a call's tags in any spelling, and repairs it where the meaning is certain.

Certain means that the tool exists, the repair loses nothing that was written, and the arguments fit the tool's schema.
Everything else is `Unreadable` with a reason, so that the model can be asked again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bridge.tool_calls.json_repair import Unreadable, loaded
from bridge.tool_calls.notation import Call, Tool, canonical
from bridge.tool_calls.python_calls import python_calls, python_name
from bridge.tool_calls.schemas.coercion import fitted, misfit, typed

NAMES = ("name", "tool", "tool_name", "function", "function_name", "recipient_name", "action")
ARGUMENTS = ("arguments", "args", "parameters", "params", "input", "tool_input", "action_input")
BESIDE = ("id", "type", "index", "call_id", "tool_call_id")
"""Keys of a call that are ignored."""
NAME = re.compile(r"([\w.:/-]{1,128}+)\s*+")
"""The name of a tool before its arguments."""
COUNT = re.compile(r":\d+\Z")
"""The suffix of a tool's name in numbered calls: `functions.weather:0`."""
LONGEST_NAME = 256


class Unknown(Unreadable):
    """The call names an unknown tool."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no tool {name[:80]!r}.")
        self.name = name


class Definition(Unreadable):
    """The text defines a tool instead of calling one."""

    def __init__(self) -> None:
        super().__init__("It is the definition of a tool.")


def read_calls(body: str, tools: Sequence[Tool]) -> list[Call]:
    """Return the calls in `body`, the text between the tags; raise `Unreadable`."""
    if not body.strip():
        raise Unreadable("The block holds no call.")
    name, arguments = named_first(body.strip())
    if known(name, tools):
        return [named_call(name, arguments, tools)]
    if known(python_name(body), tools):
        return [make_call(name, arguments, tools) for name, arguments in python_calls(body)]
    try:
        calls = [_from_json(item, tools) for item in _items(_json(body))]
    except RecursionError:
        raise Unreadable("It is nested too deeply.") from None
    if not calls:
        raise Unreadable("The block holds no call.")
    return calls


def named_first(body: str) -> tuple[str, str]:
    """Return the name before JSON or a code block, empty if there is none, and the rest."""
    first = NAME.match(body)
    is_named = first is not None and body.startswith(("{", "`"), first.end())
    return (first[1], body[first.end() :]) if first and is_named else ("", body)


def named_call(name: str, body: str, tools: Sequence[Tool]) -> Call:
    """Return the call of a tool named outside `body`, which holds its arguments, or the whole call again."""
    found = _json(body) if body.strip() else {}
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, dict):
        found = _unwrapped(found, known(name, tools))
    return make_call(name, found, tools)


def known(name: str, tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """Return the tools that `name` may mean, ignoring case, dashes, a prefix such as `functions.`, and a count.

    All tools of one name are returned; if tools of several names match, none is.
    """
    name = name[:LONGEST_NAME]
    bare = COUNT.sub("", name)
    for wanted in (
        name,
        _plain(name),
        _plain(name[max(map(name.rfind, ".:/")) + 1 :]),
        _plain(bare[bare.rfind(".") + 1 :]),
    ):
        same = tuple(tool for tool in tools if wanted in (tool.name, _plain(tool.name)))
        exact = tuple(tool for tool in same if tool.name == wanted) or same
        if exact:
            return exact if len({tool.name for tool in exact}) == 1 else ()
    return ()


def fields_of(tool: Tool) -> Iterator[str]:
    """Yield the names of the tool's arguments."""
    properties = tool.parameters.get("properties")
    yield from map(str, properties if isinstance(properties, Mapping) else ())


def make_call(name: str, arguments: Any, tools: Sequence[Tool], is_text: Mapping[str, bool] | None = None) -> Call:
    """Return the call of the first tool of that name that the arguments fit; raise `Unreadable`.

    With `is_text`, all arguments were written as text, and it tells which the model meant as strings.
    """
    candidates = known(name, tools)
    if not candidates:
        raise Unknown(name)
    if isinstance(arguments, str):
        arguments = loaded(arguments) if arguments.strip() else {}
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise Unreadable("The arguments are not a JSON object.")
    wrong = ""
    for tool in candidates:
        given = arguments if is_text is None else typed(arguments, is_text, tool.parameters)
        made = fitted(given, tool.parameters)
        misfitting = misfit(made, tool.parameters)
        if misfitting is None and tool.check is not None:
            misfitting = tool.check(made)
        if misfitting is None:
            return Call(tool.name, canonical(made))
        wrong = wrong or misfitting
    raise Unreadable(f"The arguments do not fit the tool {candidates[0].name}: {wrong}")


@lru_cache(1024)
def _plain(name: str) -> str:
    return re.sub(r"\W+|_+", "_", name.lower())


def _json(body: str) -> Any:
    try:
        return loaded(body)
    except Unreadable:
        if "&quot;" not in body or '"' in body:
            raise
        return loaded(html.unescape(body))


def _items(found: Any) -> Iterator[Any]:
    for item in found if isinstance(found, list) else [found]:
        inner = item.get("tool_calls", item.get("tool_uses")) if isinstance(item, dict) else None
        if isinstance(inner, list):
            yield from inner
        else:
            yield item


def _unwrapped(found: dict[str, Any], tools: Sequence[Tool]) -> Any:
    """Return only the arguments if `found` is a whole call in a block that has already named its tool."""
    lower = {key.lower(): key for key in found}
    key = next((lower[name] for name in ARGUMENTS if name in lower), None)
    is_call = set(lower) <= {*NAMES, *ARGUMENTS, *BESIDE}
    is_taken = any(name.lower() in lower for tool in tools for name in fields_of(tool))
    return found[key] if key is not None and is_call and not is_taken else found


def _from_json(item: Any, tools: Sequence[Tool]) -> Call:
    if not isinstance(item, dict):
        raise Unreadable("A call is a JSON object with name and arguments.")
    lower = {key.lower(): key for key in item}
    if isinstance(inner := item.get(lower.get("function", "")), dict):
        return _from_json(inner, tools)
    if len(item) == 1:
        return _wrapped(item, tools)
    name_key = next((lower[name] for name in NAMES if isinstance(item.get(lower.get(name, "")), str)), None)
    if name_key is None:
        raise Unreadable("The call has no name.")
    key = next((lower[name] for name in ARGUMENTS if name in lower and lower[name] != name_key), None)
    if key is not None and "description" in lower and isinstance(item[key], dict) and "type" in item[key]:
        raise Definition
    rest = {name: value for name, value in item.items() if name != name_key and name not in BESIDE}
    return make_call(item[name_key], item[key] if key is not None else rest, tools)


def _wrapped(item: dict[str, Any], tools: Sequence[Tool]) -> Call:
    """Return the call in `{"weather": {...}}`, `{"tool_call": {...}}` or `{"name": "now"}`."""
    ((key, value),) = item.items()
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if known(key, tools) and isinstance(value, dict):
        return make_call(key, value, tools)
    if key.lower() in NAMES and isinstance(value, str):
        return make_call(value, {}, tools)
    if isinstance(value, dict):
        return _from_json(value, tools)
    raise Unreadable("The call has no name.")
