"""Selectors for an element that hold as long as possible: by what its authors named, never by what a build made up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from bridge.sites.learning.observation import Element

MOST = 6
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MADE_UP = re.compile(
    r"\d{3}|^(css|sc|jss|svelte|emotion|makeStyles|radix|headlessui|chakra|mantine)-|__[\w-]{5}$", re.IGNORECASE
)
_SHORTEST_HASH = 6
_STATE = re.compile(
    r"(^|[-_])(active|focus(ed)?|hover|disabled|enabled|selected|open|closed|loading|dark|light|visible|hidden|ready|dirty|empty)$",
    re.IGNORECASE,
)
_SHORT_CLASS = 3
ATTRIBUTES = (
    "data-testid",
    "data-test",
    "data-test-id",
    "aria-label",
    "placeholder",
    "data-placeholder",
    "name",
    "title",
)
WEAK = ("role", "type", "contenteditable")


def is_stable(name: str) -> bool:
    """Tell whether a class or id looks like one that a person chose, and that stays in the next build."""
    if _NAME.fullmatch(name) is None or _MADE_UP.search(name):
        return False
    first, *others = re.split("[-_]", name)
    is_marked = bool(others) and _has_digit_inside(others[-1])
    return not (is_marked or any(map(_is_hash, (first, *others))))


def _is_hash(word: str) -> bool:
    """Tell whether a word mixes digits into small letters, or into several capitals, as no person writes."""
    capitals = sum(letter.isupper() for letter in word)
    is_mixed = _has_digit_inside(word) if capitals == 0 else capitals > 1 and any(map(str.isdigit, word))
    return is_mixed and len(word) >= _SHORTEST_HASH


def _has_digit_inside(word: str) -> bool:
    """Tell whether a letter follows a digit."""
    return any(map(str.isdigit, word.rstrip("0123456789")))


def selectors(element: Element) -> list[str]:
    """Return selectors of an element, the most lasting first; whether one fits only this element is to be tried."""
    own = list(_own(element))
    below = [f"{above} {one}" for parent in element.above for above in _anchors(parent) for one in (*own, element.tag)]
    return list(dict.fromkeys([*own, *below]))


def _own(element: Element) -> Iterator[str]:
    if element.id and is_stable(element.id):
        yield f"#{element.id}"
    yield from _by_attributes(element, ATTRIBUTES)
    yield from (f"{element.tag}.{name}" for name in element.classes if _is_telling(name))
    yield from _by_attributes(element, WEAK)
    if element.tag == "textarea" or "-" in element.tag:
        yield element.tag


def is_weak(selector: str) -> bool:
    """Tell whether a selector says only what kind of element it is, which others may be tomorrow."""
    last = selector.rpartition(" ")[2]
    return _NAME.fullmatch(last) is not None or any(f"[{name}=" in last for name in WEAK)


def _by_attributes(element: Element, names: Sequence[str]) -> Iterator[str]:
    values = ((name, element.attributes.get(name)) for name in names)
    yield from (f"{element.tag}[{name}={_quoted(value)}]" for name, value in values if value)


def _is_telling(name: str) -> bool:
    return is_stable(name) and not _STATE.search(name) and len(name) > _SHORT_CLASS


def _anchors(element: Element) -> Iterator[str]:
    """Return selectors of an ancestor that are worth to begin with."""
    if "-" in element.tag:
        yield element.tag
    if element.id and is_stable(element.id):
        yield f"#{element.id}"
    if value := element.attributes.get("data-testid"):
        yield f"[data-testid={_quoted(value)}]"
    for name in element.classes[:4]:
        if _is_telling(name):
            yield f".{name}"


def by_looks(element: Element) -> list[str]:
    """Return selectors of what an element shows, its picture or its text: for one that its authors gave no name."""
    base = f"{element.tag}[role={_quoted(role)}]" if (role := element.attributes.get("role")) else element.tag
    found = [f"{base}:has({_drawn(element.drawing)})"] if element.drawing not in ("", "rect:") else []
    if element.text and element.text.isprintable():
        found.append(f"{base}:text-is({_quoted(element.text)})")
    return found


def by_words(element: Element) -> list[str]:
    """Return a selector of an element's text that also fits where a part of the element says it."""
    base = f"{element.tag}[role={_quoted(role)}]" if (role := element.attributes.get("role")) else element.tag
    return [f"{base}:has-text({_quoted(element.text)})"] if element.text and element.text.isprintable() else []


def differing(element: Element, other: Element) -> list[str]:
    """Return selectors of what an element has in one state and not in another: how a send button becomes a stop."""
    found = [f".{name}" for name in element.classes if name not in other.classes and _NAME.fullmatch(name)]
    for name in (*ATTRIBUTES, "data-state"):
        value = element.attributes.get(name)
        if value and value != other.attributes.get(name):
            found.append(f"[{name}={_quoted(value)}]")
    if element.drawing and element.drawing != other.drawing:
        found.append(f":has({_drawn(element.drawing)})")
    return found


def _drawn(drawing: str) -> str:
    kind, _, value = drawing.partition(":")
    if kind == "rect":
        return "svg rect"
    if kind == "path":
        return f"svg path[d^={_quoted(value)}]"
    return f"svg[name={_quoted(value)}], svg[data-icon={_quoted(value)}], svg use[href={_quoted(value)}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
