"""Reads what stands inside a call's marks, however the model wrote it, and repairs it where the meaning is certain.

Certain means: the tool exists, nothing that was written got lost in the repair, and the arguments fit the tool's
schema. Anything else is `Unclear`, which says why, so that the model can be asked again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bridge.tools.fitting import fitted, misfit
from bridge.tools.mending import Unclear, is_json, loaded
from bridge.tools.render import Call, Tool, canonical

NAMES = ("name", "tool", "tool_name", "function", "function_name", "recipient_name", "action")
ARGUMENTS = ("arguments", "args", "parameters", "params", "input", "tool_input", "action_input")
INNER = re.compile(
    r"<(?:｜DSML｜)?(?:tool|function)[_ -]?calls?(?:\s[^<>]{0,200})?>|</(?:｜DSML｜)?(?:tool|function)[_ -]?calls?\s*>"
    r"|</(?:｜DSML｜)?invoke\s*>|<[｜|]tool[▁_ ]calls?[▁_ ](?:begin|end)[｜|]>",
    re.IGNORECASE,
)
NAMED = re.compile(r"""<(?:tool|function)[_ -]?call\s[^<>]*?\bname\s*=\s*["']?([\w.-]+)["']?[^<>]*>""", re.IGNORECASE)
INVOKE = re.compile(r"""<(?:｜DSML｜)?invoke\s+name\s*=\s*["']?([\w.-]+)["']?\s*>""", re.IGNORECASE)
PARAMETER = re.compile(
    r"""<(?:｜DSML｜)?parameter\s+name\s*=\s*["']?([\w.-]+)["']?[^<>]*>(.*?)</(?:｜DSML｜)?parameter\s*>""",
    re.IGNORECASE | re.DOTALL,
)
NAME_FIRST = re.compile(
    r"(?:function\s*<[｜|]tool[▁_ ]sep[｜|]>\s*)?([\w.-]{1,64})\s*(?:<[｜|]tool[▁_ ]sep[｜|]>)?\s*(?=[{`])"
)


def read_calls(body: str, tools: Sequence[Tool]) -> list[Call]:
    """Return the calls in `body`, what stands between the marks; raise `Unclear`."""
    calls = [call for part in _parts(body) for call in _read(part, tools)]
    if not calls:
        raise Unclear("The block holds no call.")
    return calls


def known(name: str, tools: Sequence[Tool]) -> Tool | None:
    """Return the tool of that name; case, dashes and a prefix such as `functions.` do not matter."""
    exact = [tool for tool in tools if tool.name == name]
    alike = exact or [tool for tool in tools if _plain(tool.name) == _plain(name.rpartition("functions.")[2])]
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _parts(body: str) -> Iterator[str]:
    """Yield the text of each single call: several may stand in one block, in tags of their own."""
    if is_json(body):
        yield body
        return
    named = NAMED.search(body)
    if named is not None:
        body = NAMED.sub(lambda match: f"</tool_call>{match[1]}\n", body)
    yield from (part for part in INNER.split(body) if part.strip())


def _read(part: str, tools: Sequence[Tool]) -> list[Call]:
    if (invoke := INVOKE.search(part)) is not None:
        values = {match[1]: match[2] for match in PARAMETER.finditer(part, invoke.end())}
        if PARAMETER.sub("", part[invoke.end() :]).strip():
            raise Unclear("Between the parameters stands something else.")
        return [_call(invoke[1], values, tools)]
    first = NAME_FIRST.match(part.strip())
    if first is not None and known(first[1], tools) is not None:
        return [_call(first[1], loaded(part.strip()[first.end() :]), tools)]
    found = loaded(part)
    return [_from_json(item, tools) for item in (found if isinstance(found, list) else [found])]


def _from_json(item: Any, tools: Sequence[Tool]) -> Call:
    if not isinstance(item, dict):
        raise Unclear("A call is a JSON object with name and arguments.")
    lower = {key.lower(): key for key in item}
    if isinstance(inner := item.get(lower.get("function", "")), dict):
        return _from_json(inner, tools)
    if "tool_calls" in lower or len(item) == 1:
        return _wrapped(item, tools)
    name_key = next((lower[name] for name in NAMES if isinstance(item.get(lower.get(name, "")), str)), None)
    if name_key is None:
        raise Unclear("The call has no name.")
    key = next((lower[name] for name in ARGUMENTS if name in lower), None)
    rest = {name: value for name, value in item.items() if name not in (name_key, "id", "type")}
    return _call(item[name_key], item[key] if key is not None else rest, tools)


def _wrapped(item: dict[str, Any], tools: Sequence[Tool]) -> Call:
    """Read `{"weather": {...}}`, `{"tool_calls": [{...}]}` and `{"name": "now"}`."""
    ((key, value),) = list(item.items())[:1]
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if known(key, tools) is not None and isinstance(value, dict):
        return _call(key, value, tools)
    if key.lower() in NAMES and isinstance(value, str):
        return _call(value, {}, tools)
    if isinstance(value, dict):
        return _from_json(value, tools)
    raise Unclear("The call has no name.")


def _call(name: str, arguments: Any, tools: Sequence[Tool]) -> Call:
    tool = known(name, tools)
    if tool is None:
        raise Unclear(f"There is no tool {name[:80]!r}.")
    if isinstance(arguments, str):
        arguments = loaded(arguments) if arguments.strip() else {}
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise Unclear("The arguments are no JSON object.")
    arguments = fitted(arguments, tool.parameters)
    if (wrong := misfit(arguments, tool.parameters)) is not None:
        raise Unclear(f"The arguments do not fit the tool {tool.name}: {wrong}")
    return Call(tool.name, canonical(arguments))
