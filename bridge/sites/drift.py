"""Counts what a decoder or driver did not understand: the first sign that a site has changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_MOST_SHAPES = 100


@dataclass(frozen=True, slots=True)
class MovedControl:
    """A control that the selectors of a site file do not find, and the replacement found for it."""

    field: str
    """The field of the site file, as in `composer.box`."""
    selectors: tuple[str, ...]
    """Selectors that match only the replacement, the most stable first."""
    by: str
    """How it was found, in a few words."""


class Drift(dict[str, int]):
    """Counts of what was not understood, by shape: plain names, `*` for a number, `?` for anything else, never text."""

    def note(self, kind: str, *names: object) -> None:
        """Count one occurrence of a kind with these names."""
        shape = f"{kind} {'/'.join(map(_plain, names))}" if names else kind
        if shape not in self and len(self) >= _MOST_SHAPES:
            shape = "more"
        self[shape] = self.get(shape, 0) + 1

    def taken(self) -> dict[str, int]:
        """Return the counts and reset them."""
        counted = dict(self)
        self.clear()
        return counted


def _plain(name: object) -> str:
    word = str(name)
    if _PLAIN_NAME.fullmatch(word):
        return word
    return "*" if word.removeprefix("-").isdecimal() else "?"
