"""A count of what was met and not understood: the first sign that a site has changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_MOST_SHAPES = 100


@dataclass(frozen=True, slots=True)
class MovedControl:
    """A control that the selectors of a site file do not find, and what was found in its place."""

    field: str
    """The field of the site file, as in `composer.box`."""
    selectors: tuple[str, ...]
    """Selectors that fit it alone, the most lasting first."""
    by: str
    """How it was found, in a few words."""


class Drift(dict[str, int]):
    """Counts what was not understood, by shape: names and numbers' places, never a text."""

    def note(self, kind: str, *names: object) -> None:
        """Count one; names that are not plain become `?`, numbers `*`."""
        shape = f"{kind} {'/'.join(map(_plain, names))}" if names else kind
        if shape not in self and len(self) >= _MOST_SHAPES:
            shape = "more"
        self[shape] = self.get(shape, 0) + 1

    def taken(self) -> dict[str, int]:
        """Return what was counted, and begin again."""
        counted = dict(self)
        self.clear()
        return counted


def _plain(name: object) -> str:
    word = str(name)
    if _PLAIN_NAME.fullmatch(word):
        return word
    return "*" if word.removeprefix("-").isdecimal() else "?"
