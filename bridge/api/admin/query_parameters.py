"""Reads query parameters; errors name the parameter."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bridge.errors import RequestError

LONGEST = 200
"""Most characters of a text."""


def number(request: web.Request, name: str, default: float, most: float) -> float:
    """Return a number above 0 and at most `most`."""
    given = request.query.get(name)
    if given is None:
        return default
    try:
        found = float(given[:30])
    except ValueError:
        found = -1.0
    if not 0 < found <= most:
        raise RequestError(f"{name} must be a number above 0, and at most {most:g}.", param=name)
    return found


def word(request: web.Request, name: str, words: Sequence[str]) -> str:
    """Return one of the `words`, by default the first."""
    given = request.query.get(name, words[0]).upper()
    if given not in words:
        raise RequestError(f"{name} must be one of {', '.join(words)}.", param=name)
    return given


def text(request: web.Request, name: str) -> str:
    """Return a short text, by default an empty one."""
    given = request.query.get(name, "")
    if len(given) > LONGEST:
        raise RequestError(f"{name} may have at most {LONGEST} characters.", param=name)
    return given
