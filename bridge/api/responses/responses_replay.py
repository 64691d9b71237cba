"""The events of a response that has ended: the stored ones, or else rebuilt from the response.

Stored events leave out the response, which is stored separately, and consecutive deltas form one entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bridge.api.responses.responses_items import Event
from bridge.api.responses.responses_object import Item, output_text, summary_text, unfinished

LAST = ("completed", "incomplete", "failed")


def pack(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return events in their stored form."""
    packed = []
    for head, group in groupby(events, _head):
        same = list(group)
        if "delta" in same[0]:
            packed.append({"head": head, "deltas": [event["delta"] for event in same]})
        else:
            packed += [{"head": _head(event)} for event in same]
    return packed


def unpack(packed: Sequence[Mapping[str, Any]], response: Mapping[str, Any]) -> list[Event]:
    """Return events from their stored form."""
    events: list[Event] = []
    for entry in packed:
        head = dict(entry["head"])
        if (status := head.pop("status", None)) is not None:
            head["response"] = dict(response) if status == response["status"] else unfinished(response, status)
        for more in [{"delta": delta} for delta in entry["deltas"]] if "deltas" in entry else [{}]:
            events.append({**head, "sequence_number": len(events), **more})
    return events


def rebuild(response: Mapping[str, Any]) -> list[Event]:
    """Return events that produce the response, with one delta for each text."""
    events: list[Event] = [
        {"type": "response.created", "response": unfinished(response, "in_progress")},
        {"type": "response.in_progress", "response": unfinished(response, "in_progress")},
    ]
    for index, item in enumerate(response["output"]):
        for event in _item_events(item):
            place = {"output_index": index} if "item" in event else {"output_index": index, "item_id": item["id"]}
            events.append({**event, **place})
    last = response["status"] if response["status"] in LAST else "incomplete"
    events.append({"type": f"response.{last}", "response": dict(response)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _head(event: Event) -> dict[str, Any]:
    """Return the stored fields of an event; instead of a response, its status."""
    head = {name: value for name, value in event.items() if name not in ("sequence_number", "delta", "response")}
    return head if "response" not in event else {**head, "status": event["response"]["status"]}


def _item_events(item: Item) -> Iterator[Event]:
    begun: dict[str, dict[str, Any]] = {"message": {"content": []}, "reasoning": {"summary": []}}
    kind = item["type"]
    field = "input" if kind == "custom_tool_call" else "arguments" if kind == "function_call" else None
    blank = {field: ""} if field else begun.get(kind, {})
    status = {"status": "in_progress"} if "status" in item else {}
    yield {"type": "response.output_item.added", "item": {**item, **blank, **status}}
    if field:
        yield from _call_events(item, field)
    elif kind == "message":
        yield from _message_events(item)
    elif kind == "reasoning":
        yield from _reasoning_events(item)
    elif kind == "web_search_call":
        yield from ({"type": f"response.{kind}.{step}"} for step in ("in_progress", "searching", "completed"))
    yield {"type": "response.output_item.done", "item": item}


def _call_events(item: Item, field: str) -> Iterator[Event]:
    name = {"name": item["name"]} if field == "arguments" else {}
    yield {"type": f"response.{item['type']}_{field}.delta", "delta": item[field]}
    yield {"type": f"response.{item['type']}_{field}.done", field: item[field], **name}


def _message_events(item: Item) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        place = {"content_index": index}
        text = {"text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.added", "part": output_text(), **place}
        yield {"type": "response.output_text.delta", "delta": part["text"], "logprobs": [], **place}
        for number, annotation in enumerate(part["annotations"]):
            added = {"annotation_index": number, "annotation": annotation}
            yield {"type": "response.output_text.annotation.added", **added, **place}
        yield {"type": "response.output_text.done", **text, **place}
        yield {"type": "response.content_part.done", "part": part, **place}


def _reasoning_events(item: Item) -> Iterator[Event]:
    for index, part in enumerate(item["summary"]):
        place = {"summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", "part": summary_text(), **place}
        yield {"type": "response.reasoning_summary_text.delta", "delta": part["text"], **place}
        yield {"type": "response.reasoning_summary_text.done", "text": part["text"], **place}
        yield {"type": "response.reasoning_summary_part.done", "part": part, **place}
