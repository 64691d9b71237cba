"""Derives the switches and the models of a site file from the requests sent while they were tried; no I/O.

A switch is included only if a field of the request followed it there and back, and the answer could still be read; a
model only if the request named it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.sites.learning.answer_text import ENOUGH, STREAMED, TextRule, kind_of, truth_of
from bridge.sites.learning.draft import Certainty, Finding
from bridge.sites.learning.frames import stream_of
from bridge.sites.learning.guards import matches
from bridge.sites.learning.ids import MODEL
from bridge.sites.learning.inference import Wire
from bridge.sites.learning.letters import letters, overlap
from bridge.sites.learning.observation import SeenControls, SeenMenu, SeenSwitch, SeenTurn
from bridge.sites.learning.prompt_request import Carrier, carriers
from bridge.sites.learning.tracks import ReadFrame, read_frames

CERTAIN, GUESSED = Certainty.CERTAIN, Certainty.GUESSED
READ = 0.9
"""The least share of the text read as the answer that must be the answer."""
LONGEST_VALUE = 60
TABLES = ("thinking", "search", "model_menu")
ITS_NAME = {
    "thinking": re.compile(r"think|reason|deep|cot\b", re.IGNORECASE),
    "search": re.compile(r"search|web|net|online", re.IGNORECASE),
}
"""Usual names of the request's field that follows a switch; a field with such a name is preferred."""
ITS_MODEL = re.compile(r"model|engine|scenario|assistant|bot", re.IGNORECASE)
Value = str | bool | int


@dataclass(frozen=True, slots=True)
class ControlFields:
    """The fields learned from controls, and the paths of the request that they explain."""

    findings: tuple[Finding, ...] = ()
    models: tuple[Finding, ...] = ()
    """The tables `models`; none if no choice of a model was learned."""
    paths: frozenset[str] = field(default_factory=frozenset)
    """Paths of the request that a control decides."""

    def without(self, wire: Sequence[Finding]) -> list[Finding]:
        """Return the wire's findings without a guessed `request.model` at a path that a control decides."""
        return [one for one in wire if one.field != "request.model" or one.value not in self.paths]


def control_fields(name: str, seen: SeenControls, wire: Wire, plain: Sequence[SeenTurn]) -> ControlFields:
    """Return the fields of all controls; `plain` are the turns before any was tried."""
    unknown = dict(seen.unknown)
    found, paths = list[Finding](), set[str]()
    for switch in seen.switches:
        fields = _switch(switch, seen, wire, plain)
        if isinstance(fields, str):
            unknown[switch.name] = fields
        else:
            found += fields
            paths.add(next(one.value["path"] for one in fields if one.field.startswith("request.")))
    models: tuple[Finding, ...] = ()
    if seen.menu is not None:
        values = _models(seen.menu, wire, plain)
        if values is None:
            unknown["model_menu"] = "no field of the request named as a model followed the choice"
        elif values[0] in paths:
            unknown["model_menu"] = f"{values[0]} of the request follows a switch, too"
        else:
            path, by_name = values
            found += _menu(seen.menu, path)
            models = tuple(_model_tables(name, by_name))
            paths.add(path)
    found += [
        Finding(table, None, GUESSED, f"left out: {why}") for table in TABLES if (why := unknown.get(table)) is not None
    ]
    return ControlFields(tuple(found), models, frozenset(paths))


