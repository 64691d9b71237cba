"""Derives the network's half of a site file from two turns of one conversation; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bridge.sites.learning.answer_end import AnswerEnd, find_end
from bridge.sites.learning.answer_text import AnswerText, TextRule, as_when, find_answer, kind_of
from bridge.sites.learning.draft import Certainty, Finding
from bridge.sites.learning.ids import Ids, find_ids
from bridge.sites.learning.observation import SeenCall, SeenTurn
from bridge.sites.learning.other_requests import prompts_own
from bridge.sites.learning.prompt_request import Carrier, address_pattern, carriers, prompt_paths

CERTAIN, GUESSED, NEEDED = Certainty.CERTAIN, Certainty.GUESSED, Certainty.NEEDED
WHOLE = 0.97
"""The least share of the answer that counts as all of it."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What the turns show of the network."""

    turns: tuple[SeenTurn, ...]
    prompts: tuple[Carrier, ...]
    """The request that carried the prompt, for each turn."""
    answer: AnswerText | None
    end: AnswerEnd | None
    ids: Ids


def read_wire(turns: Sequence[SeenTurn]) -> Wire:
    """Find request, answer, end and ids; the first turn begins a conversation, the others continue it."""
    sent = [carriers(turn) for turn in turns]
    if not sent or not all(sent):
        return Wire(tuple(turns), (), None, None, Ids())
    answer = find_answer(turns, kind_of(sent[0][0].call))
    prompts = tuple(_the_one(found, answer, number) for number, found in enumerate(sent))
    return Wire(
        tuple(turns), prompts, answer, find_end(answer) if answer else None, find_ids(turns[:2], prompts[:2], answer)
    )


def read_with(turns: Sequence[SeenTurn], more: Sequence[SeenTurn]) -> Wire:
    """Find the same with further turns, in which switches were changed, unless these make the result less certain."""
    wire = read_wire(turns)
    whole = read_wire([*turns, *more]) if more else wire
    return whole if _is_as_sure(whole, wire) else wire


def _is_as_sure(one: Wire, other: Wire) -> bool:
    """Tell whether all known rules of the text still hold, and its end is as certain."""
    if not (one.answer and other.answer and one.end and other.end):
        return other.answer is None
    rules, others = ([rule for rule in wire.rules if rule.emit == "text"] for wire in (one.answer, other.answer))
    is_kept = len(rules) == len(others) and all(any(_holds(rule, known) for rule in rules) for known in others)
    return is_kept and one.end.is_certain >= other.end.is_certain


def _holds(rule: TextRule, known: TextRule) -> bool:
    is_like = (rule.path, rule.mode) == (known.path, known.mode) and rule.is_certain >= known.is_certain
    return is_like and rule.guard.items() >= known.guard.items()


def _the_one(found: Sequence[Carrier], answer: AnswerText | None, turn: int) -> Carrier:
    """Return the request whose response is the answer, else the first whose text is the prompt alone."""
    number = -1
    if answer and answer.turns[turn].frames:
        number = answer.turns[turn].frames[answer.last[turn]].frame.number
    ranked = sorted(found, key=lambda one: (one.call.number != number, not one.is_exact))
    return ranked[0]


def wire_findings(wire: Wire, host: str) -> list[Finding]:
    """Return the fields of the tables `request` and `answer`."""
    return [*_request(wire, host), *_answer(wire, host)]


def _request(wire: Wire, host: str) -> Iterator[Finding]:
    if not wire.prompts:
        yield Finding("request.path", "/needs-you", NEEDED, "no request of the page contained the prompt")
        yield Finding("request.prompt", ["needs_you"], NEEDED, "where the request has the prompt")
        return
    first = wire.prompts[0]
    path = address_pattern([one.call.url for one in wire.prompts])
    yield Finding("request.path", path, CERTAIN, "it had the prompt")
    if first.call.method != "POST":
        yield Finding("request.method", first.call.method)
    if urlsplit(first.call.url).netloc != host:
        yield Finding("request.host", urlsplit(first.call.url).hostname or "")
    yield Finding("request.body", first.codec)
    yield _prompt(wire)
    yield from _request_ids(wire.ids)
    if when := prompts_own(wire.prompts, wire.turns, prompt_paths(wire.prompts)):
        yield Finding("request.when", when, GUESSED, "what other requests to the same address do not have")
        yield Finding("request.others", [{"path": path, "method": first.call.method}], CERTAIN, "they carry no prompt")


