"""Compares a request held at the gate with the turn it was asked for; no I/O.

The differences never quote a text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from bridge.browser.page_messages import PageRequest
from bridge.sites.contract import Turn
from bridge.sites.prompt_text import as_typed as as_typed
from bridge.sites.prompt_text import difference

COMPLETION = "/api/v0/chat/completion"
GOING_ON = ("/api/v0/chat/continue", "/api/v0/chat/resume_stream")
CALLS = tuple(
    f"/api/v0/{name}"
    for name in ("chat_session/create", "chat/create_pow_challenge", "users/current", "client/settings")
)
"""The calls that the page makes before it sends a prompt."""
FOREIGN = ("/api/v0/chat/edit_message", "/api/v0/chat/regenerate")
"""Requests for an answer that no turn makes."""
OTHER_MODELS = ("expert", "vision")
"""Values of `model_type` that no turn asks for, except one with images."""
SEEING_MODEL = "vision"


class CompletionCheck:
    """The check of one turn's requests; one that continues must belong to the completion that passed."""

    def __init__(self) -> None:
        self.uploaded: Collection[str] = ()
        """The ids that the site assigned to the files of this turn."""
        self.saw_wrong_files = False
        self._conversation: str | None = None

    def differences(self, turn: Turn, request: PageRequest, answer: str | None) -> Sequence[str]:
        """Return how `request` differs from `turn`; `answer` is the message id of the turn's answer, once known."""
        path = request.path
        if path not in (COMPLETION, *GOING_ON):
            return (f"an unexpected request to {path}",)
        body = _read(request.body)
        if body is None:
            return ("its body is not a JSON object",)
        if path in GOING_ON:
            return [f"its {what}" for what in _foreign_answer(turn, body, self._conversation, answer)]
        wrong_files = _wrong_files(turn, body, self.uploaded)
        self.saw_wrong_files = bool(wrong_files)
        others = [f"its {what}" for what in _differences(turn, body) + wrong_files]
        found = [*_wrong_prompt(turn, body), *others]
        if not found:
            self._conversation = conversation_of(request)
        return found


def conversation_of(request: PageRequest) -> str | None:
    """Return the conversation id in a request for an answer, or None."""
    found = (_read(request.body) or {}).get("chat_session_id")
    return found if isinstance(found, str) else None


def wants_sight(turn: Turn) -> bool:
    """Tell whether the turn needs the vision model, which can neither search nor continue a conversation."""
    has_image = any(attachment.is_image for attachment in turn.attachments)
    return has_image and turn.conversation is None and not turn.search


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _wrong_prompt(turn: Turn, body: dict[str, Any]) -> list[str]:
    """Return how the prompt of a completion differs from the turn's."""
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        return ["its prompt is missing"]
    reason = difference("prompt", prompt, turn.prompt)
    return [reason] if reason else []


def _differences(turn: Turn, body: dict[str, Any]) -> list[str]:
    """Return how the switches, model and place of a completion differ from the turn's."""
    found: list[str] = []
    for name, wanted in (("thinking_enabled", turn.thinking), ("search_enabled", turn.search)):
        if body.get(name) is not wanted:
            found.append(f"{name} is {_quoted(body.get(name))} instead of {wanted!r}")
    if (model := body.get("model_type")) in OTHER_MODELS and not (model == SEEING_MODEL and wants_sight(turn)):
        found.append(f"model_type is {body['model_type']}")
    return found + _misplaced(turn, body)


def _wrong_files(turn: Turn, body: dict[str, Any], uploaded: Collection[str]) -> list[str]:
    """Return why the files of a completion are not exactly those of the turn, each once."""
    carried = body.get("ref_file_ids") or []
    if not isinstance(carried, list) or not all(isinstance(one, str) for one in carried):
        return ["ref_file_ids is not a list of ids"]
    if len(carried) != len(turn.attachments):
        return [f"ref_file_ids has {len(carried)} files instead of {len(turn.attachments)}"]
    if len(set(carried)) != len(carried):
        return ["ref_file_ids has a file twice"]
    strange = sum(one not in uploaded for one in carried)
    return [f"ref_file_ids has {strange} files that were not uploaded for this prompt"] if strange else []


def _misplaced(turn: Turn, body: dict[str, Any]) -> list[str]:
    """Return how a completion's place in its conversation differs from the turn's."""
    parent = body.get("parent_message_id")
    found: list[str] = []
    if turn.conversation is None and parent is not None:
        found.append("parent_message_id belongs to an old conversation")
    if turn.conversation is not None and body.get("chat_session_id") != turn.conversation:
        found.append("chat_session_id is another conversation")
    if turn.parent is not None and str(parent) != turn.parent:
        found.append(f"parent_message_id is {_quoted(parent)} instead of {turn.parent}")
    return found


def _foreign_answer(turn: Turn, body: dict[str, Any], conversation: str | None, answer: str | None) -> list[str]:
    """Return why a continuing request does not continue this turn's answer."""
    found: list[str] = []
    if conversation is None or body.get("chat_session_id") != conversation:
        found.append("chat_session_id is not the one of the turn")
    number = body.get("message_id")
    if not isinstance(number, int) or isinstance(number, bool):
        found.append("message_id is not a number")
    elif answer is not None and str(number) != answer:
        found.append(f"message_id is {number} instead of {answer}")
    elif turn.parent is not None and turn.parent.isdecimal() and number <= int(turn.parent):
        found.append(f"message_id is {number}, an earlier message")
    return found


def _quoted(value: object) -> str:
    """Return a switch or a number as it is, and only the type of anything else."""
    return repr(value) if value is None or isinstance(value, bool | int) else type(value).__name__