def _switch(switch: SeenSwitch, seen: SeenControls, wire: Wire, plain: Sequence[SeenTurn]) -> list[Finding] | str:
    """Return the fields of one switch, or why it is left out."""
    if seen.after is None:
        return f"no prompt was sent after it was changed back ({seen.unknown.get('after', 'it was not tried')})"
    others = [one.turn for one in seen.switches if one is not switch]
    followed = _following(switch.name, wire, switch.turn, [*plain[1:], *others, seen.after])
    if followed is None:
        return "no field of the request followed it there and back"
    path, there, back = followed
    if not _is_read(switch, plain[-1] if switch.was_on else switch.turn, wire):
        return f"{path} of the request follows it, but its output cannot be told from the answer"
    on, off = (back, there) if switch.was_on else (there, back)
    state: dict[str, Any] = {"attribute": switch.attribute, "on": switch.on}
    found = [Finding(f"{switch.name}.control", list(switch.selectors), CERTAIN, "a field of the request followed it")]
    if switch.open:
        found.append(
            Finding(f"{switch.name}.open", list(switch.open), CERTAIN, "it opened the menu that has the switch")
        )
        found.append(Finding(f"{switch.name}.close", switch.close, CERTAIN, "it closed the menu"))
    if switch.attribute == "checked":
        state = {"present": True}
        ticked = [f"{one}:checked" for one in switch.selectors]
        found.append(Finding(f"{switch.name}.shown_by", ticked, CERTAIN, "its tick changed with a click"))
    found.append(Finding(f"{switch.name}.state", state, CERTAIN, "it changed with a click"))
    flag = {"path": path, "on": on, "off": off}
    return [*found, Finding(f"request.{switch.name}", flag, CERTAIN, "it followed the switch there and back")]


def _following(name: str, wire: Wire, turn: SeenTurn, others: Sequence[SeenTurn]) -> tuple[str, Value, Value] | None:
    """Return the path whose value differs in this turn and is the same in all others, with both values."""
    prompts = [_prompt(one, wire) for one in (turn, *others)]
    there, *rest = [_values(one) if one else {} for one in prompts]
    if not rest or not all((there, *rest)):
        return None
    back = rest[0]
    fitting = [
        path
        for path in there.keys() | back.keys()
        if all(_same(_at(one, path), _at(back, path)) for one in rest) and not _same(_at(there, path), _at(back, path))
    ]

    def strangeness(path: str) -> tuple[bool, bool, int, str]:
        return not ITS_NAME[name].search(path), not isinstance(_at(there, path), bool), len(path), path

    best = min(fitting, key=strangeness, default=None)
    return None if best is None else (best, _at(there, best), _at(back, best))


def _at(values: Mapping[str, Value], path: str) -> Value:
    """Return the value at a path; an absent one counts as false, as in a site file."""
    return values.get(path, False)


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other


def _prompt(turn: SeenTurn, wire: Wire) -> Carrier | None:
    """Return the request of a turn that is of the same kind as the prompts of the others."""
    if not wire.prompts:
        return None
    like = wire.prompts[0]
    found = [one for one in carriers(turn) if (kind_of(one.call), one.codec) == (kind_of(like.call), like.codec)]
    return next((one for one in found if one.is_exact), found[0] if found else None)


def _values(prompt: Carrier) -> Mapping[str, Value]:
    """Return the values of a request that a switch may decide, by path."""
    texts = {leaf.path for leaf in prompt.prompts}
    return {
        leaf.path: leaf.value
        for leaf in prompt.leaves
        if leaf.path not in texts and isinstance(leaf.value, bool | int | str) and _is_plain(leaf.value)
    }


def _is_plain(value: Value) -> bool:
    return not isinstance(value, str) or (len(value) <= LONGEST_VALUE and value.isprintable())


def _is_read(switch: SeenSwitch, turn: SeenTurn, wire: Wire) -> bool:
    """Tell whether the answer of a turn with the switch on can be read, and separately from any thinking."""
    if wire.answer is None:
        return False
    kind = kind_of(wire.answer.stream.call)
    streams = [one for call in turn.calls if kind_of(call) == kind and (one := stream_of(call, turn.began))]
    frames, truth = read_frames(streams), truth_of(turn)
    said = "".join(_said(frames, rule) for rule in wire.answer.rules if rule.emit == "text")
    found = overlap(said, truth)
    if found.share < ENOUGH:
        return False
    thoughts = sum(len(_matching(frames, rule)) for rule in wire.answer.rules if rule.emit == "thinking")
    is_nothing_else = truth == letters(turn.wanted) and sum(found.marks) >= READ * len(said)
    return switch.name != "thinking" or thoughts >= STREAMED or is_nothing_else


