"""Compiles the rules and refusals of a site file, and finds which of them apply to a frame and its items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from bridge.sites.site_file.frame_matcher import Candidate, FrameMatcher
from bridge.sites.site_file.json_paths import JsonPath, Variables
from bridge.sites.site_file.wire_schema import Emit, Refusal, Rule


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with compiled paths; what every frame needs is copied from it."""

    rule: Rule
    emit: Emit
    last: bool
    value: JsonPath | None
    key: JsonPath | None
    parent: JsonPath | None
    fields: dict[str, JsonPath]


class Match(NamedTuple):
    """A rule that applies to an item of a frame, and the values at the path of its `value`."""

    rule: CompiledRule
    item: Any
    values: Sequence[Any]


_Items = FrameMatcher[CompiledRule]
"""Adjacent rules for the same items, which are tried on each item in turn."""


class RuleSet:
    """The refusals followed by the rules, in their order."""

    def __init__(self, rules: Sequence[Rule], refusals: Sequence[Refusal]) -> None:
        candidates: list[Candidate[Refusal | CompiledRule | _Items]] = [
            Candidate(refusal, refusal.when) for refusal in refusals if refusal.when
        ]
        for each, run in groupby(rules, lambda rule: rule.each):
            compiled = [_candidate(rule) for rule in run]
            if each is None:
                candidates += compiled
            else:
                candidates.append(Candidate(FrameMatcher(compiled), {}, JsonPath(each)))
        self._frames = FrameMatcher(candidates)

    def matches(self, document: Any, variables: Variables) -> list[Refusal | Match]:
        """Return the refusals and matches of rules for a frame, in order."""
        found: list[Refusal | Match] = []
        for target, values in self._frames.fitting(document, variables):
            if isinstance(target, CompiledRule):
                found.append(Match(target, document, values))
                if target.last:
                    break
            elif isinstance(target, FrameMatcher):
                for item in values:
                    found += _in_item(target, item, variables)
            elif not target.status or variables["$status"] in target.status:
                found.append(target)
        return found


def _in_item(rules: _Items, item: Any, variables: Variables) -> Iterator[Match]:
    for rule, values in rules.fitting(item, variables):
        yield Match(rule, item, values)
        if rule.last:
            return


def _candidate(rule: Rule) -> Candidate[Any]:
    value = _path(rule.value)
    fields: dict[str, JsonPath] = {name: JsonPath(path) for name, path in rule.fields.items()}
    compiled = CompiledRule(rule, rule.emit, rule.last, value, _path(rule.key), _path(rule.parent), fields)
    is_optional = rule.emit == "error"  # a failure without a message is still a failure
    return Candidate(compiled, rule.when, None if is_optional else value, rule.event)


def _path(text: str | None) -> JsonPath | None:
    return None if text is None else JsonPath(text)
