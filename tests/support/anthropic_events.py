"""Reads streams of Anthropic's dialect as its SDKs do, and is strict about the order of the events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

PIECES = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""What the pieces of a block add to it."""
OF_KIND = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}


def events(body: str | bytes) -> list[dict[str, Any]]:
    """Return the events of a stream; check that each frame names its type twice."""
    text = body if isinstance(body, str) else body.decode()
    assert text.endswith("\n\n")
    made = []
    for frame in text[:-2].split("\n\n"):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        made.append(event)
    return made


def assembled(stream: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that the events make; raise if one is out of place."""
    parts = [event for event in stream if event["type"] != "ping"]
    begin, *blocks, delta, stop = parts
    assert (begin["type"], delta["type"], stop) == ("message_start", "message_delta", {"type": "message_stop"})
    message: dict[str, Any] = begin["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    is_open = False
    for event in blocks:
        is_open = _take(event, message["content"], is_open=is_open)
    assert not is_open
    assert delta["usage"].keys() <= message["usage"].keys()
    return {**message, **delta["delta"], "usage": {**message["usage"], **delta["usage"]}}


def _take(event: dict[str, Any], content: list[Any], *, is_open: bool) -> bool:
    kind, index = event["type"], event["index"]
    if kind == "content_block_start":
        assert not is_open
        assert index == len(content)
        content.append(event["content_block"])
        return True
    assert is_open
    assert index == len(content) - 1
    block = content[-1]
    if kind == "content_block_stop":
        if isinstance(given := block.pop("json", None), str):
            block["input"] = json.loads(given)
        return False
    _add(event["delta"], block)
    return True


def _add(delta: dict[str, Any], block: dict[str, Any]) -> None:
    kind = delta["type"]
    assert kind in OF_KIND[block["type"]]
    assert not block.get("signature"), "a signature is the last piece"
    if kind in PIECES:
        block[PIECES[kind]] += delta[PIECES[kind]]
    elif kind == "input_json_delta":
        block["json"] = block.get("json", "") + delta["partial_json"]
    else:
        block["citations"] = [*block["citations"], delta["citation"]]
