"""Finds requests to the address of the prompt that are no prompts: a title, a summary, a suggestion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.browser.page_messages import PageRequest
from bridge.sites.learning.answer_text import as_when, kind_of
from bridge.sites.learning.frames import Frame
from bridge.sites.learning.guards import guards
from bridge.sites.learning.json_leaves import Leaf, leaves
from bridge.sites.learning.observation import SeenCall, SeenTurn
from bridge.sites.learning.prompt_request import Carrier, address_pattern
from bridge.sites.learning.tracks import ReadFrame
from bridge.sites.site_file.body_codecs import Codec, read_request


def others(prompts: Sequence[Carrier], turns: Sequence[SeenTurn]) -> list[dict[str, Any]]:
    """Return the calls of a site file that let such requests through; none where nothing tells them apart."""
    first, numbers = prompts[0].call, {one.call.number for one in prompts}
    if first.is_socket:
        return []
    kind = kind_of(first)
    calls = {
        call.number: call for turn in turns for call in turn.calls if kind_of(call) == kind and call.time >= turn.began
    }
    rest = [_read(call, prompts[0].codec) for number, call in calls.items() if number not in numbers]
    found = guards(rest, [_framed(one.leaves) for one in prompts]) if rest else None
    path = address_pattern([first.url])
    return [{"path": path, "method": first.method, "when": as_when(guard)} for guard in found or () if guard]


def _read(call: SeenCall, codec: Codec) -> ReadFrame:
    document = read_request(PageRequest(call.method, call.url, call.body), codec).document
    return _framed(tuple(leaves(document)) if document is not None else ())


def _framed(found: tuple[Leaf, ...]) -> ReadFrame:
    return ReadFrame(Frame(0.0, None, ""), found)
