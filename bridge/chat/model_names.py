"""Model names: a site's base name, and suffixes in any order that switch features on.

`deepseek-r1-search-fold` is the base `deepseek` with thinking, web search and folded thinking. Other names that contain
a base are accepted if they contain a word for thinking or search: `DeepSeek-R1-0528`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bridge.chat.types import Model, Show
from bridge.errors import RequestError, UnknownModel

THINKING = frozenset({"think", "r1"})
SEARCH = frozenset({"search"})
SHOW: dict[str, Show] = {"silent": "silent", "fold": "fold"}
SUFFIXES = ("think", "r1", "search", "silent", "fold")

SWITCHES = {
    "think": re.compile(r"think|reason"),
    "r1": re.compile(r"(?<![a-z])r1(?!\d)"),
    "search": re.compile("search"),
}
SHOWN = {word: re.compile(rf"(?<![a-z]){word}(?![a-z])") for word in SHOW}
"""Words that select how thinking is shown, anywhere in a name."""

LISTED = (
    ("think",),
    ("think", "fold"),
    ("think", "silent"),
    ("search",),
    ("search", "silent"),
    ("think", "search"),
    ("think", "search", "fold"),
    ("think", "search", "silent"),
)
"""The combinations listed for clients; all others work, too."""


def resolve(name: str, bases: Sequence[Model]) -> Model:
    """Return the model that `name` means, with `name` as its id; raise `UnknownModel`."""
    asked = name.lower()
    names = [(one.lower(), base) for base in bases for one in (base.id, *base.aliases)]
    for known, base in sorted(names, key=lambda item: len(item[0]), reverse=True):
        words = _suffixes(asked, known)
        if words is not None:
            return replace(_switched(base, words), id=name)
    for known, base in names:
        if words := _contained(asked, known):
            return replace(_switched(base, words), id=name)
    raise unknown(name, bases)


def unknown(name: str, bases: Sequence[Model]) -> UnknownModel:
    """Return the error for an unknown name."""
    return UnknownModel(
        f"The model '{name[:80]}' does not exist. Models here: {', '.join(dict.fromkeys(base.id for base in bases))};"
        f" each takes the suffixes {', '.join(f'-{word}' for word in SUFFIXES)} in any combination.",
        param="model",
    )


def listed(bases: Sequence[Model]) -> tuple[Model, ...]:
    """Return the listed models of one site: its bases, and the useful combinations of the first one."""
    first = bases[:1]
    return (*bases, *(_named(base, words) for base in first for words in LISTED if not _lacking(base, words)))


def includes(allowed: Model, asked: Model) -> bool:
    """Tell whether the permission for one model covers another: the same base with no more switched on."""
    is_same = (allowed.base or allowed.id) == (asked.base or asked.id)
    return is_same and asked.thinking <= allowed.thinking and asked.search <= allowed.search


def resolve_alias(name: str, aliases: Mapping[str, str]) -> str:
    """Return the model name of an operator's alias; any other name is returned unchanged."""
    return next((meant for alias, meant in aliases.items() if alias.lower() == name.lower()), name)


def _suffixes(asked: str, base: str) -> list[str] | None:
    if asked == base:
        return []
    if not asked.startswith(f"{base}-"):
        return None
    words = asked[len(base) + 1 :].split("-")
    return words if set(words) <= set(SUFFIXES) else None


def _contained(asked: str, base: str) -> list[str]:
    """Return the switches in a name that contains a base, such as `DeepSeek-R1-0528`; else nothing."""
    before, found, behind = asked.partition(base)
    said = f"{before} {behind}"
    if not found or not any(word.search(said) for word in SWITCHES.values()):
        return []
    return [word for word, pattern in {**SWITCHES, **SHOWN}.items() if pattern.search(said)]


def _named(base: Model, words: Sequence[str]) -> Model:
    return replace(_switched(base, words), id="-".join((base.id, *words)))


def _lacking(base: Model, words: Iterable[str]) -> str | None:
    """Return the first suffix for a switch that the model's site does not have."""
    able = {**dict.fromkeys(THINKING, base.can_think or base.thinking), **dict.fromkeys(SEARCH, base.can_search)}
    return next((word for word in words if not able.get(word, True)), None)


def _switched(base: Model, words: Sequence[str]) -> Model:
    if lacking := _lacking(base, words):
        what = "thinking" if lacking in THINKING else "web search"
        raise RequestError(f"The site of {base.id} has no switch for {what}; leave out -{lacking}.", param="model")
    shows = {SHOW[word] for word in words if word in SHOW}
    if len(shows) > 1:
        raise RequestError("The suffixes -silent and -fold contradict each other; use one of them.", param="model")
    return replace(
        base,
        base=base.id,
        thinking=base.thinking or not THINKING.isdisjoint(words),
        search=base.search or not SEARCH.isdisjoint(words),
        show=shows.pop() if shows else base.show,
    )
