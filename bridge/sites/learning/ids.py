"""Finds the ids of the conversation and of the message that a prompt follows, and the name of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge.sites.learning.answer_text import AnswerText
from bridge.sites.learning.json_leaves import Leaf
from bridge.sites.learning.observation import SeenTurn
from bridge.sites.learning.prompt_request import Carrier

CONVERSATION = re.compile(r"conv|chat|session|thread|dialog|topic", re.IGNORECASE)
PARENT = re.compile(r"parent|prev|reply|last|message", re.IGNORECASE)
MODEL = re.compile(r"(^|[._\]])(model|model_?(id|name|slug)|scenario|bot_?id)$", re.IGNORECASE)
ID = re.compile(r"_?id$", re.IGNORECASE)
MESSAGE = re.compile(r"message|msg|response|answer|reply|node", re.IGNORECASE)
SHORTEST = 4
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Ids:
    """The paths of ids in the request and in the answer's frames, or None."""

    conversation: str | None = None
    creates_first: bool = False
    parent: str | None = None
    model: str | None = None
    models: tuple[str, ...] = ()
    answer_conversation: str | None = None
    answer_message: str | None = None
    conversation_url: str | None = None
    is_certain: bool = False


def find_ids(turns: Sequence[SeenTurn], prompts: Sequence[Carrier], answer: AnswerText | None) -> Ids:
    """Find the ids from two turns of one conversation."""
    model, models = _model(prompts)
    if not prompts:
        return Ids()
    paths_by_value = _answer_paths(answer)
    places = _address_parts(turns[0].url_after) - _address_parts(turns[0].url_before)
    conversation = _conversation(prompts, places, paths_by_value)
    value = (
        _text(prompts[-1].value(conversation))
        if conversation
        else next(iter(sorted(places, key=len, reverse=True)), "")
    )
    parent = _parent(prompts, paths_by_value, conversation) if len(prompts) > 1 else None
    parent_value = _text(prompts[-1].value(parent)) if parent else ""
    first = _text(prompts[0].value(conversation)) if conversation else ""
    return Ids(
        conversation=conversation,
        creates_first=bool(first) and first == value and len(prompts) > 1,
        parent=parent,
        model=model,
        models=models,
        answer_conversation=_path_of(paths_by_value, value, CONVERSATION),
        answer_message=_path_of(paths_by_value, parent_value, MESSAGE),
        conversation_url=_pattern(turns[0].url_after, value),
        is_certain=bool(value) and value in places,
    )


def _answer_paths(answer: AnswerText | None) -> Mapping[str, set[str]]:
    """Return the paths of ids in the answer to the first prompt, by value."""
    found: dict[str, set[str]] = {}
    for frame in answer.turns[0].frames if answer else ():
        for leaf in frame.leaves:
            if (text := _text(leaf.value)) and re.search(r"\d", text):
                found.setdefault(text, set()).add(leaf.path)
    return found


def _path_of(paths_by_value: Mapping[str, set[str]], value: str, name: re.Pattern[str]) -> str | None:
    """Return the path of a value in the answer; paths named as an id of that kind are preferred."""

    def strangeness(path: str) -> tuple[bool, bool, int, str]:
        return not ID.search(path), not name.search(path), len(path), path

    paths = paths_by_value.get(value, set())
    if len(value) < SHORTEST:  # so short a number may mean other things, too
        paths = {path for path in paths if ID.search(path) and name.search(path)}
    return min(paths, key=strangeness, default=None)


def _text(value: object) -> str:
    """Return an id as text; empty if the value is not an id."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if len(text) <= LONGEST and text.isprintable() and " " not in text else ""


def _address_parts(url: str) -> set[str]:
    parts = urlsplit(url)
    pieces = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query)), *parts.fragment.split("/")]
    return {unquote(piece) for piece in pieces if len(piece) >= SHORTEST}


def _conversation(prompts: Sequence[Carrier], places: set[str], paths_by_value: Mapping[str, set[str]]) -> str | None:
    """Return the path of the conversation's id in the request: an id of the address, else a named id of the answer."""
    last = prompts[-1]
    leaves = list(_ids(last.leaves))
    by_address = [leaf.path for leaf in leaves if _text(leaf.value) in places]
    by_name = [
        leaf.path
        for leaf in leaves
        if CONVERSATION.search(leaf.path.rpartition(".")[2])
        and len(_text(leaf.value)) >= SHORTEST
        and _text(leaf.value) in paths_by_value
    ]
    ranked = by_address or by_name
    return min(ranked, key=lambda path: (not CONVERSATION.search(path), len(path)), default=None)


def _parent(prompts: Sequence[Carrier], paths_by_value: Mapping[str, set[str]], conversation: str | None) -> str | None:
    """Return the path in the second request of the first answer's own id."""
    own = _text(prompts[-1].value(conversation)) if conversation else ""
    found = [
        leaf.path
        for leaf in _ids(prompts[-1].leaves)
        if leaf.path != conversation
        and (text := _text(leaf.value)) in paths_by_value
        and text != own
        and PARENT.search(leaf.path.rpartition(".")[2])
        and prompts[0].value(leaf.path) != leaf.value
    ]
    return min(found, key=lambda path: ("parent" not in path.lower(), len(path)), default=None)


def _ids(leaves: Iterable[Leaf]) -> Iterable[Leaf]:
    return (leaf for leaf in leaves if _text(leaf.value))


def _model(prompts: Sequence[Carrier]) -> tuple[str | None, tuple[str, ...]]:
    for leaf in prompts[0].leaves if prompts else ():
        if MODEL.search(leaf.path) and isinstance(leaf.value, str) and 0 < len(leaf.value) < SHORTEST * 20:
            values = {one.value(leaf.path) for one in prompts}
            return leaf.path, tuple(sorted(value for value in values if isinstance(value, str)))
    return None, ()


def _pattern(url: str, conversation: str) -> str | None:
    """Return the address of a conversation with `{id}` in place of its id."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path.replace(conversation, "{id}", 1) if len(conversation) >= SHORTEST and conversation in path else None
