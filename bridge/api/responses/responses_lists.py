"""Lists of items: each item with an id and in the form of OpenAI's types, in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from bridge.api.history_turns import left_out
from bridge.api.message_content import as_text
from bridge.api.responses.responses_input import ROLES, Item, kind_of
from bridge.api.responses.responses_object import output_text, summary_text
from bridge.errors import NotThere, RequestError

PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "compaction": "cmp",
}
"""Prefixes of item ids, by type."""
PAGE, MOST = 20, 100
"""Items per page: default and maximum."""
TEXTS = ("text", "input_text", "output_text")
DETAILS = ("low", "high", "auto", "original")
NAMES = {"input_image": ("image_url", "file_id"), "input_file": ("file_id", "filename", "file_data", "file_url")}


def page(items: Sequence[Item], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the page of a list for a query with `order`, `limit` and `after`; by default the last item comes first."""
    ordered = list(items) if _order(query) == "asc" else list(reversed(items))
    begin = 0
    if (after := query.get("after")) is not None:
        begin = 1 + next((index for index, item in enumerate(ordered) if item["id"] == after), -2)
        if begin < 0:
            raise NotThere(f"There is no item {after[:80]!r} in this list.", param="after")
    end = begin + _limit(query)
    return as_list(ordered[begin:end], has_more=end < len(ordered))


def as_list(items: Sequence[Item], *, has_more: bool = False) -> dict[str, Any]:
    """Return items as a list object."""
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return {"object": "list", "data": list(items), "first_id": first, "last_id": last, "has_more": has_more}


def with_ids(items: Iterable[Item], known: Iterable[str] = ()) -> list[Item]:
    """Return items in the form of OpenAI's types; one without an id or with a duplicate one gets a new id."""
    seen, made = set(known), list[Item]()
    for item in items:
        given = item.get("id")
        id_ = given if isinstance(given, str) and given and given not in seen else _new_id(item)
        seen.add(id_)
        made.append(listed(item, id_))
    return made


def listed(item: Item, id_: str) -> dict[str, Any]:
    """Return an item in the form of OpenAI's types; one of an unknown type stays unchanged."""
    kind = kind_of(item)
    status = item.get("status") if item.get("status") in ("in_progress", "incomplete") else "completed"
    head = {"id": id_, "type": kind, "status": status}
    named = {"call_id": as_text(item.get("call_id") or "")}
    match kind:
        case "message":
            role = given if (given := item.get("role")) in [*ROLES] else "user"
            return {**head, "role": role, "content": _parts(item.get("content"), is_answer=role == "assistant")}
        case "function_call" | "custom_tool_call":
            field = "arguments" if kind == "function_call" else "input"
            called = {"name": as_text(item.get("name") or ""), field: as_text(item.get(field) or "")}
            return {**head, **named, **called, **_texts(item, "namespace")}
        case "function_call_output" | "custom_tool_call_output":
            output = item.get("output")
            return {**head, **named, "output": output if isinstance(output, str) else _parts(output)}
        case "reasoning":
            return {"id": id_, "type": kind, "summary": list(_summary(item)), **_texts(item, "encrypted_content")}
        case "web_search_call":
            return {**head, "action": _action(item.get("action"))}
        case "compaction":
            return {"id": id_, "type": kind, "encrypted_content": "", **_texts(item, "encrypted_content")}
    return {**item, "id": id_}


def _order(query: Mapping[str, str]) -> str:
    order = query.get("order") or "desc"
    if order not in ("asc", "desc"):
        raise RequestError("order must be asc or desc.", param="order")
    return order


def _limit(query: Mapping[str, str]) -> int:
    given = query.get("limit") or str(PAGE)
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(MOST)) and 1 <= int(given) <= MOST):
        raise RequestError(f"limit must be a number from 1 to {MOST}.", param="limit")
    return int(given)


def _new_id(item: Item) -> str:
    return f"{PREFIXES.get(str(kind_of(item)), 'item')}_{uuid4().hex}"


def _texts(item: Item, *names: str) -> dict[str, str]:
    """Return the named fields that are texts."""
    return {name: item[name] for name in names if isinstance(item.get(name), str)}


def _action(given: object) -> dict[str, Any]:
    """Return the action of a web search."""
    action = given if isinstance(given, dict) else {}
    queries = action.get("queries")
    asked = [one for one in queries if isinstance(one, str)] if isinstance(queries, list) else []
    sources = action.get("sources")
    found = [_texts(one, "url") for one in sources if isinstance(one, dict)] if isinstance(sources, list) else None
    urls = {} if found is None else {"sources": [{"type": "url", **one} for one in found if one]}
    return {"type": "search", "query": "", **_texts(action, "query"), "queries": asked, **urls}


def _summary(item: Item) -> Iterable[dict[str, Any]]:
    parts = item.get("summary")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield summary_text(part["text"])


def _parts(content: object, *, is_answer: bool = False) -> list[dict[str, Any]]:
    given = content if isinstance(content, list) else [] if content is None else [content]
    return [_part(part if isinstance(part, dict) else as_text(part), is_answer=is_answer) for part in given]


def _part(part: dict[str, Any] | str, *, is_answer: bool) -> dict[str, Any]:
    if isinstance(part, str):
        return _text(part, is_answer=is_answer)
    kind = part.get("type")
    if kind in TEXTS and isinstance(part.get("text"), str):
        annotations = part.get("annotations") if kind == "output_text" else None
        return _text(part["text"], is_answer=is_answer, annotations=annotations)
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": kind, "refusal": part["refusal"]}
    if isinstance(kind, str) and kind in NAMES:
        detail = {"detail": part.get("detail") if part.get("detail") in DETAILS else "auto"}
        return {"type": kind, **(detail if kind == "input_image" else {}), **_texts(part, *NAMES[kind])}
    return _text(left_out(kind), is_answer=is_answer)


def _text(text: str, *, is_answer: bool, annotations: object = None) -> dict[str, Any]:
    if not is_answer:
        return {"type": "input_text", "text": text}
    cited = [one for one in annotations if _is_citation(one)] if isinstance(annotations, list) else []
    return output_text(text, cited)


def _is_citation(given: object) -> bool:
    """Tell whether an annotation is a well-formed URL citation."""
    match given:
        case {"type": "url_citation", "start_index": int(), "end_index": int(), "url": str(), "title": str()}:
            return True
    return False
