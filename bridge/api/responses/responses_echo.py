"""The fields of a response that repeat its request, each only if it fits OpenAI's types.

Clients send values outside the types, and strict clients would fail when these come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

ECHOED = ("prompt_cache_key", "safety_identifier", "user")
"""Text fields that the response repeats."""
NEVER = (
    "access_programs",
    "image",
    "input_transformations",
    "moderation",
    "prompt",
    "prompt_cache_options",
    "prompt_cache_diagnostics",
    "tool_usage",
)
"""Fields of a response that are always null here."""
MODES = ("auto", "none", "required")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
SUMMARIES = ("auto", "concise", "detailed")
LEVELS = ("low", "medium", "high")
RETENTIONS = ("in_memory", "24h")
SEARCHES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
LONE = (*SEARCHES, "image_generation", "local_shell", "apply_patch", "tool_search", "programmatic_tool_calling")
"""Types of tools without required fields besides the type."""


def echo_fields(body: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return the repeated fields of a body; `extras` are its fields outside the model."""
    text, reasoning = _object(body.get("text")), _object(body.get("reasoning"))
    verbosity = _one_of(text.get("verbosity"), LEVELS)
    return {
        "max_tool_calls": _whole(extras.get("max_tool_calls")),
        **{name: _text(extras.get(name)) for name in ECHOED},
        **dict.fromkeys(NEVER),
        "prompt_cache_retention": _one_of(extras.get("prompt_cache_retention"), RETENTIONS),
        "reasoning": {
            "effort": _one_of(reasoning.get("effort"), EFFORTS),
            "summary": _one_of(reasoning.get("summary"), SUMMARIES),
        },
        "service_tier": "default",
        "temperature": _number(extras.get("temperature")),
        "text": {"format": _format(_object(text.get("format"))), "verbosity": verbosity},
        "tool_choice": _choice(body.get("tool_choice")),
        "tools": list(_tools(body.get("tools"))),
        "top_logprobs": 0,
        "top_p": _number(extras.get("top_p")),
        "truncation": "auto" if extras.get("truncation") == "auto" else "disabled",
    }


def _format(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("type") == "json_object":
        return {"type": "json_object"}
    if given.get("type") != "json_schema":
        return {"type": "text"}
    form = {"type": "json_schema", "name": _text(given.get("name")) or "answer", "schema": given.get("schema")}
    return {**form, **_given(given, description=str, strict=bool)}


def _choice(given: Any) -> object:
    """Return a tool choice; other forms, such as a forced search, become `auto`."""
    if isinstance(given, str):
        return given if given in MODES else "auto"
    match given:
        case {"type": "function" | "custom" as kind, "name": str(name)}:
            return {"type": kind, "name": name}
        case {"type": "allowed_tools", "tools": list(tools)}:
            mode = "required" if given.get("mode") == "required" else "auto"
            return {"type": "allowed_tools", "mode": mode, "tools": [one for one in tools if isinstance(one, dict)]}
    return "auto"


def _tools(given: object) -> Iterator[dict[str, Any]]:
    for tool in given if isinstance(given, list) else ():
        if isinstance(tool, dict) and (made := _tool(tool)) is not None:
            yield made


def _tool(tool: Mapping[str, Any]) -> dict[str, Any] | None:
    match tool.get("type"), tool.get("name"):
        case "function", str(name):
            parameters = tool.get("parameters") if isinstance(tool.get("parameters"), dict) else None
            strict = tool.get("strict") if isinstance(tool.get("strict"), bool) else None
            described = _given(tool, description=str, defer_loading=bool)
            return {"type": "function", "name": name, "parameters": parameters, "strict": strict, **described}
        case "custom", str(name):
            form = _grammar(_object(tool.get("format")))
            return {"type": "custom", "name": name, **_given(tool, description=str, defer_loading=bool), **form}
        case "namespace", str(name):
            inner = [one for one in _tools(tool.get("tools")) if one["type"] in ("function", "custom")]
            return {
                "type": "namespace",
                "name": name,
                "description": _text(tool.get("description")) or "",
                "tools": inner,
            }
        case str(kind), _ if kind in LONE:
            is_new = kind in SEARCHES[:2]
            return {"type": kind, **(_given(tool, external_web_access=bool) if is_new else {}), **_size(tool, kind)}
    return None


def _size(tool: Mapping[str, Any], kind: str) -> dict[str, Any]:
    size = _one_of(tool.get("search_context_size"), LEVELS)
    return {"search_context_size": size} if size and kind in SEARCHES else {}


def _grammar(form: Mapping[str, Any]) -> dict[str, Any]:
    match form:
        case {"type": "grammar", "syntax": "lark" | "regex" as syntax, "definition": str(definition)}:
            return {"format": {"type": "grammar", "syntax": syntax, "definition": definition}}
        case {"type": "text"}:
            return {"format": {"type": "text"}}
    return {}


def _given(source: Mapping[str, Any], **kinds: type) -> dict[str, Any]:
    """Return the fields of `source` that have the wanted types."""
    return {name: source[name] for name, kind in kinds.items() if isinstance(source.get(name), kind)}


def _object(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _text(given: object) -> str | None:
    return given if isinstance(given, str) else None


def _one_of(given: object, known: tuple[str, ...]) -> str | None:
    return given if isinstance(given, str) and given in known else None


def _whole(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def _number(given: object) -> float:
    """Return a given number, else 1.0, the default of OpenAI's server."""
    if isinstance(given, float) and math.isfinite(given):
        return given
    return given if isinstance(given, int) and not isinstance(given, bool) and abs(given) < 2**53 else 1.0
