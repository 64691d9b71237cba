"""Finds what distinguishes the prompt from other requests to its address, or messages on its socket; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.browser.page_messages import PageRequest
from bridge.sites.learning.answer_text import as_when, kind_of
from bridge.sites.learning.frames import Frame
from bridge.sites.learning.guards import Guard, guards
from bridge.sites.learning.json_leaves import Leaf, leaves
from bridge.sites.learning.observation import SeenTurn
from bridge.sites.learning.prompt_request import Carrier
from bridge.sites.learning.tracks import ReadFrame
from bridge.sites.site_file.body_codecs import read_request


def prompts_own(prompts: Sequence[Carrier], turns: Sequence[SeenTurn], paths: Sequence[str]) -> Guard:
    """Return the conditions that only the prompt's request meets; none if no other request has its address.

    A socket may carry other messages, such as one that stops an answer, even if none was seen.
    """
    rest = [_read(request, prompts[0]) for request in _others(prompts, turns)]
    if not rest and not prompts[0].call.is_socket:
        return {}
    found = guards([_framed(one.leaves) for one in prompts], rest, paths[0] if paths else "") or []
    has_text = any(path in frame.texts for frame in rest for path in paths[:1])
    if paths and not has_text:  # the simplest condition: the others have no text at the prompt's path
        return {paths[0]: {"matches": ""}}
    return as_when(found[0]) if len(found) == 1 else {}


def _others(prompts: Sequence[Carrier], turns: Sequence[SeenTurn]) -> Iterator[PageRequest]:
    """Yield the requests of the same kind, or the messages of the same socket, except the prompts."""
    kind, times = kind_of(prompts[0].call), {one.time for one in prompts}
    calls = {call.number: call for turn in turns for call in turn.calls if kind_of(call) == kind}
    for call in calls.values():
        sent = call.sent if call.is_socket else ((call.time, call.body),)
        yield from (PageRequest(call.method, call.url, body) for time, body in sent if time not in times)


def _read(request: PageRequest, prompt: Carrier) -> ReadFrame:
    document = read_request(request, prompt.codec).document
    return _framed(tuple(leaves(document)) if document is not None else ())


def _framed(found: tuple[Leaf, ...]) -> ReadFrame:
    return ReadFrame(Frame(0.0, None, ""), found)