def _matching(frames: Sequence[ReadFrame], rule: TextRule) -> list[ReadFrame]:
    return [frame for frame in frames if matches(rule.guard, frame) and frame.texts.get(rule.path)]


def _said(frames: Sequence[ReadFrame], rule: TextRule) -> str:
    """Return the letters of the text that a rule reads."""
    pieces = [letters(frame.texts[rule.path]) for frame in _matching(frames, rule)]
    return "".join(pieces[-1:] if rule.mode == "cumulative" else pieces)


def _models(menu: SeenMenu, wire: Wire, plain: Sequence[SeenTurn]) -> tuple[str, Mapping[str, str]] | None:
    """Return the path in the request at which each model has its own name, and these names, the default one first."""
    sent = {name: _values(prompt) for name, turn in menu.tried.items() if (prompt := _prompt(turn, wire))}
    before = [_values(prompt) for turn in plain if (prompt := _prompt(turn, wire))]
    if len(sent) < max(2, len(menu.tried)) or not before:
        return None
    paths = set.intersection(*(set(values) for values in (*sent.values(), *before)))
    fitting = [path for path in paths if ITS_MODEL.search(path) and _names_each(path, list(sent.values()), before)]
    best = min(fitting, key=lambda path: (not MODEL.search(path), len(path), path), default=None)
    if best is None:
        return None
    usual = before[0][best]
    ranked = sorted(sent, key=lambda name: sent[name][best] != usual)
    return best, {name: str(sent[name][best]) for name in ranked}


def _names_each(path: str, sent: Sequence[Mapping[str, Value]], before: Sequence[Mapping[str, Value]]) -> bool:
    """Tell whether each model has another text at a path, and the page's own choice always had one of these."""
    texts = [values[path] for values in sent]
    usual = {values[path] for values in before}
    is_text = all(isinstance(text, str) and text for text in texts)
    return is_text and len(set(texts)) == len(texts) and len(usual) == 1 and usual <= set(texts)


def _menu(seen: SeenMenu, path: str) -> Iterator[Finding]:
    menu = seen.menu
    yield Finding("model_menu.open", list(menu.open), CERTAIN, "it showed the list of models")
    if menu.entry:
        why = "it matches all entries of the list, and nothing else"
        yield Finding("model_menu.entry", list(menu.entry), CERTAIN, why)
    if seen.is_shown:
        yield Finding("model_menu.shown_by", list(menu.open), CERTAIN, "it showed what was chosen")
    if menu.state is not None:
        state = {"attribute": menu.state.attribute, "on": menu.state.on}
        yield Finding("model_menu.state", state, CERTAIN, "only the chosen entry had it")
    if menu.close:
        yield Finding("model_menu.close", menu.close, CERTAIN, "it closed the list")
    if untried := [name for name in seen.names if name not in seen.tried]:
        why = f"not tried, so left out of [[models]]: {', '.join(untried)}"
        yield Finding("model_menu.untried", None, GUESSED, why)
    yield Finding("request.model", path, CERTAIN, "it named the chosen model each time")


def _model_tables(name: str, by_name: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the models; the one that the page itself had chosen gets the site's name."""
    for number, choice in enumerate(by_name):
        model = name if number == 0 else _id(name, choice, number)
        table = {"id": model, "choice": choice, "wire": [by_name[choice]]}
        yield Finding("models", table, CERTAIN, "the request named it when it was chosen")


def _id(name: str, choice: str, number: int) -> str:
    """Return the name by which clients request a model."""
    plain = re.sub(r"[^a-z0-9.]+", "-", choice.casefold()).strip("-.")[:40]
    if not plain:
        return f"{name}-{number + 1}"
    return plain if plain.startswith(f"{name}-") else f"{name}-{plain}"
