"""The score rewrites of the stream faults: pure functions from steps to steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.demo.patches import Json
from bridge.demo.score import (
    Cut,
    Event,
    Lose,
    Outcome,
    Patch,
    Raw,
    Say,
    Score,
    Silence,
    Snapshot,
    Step,
    Unattended,
    ending,
)

Params = Mapping[str, Any]

FILTERED = {
    "en": "Sorry, that's beyond my current scope. Let's talk about something else.",
    "zh": "你好，这个问题我暂时无法回答，让我们换个话题再聊聊吧。",
}
_CLOSE_RETRY = Event("close", {"click_behavior": "retry", "auto_resume": False})


def refuse_with_hint(score: Score, params: Params) -> Score:
    """End after `ready` with a hint that names the reason."""
    hint = _hint(params, clear=True)
    return [*score[: _start(score)], Outcome(f"hint:{params['reason']}"), hint, _CLOSE_RETRY]


def refuse_with_toast(score: Score, params: Params) -> Score:
    """End after `ready` with a toast and nothing else."""
    data = {"type": "error", "content": params["content"][params["lang"]]}
    return [*score[: _start(score)], Outcome("toast"), Event("toast", data), _CLOSE_RETRY]


def fail_with_hint(score: Score, params: Params) -> Score:
    """End incomplete after some tokens, with a hint after the status."""
    at = after_tokens(score, params["after"])
    status = Patch("response/status", "SET", "INCOMPLETE")
    outcome = Outcome(f"hint:{params['reason']}")
    return [*score[:at], outcome, status, _hint(params, clear=False), _CLOSE_RETRY]


def abort(score: Score, params: Params) -> Score:
    """Cut the connection after some tokens."""
    return [*score[: after_tokens(score, params["after"])], Outcome("aborted"), Cut(params["hard"])]


def lose(score: Score, params: Params) -> Score:
    """Lose the connection after some tokens, but finish the answer."""
    at = after_tokens(score, params["after"])
    return [*score[:at], Lose(), *score[at:]]


def unattend(score: Score, _params: Params) -> Score:
    """Continue after the reader has left."""
    return [Unattended(), *score]


def drop_status(score: Score, _params: Params) -> Score:
    """Close without the status that the answer is finished."""
    return [s for s in score if not (isinstance(s, Patch) and s.path == "response/status")]


def think_only(score: Score, _params: Params) -> Score:
    """Leave the answer out, but finish as if there were one."""
    tail = next(i for i, step in enumerate(score) if _is_tip(step))
    opening = next((i for i, step in enumerate(score[:tail]) if _opens_answer(step)), None)
    if opening is None:  # without thinking, the answer begins with the snapshot
        opening = _start(score)
        return [*score[:opening], Snapshot(fragments=()), *score[tail + 1 :]]
    return [*score[:opening], *score[tail + 1 :]]


def filter_content(score: Score, params: Params) -> Score:
    """Withdraw the whole answer a moment after it was almost finished."""
    almost = 1 + next(i for i, step in enumerate(score) if _says_almost(step))
    fragment = {"id": 2, "type": "TEMPLATE_RESPONSE", "content": FILTERED[params["lang"]], "references": []}
    withdrawn = [
        {"p": "fragments", "o": "SET", "v": [fragment]},
        {"p": "ban_regenerate", "v": True},
        {"p": "status", "v": "CONTENT_FILTER"},
    ]
    end = ending("CONTENT_FILTER")[1:]
    wait = Silence(params["seconds"])
    return [*score[:almost], wait, Outcome("filtered"), Patch("response", "BATCH", withdrawn), *end]


def leave_incomplete(score: Score, params: Params) -> Score:
    """End incomplete after some tokens; the rest can be continued."""
    at = after_tokens(score, params["after"])
    end: Score = [Outcome("incomplete"), *ending("INCOMPLETE")]
    if params["auto"]:
        end.insert(1, Patch("response/auto_continue", "SET", True))
    return [*score[:at], *end]


def rest_of(score: Score, params: Params) -> Score:
    """Return the rest that `leave_incomplete` cuts off."""
    again: Score = [Patch("response/auto_continue", "SET", False)] if params["auto"] else []
    return again + score[after_tokens(score, params["after"]) :]


def pause(score: Score, params: Params) -> Score:
    """Fall silent after some tokens, with or without heartbeats."""
    at = after_tokens(score, params["after"])
    return [*score[:at], Silence(params["seconds"], heartbeats=params["heartbeats"]), *score[at:]]


def hold_back(score: Score, params: Params) -> Score:
    """Delay the start of the response."""
    return [Silence(params["seconds"], heartbeats=False), *score]


def linger(score: Score, params: Params) -> Score:
    """Keep the connection open after the end."""
    return [*score, Silence(params["seconds"])]


def drop_events(score: Score, params: Params) -> Score:
    """Leave out the events with these names."""
    return [s for s in score if not (isinstance(s, Event) and s.name in params["names"])]


def reorder_events(score: Score, _params: Params) -> Score:
    """Send the title and the time before the answer is finished."""
    after_start = score[_start(score) :]
    moved = [s for s in after_start if isinstance(s, Event) and s.name in ("title", "update_session")]
    kept = [s for s in score if not any(s is m for m in moved)]
    at = next((i for i, step in enumerate(kept) if _says_almost(step)), len(kept) - 1)
    return [*kept[:at], *reversed(moved), *kept[at:]]


def add_unknown_events(score: Score, _params: Params) -> Score:
    """Send events of unknown types, and the outdated `finish`."""
    at = after_tokens(score, 2)
    news: Score = [Event("agent_status", {"phase": 2, "v": "not text"}), Event("update_file", {"files": []})]
    return [*score[:at], *news, *score[at:-1], Event("finish", {}), score[-1]]


def add_unknown_fragments(score: Score, _params: Params) -> Score:
    """Put a fragment of an unknown type between the others."""
    tip = next((i for i, step in enumerate(score) if _is_tip(step)), len(score))
    step = {"id": 90, "type": "AGENT_STEP", "status": "WIP", "content": "not part of the answer", "stage_id": 9}
    closing = Patch("response/fragments/-1/status", "SET", "FINISHED")
    return [*score[:tip], Patch("response/fragments", "APPEND", [step]), closing, *score[tip:]]


def add_unknown_paths(score: Score, _params: Params) -> Score:
    """Patch paths that do not exist."""
    at = after_tokens(score, 2)
    news: Score = [
        Patch("response/beta_score", "SET", 0.5, applies=False),
        Patch("session/mood/0/content", "APPEND", "not part of the answer", applies=False),
    ]
    return [*score[:at], *news, *score[at:]]


def repeat_snapshot(score: Score, params: Params) -> Score:
    """Send the whole message again in the middle."""
    at = after_tokens(score, params["after"])
    return [*score[:at], Snapshot(), *score[at:]]


def break_frame(score: Score, params: Params) -> Score:
    """Send a frame that is not JSON after some tokens."""
    at = after_tokens(score, params["after"])
    return [*score[:at], Raw(b'data: {"v":\n\n'), *score[at:]]


def after_tokens(score: Score, count: int) -> int:
    """Return the index after `count` tokens; the snapshot holds the first one."""
    seen, last = 0, _start(score)
    for index, step in enumerate(score):
        if not isinstance(step, Say | Snapshot):
            continue
        if seen == count:
            break
        seen, last = seen + 1, index + 1
    return last


def _start(score: Score) -> int:
    """Return the index of the first snapshot, which follows `ready`."""
    return next((i for i, step in enumerate(score) if isinstance(step, Snapshot)), len(score))


def _hint(params: Params, *, clear: bool) -> Event:
    content, reason = params["content"][params["lang"]], params["reason"]
    return Event("hint", {"type": "error", "content": content, "clear_response": clear, "finish_reason": reason})


def _is_tip(step: Step) -> bool:
    return isinstance(step, Patch) and step.path == "response/fragments" and _types(step.value) == ["TIP"]


def _opens_answer(step: Step) -> bool:
    if not isinstance(step, Patch):
        return False
    added = step.value[0]["v"] if step.op == "BATCH" and step.path == "response" else step.value
    return step.path in ("response", "response/fragments") and _types(added) == ["RESPONSE"]


def _types(value: Json) -> list[str]:
    return [f["type"] for f in value if isinstance(f, dict) and "type" in f] if isinstance(value, list) else []


def _says_almost(step: Step) -> bool:
    return isinstance(step, Patch) and step.op == "BATCH" and any(i.get("p") == "quasi_status" for i in step.value)