def _prompt(wire: Wire) -> Finding:
    paths = prompt_paths(wire.prompts)
    with_lines = [one for one, turn in zip(wire.prompts, wire.turns, strict=True) if "\n" in turn.prompt]
    if paths and (with_lines or wire.prompts)[-1].is_exact:
        return Finding("request.prompt", paths, CERTAIN, f"the same in {len(wire.prompts)} requests")
    if paths:
        return Finding("request.prompt", paths, GUESSED, "the page alters a prompt with several lines")
    path = wire.prompts[0].prompts[0].path
    return Finding("request.prompt", [path], NEEDED, "the prompts of two requests were at different places")


def _request_ids(ids: Ids) -> Iterator[Finding]:
    sure = CERTAIN if ids.is_certain else GUESSED
    if ids.conversation:
        yield Finding("request.conversation", ids.conversation, sure, "the id in the address, or one named like it")
        if ids.creates_first:
            yield Finding(
                "request.creates_first", value=True, certainty=GUESSED, why="a new conversation had an id already"
            )
    if ids.parent:
        yield Finding("request.parent", ids.parent, GUESSED, "the id of the previous answer")
    if ids.model:
        yield Finding("request.model", ids.model, GUESSED, f"by its name; it was {', '.join(ids.models)}")


def _answer(wire: Wire, host: str) -> Iterator[Finding]:
    answer = wire.answer
    if answer is None:
        yield Finding("answer.framing", "sse", NEEDED, "no response had the text that the page shows")
        yield Finding("answer.rules", {"emit": "text", "value": "needs_you"}, NEEDED, "where the text is")
        return
    stream = answer.stream
    yield Finding("answer.framing", stream.framing, CERTAIN, "all of the response could be read as that")
    if stream.payload != "json":
        yield Finding("answer.payload", stream.payload)
    yield from _call(wire, answer, host)
    yield from _end(wire.end)
    yield from _id_rules(wire.ids)
    for rule in answer.rules:
        yield _text(rule, answer)
    if wire.end and wire.end.guard:
        sure = CERTAIN if wire.end.is_certain else GUESSED
        yield Finding(
            "answer.rules", {"when": as_when(wire.end.guard), "emit": "finish"}, sure, "first seen after the text"
        )


def _call(wire: Wire, answer: AnswerText, host: str) -> Iterator[Finding]:
    """Yield the fields of the call with the answer, if that is not the prompt's own."""
    call = answer.stream.call
    if call.number == wire.prompts[0].call.number:
        return
    yield Finding(
        "answer.call", _as_call(call, answer, host), CERTAIN, "the text came over it, not as the response to the prompt"
    )
    if call.time < wire.prompts[0].time and not call.is_socket:
        yield Finding("answer.opened", "before", CERTAIN, "it was open before the prompt was sent")


def _as_call(call: SeenCall, answer: AnswerText, host: str) -> dict[str, Any]:
    urls = {stream.call.url for turn in answer.turns for stream in turn.streams}
    found: dict[str, Any] = {"path": address_pattern(urls), "method": call.method}
    return found if urlsplit(call.url).netloc == host else found | {"host": urlsplit(call.url).hostname or ""}


def _end(end: AnswerEnd | None) -> Iterator[Finding]:
    if end is None:
        yield Finding("answer.ends_on_close", value=True, certainty=NEEDED, why="nothing that ends the answer was seen")
    elif end.marker:
        yield Finding("answer.end_markers", [end.marker], CERTAIN, "it came after the text")
    elif end.on_close:
        yield Finding(
            "answer.ends_on_close", value=True, certainty=GUESSED, why="no mark was seen, but the response ended"
        )


def _id_rules(ids: Ids) -> Iterator[Finding]:
    if ids.answer_conversation:
        rule = {"emit": "conversation", "value": ids.answer_conversation}
        yield Finding(
            "answer.rules", rule, CERTAIN if ids.is_certain else GUESSED, "the id in the address, or in the next prompt"
        )
    if ids.answer_message:
        yield Finding(
            "answer.rules",
            {"emit": "message", "value": ids.answer_message},
            GUESSED,
            "the next prompt named it as its parent",
        )


def _text(rule: TextRule, answer: AnswerText) -> Finding:
    said: dict[str, Any] = {"when": as_when(rule.guard)} if rule.guard else {}
    said["emit"] = rule.emit
    said["value"] = rule.path
    if rule.mode != "delta":
        said["mode"] = rule.mode
    if rule.emit == "thinking":
        return Finding("answer.rules", said, GUESSED, "its frames are named as thinking")
    sure = CERTAIN if rule.is_certain and (answer.share >= WHOLE or len(answer.rules) > 1) else GUESSED
    return Finding("answer.rules", said, sure, f"{answer.share:.0%} of the text that the page shows")
