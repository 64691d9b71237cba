"""Finds the likely switches for thinking and search, how they show their state, and menus of models; no I/O.

The rules are looser than those for moved controls, since a person is present and the request proves the result. Still
an element must show a state, or open a list, and its names must not mention anything that costs, deletes or leaves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from bridge.sites.learning.control_search import COSTLY
from bridge.sites.learning.letters import letters
from bridge.sites.learning.moved_button_rules import NEAR, OTHER_PURPOSES, SWITCHES, words
from bridge.sites.learning.observation import Button, Control, MenuEntry
from bridge.sites.learning.selectors import by_looks, by_words, is_weak, selectors
from bridge.sites.site_file.page_model_menu import ends_with

NAMES = ("thinking", "search")
ON = frozenset({"true", "on", "checked", "active", "selected", "pressed", "enabled", "yes", "1"})
"""Values of the state on; any other value means off."""
USUAL = ("checked", "aria-pressed", "aria-checked", "aria-selected", "data-state")
"""The usual attributes for a state, which are preferred to all others."""
MODEL = re.compile(r"\bmodels?\b|模型|モデル|모델|modell|modèle|modelo|модел")
MOST_ENTRIES = 30
LONGEST_LABEL = 60
LONGEST_NAME = 80
_SPOKEN = {name: re.compile(rf"(?<![a-zà-ÿ])(?:{pattern.pattern})(?![a-zà-ÿ])") for name, pattern in SWITCHES.items()}


def switches(found: Sequence[Control]) -> dict[str, Control]:
    """Return for each name the switch beside the text box, if exactly one element qualifies."""
    fitting = {name: [one for one in found if _may_switch(one, name)] for name in NAMES}
    return {name: several[0] for name, several in fitting.items() if len(several) == 1}


def openers(found: Sequence[Control]) -> list[Control]:
    """Return the elements beside the text box that open menus, in which switches may be, the nearest first."""
    fitting = [one for one in found if one.popup in ("menu", "true") and _may_open(one)]
    return sorted(fitting, key=lambda one: one.button.distance)[:3]


def _may_open(control: Control) -> bool:
    button = control.button
    is_own = button.is_beside and button.distance <= NEAR and button.is_on and not button.link
    return is_own and _is_harmless(button, but={"menu", "tool", "tools", "search", "more", "option", "options"})


def switches_in_menu(found: Sequence[Control], known: Collection[int]) -> dict[str, Control]:
    """Return for each name the switch that appeared with a menu, if exactly one element qualifies."""
    fresh = [one for one in found if one.button.number not in known and one.button.is_on and not one.button.link]
    fitting = {
        name: [one for one in fresh if _is_harmless(one.button, but={name, "search"}) and _mentions(one.button, name)]
        for name in NAMES
    }
    return {name: several[0] for name, several in fitting.items() if len(several) == 1}


def _may_switch(control: Control, name: str) -> bool:
    button = control.button
    is_own = button.is_beside and button.distance <= NEAR and button.is_plain and button.is_on and not button.link
    return is_own and _is_harmless(button, but={name, "search"}) and _mentions(button, name)


def _mentions(button: Button, name: str) -> bool:
    others = [pattern for other, pattern in _SPOKEN.items() if other != name]
    spoken = [words(label) for label in button.labels if len(label) <= LONGEST_LABEL]
    if any(other.search(one) for other in others for one in spoken):
        return False
    return any(_SPOKEN[name].search(one) for one in spoken)


def _is_harmless(button: Button, but: set[str]) -> bool:
    element = button.element
    named = words(" ".join((element.id, *element.classes, element.attributes.get("data-testid", ""))))
    purposes = {match.group() for match in OTHER_PURPOSES.finditer(named)} - but
    return not purposes and not any(map(COSTLY.search, button.labels))


def state_shown(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    """Return the attribute that changed between on and off, or None."""
    changed = [one for one in before.keys() & after.keys() if (before[one] in ON) is not (after[one] in ON)]
    return min(changed, key=lambda one: (USUAL.index(one) if one in USUAL else len(USUAL), one), default=None)


def menus(found: Sequence[Control], models: Sequence[str]) -> list[Control]:
    """Return likely menus of models, the likeliest first; `models` are the model's names in requests."""
    ranked = [(rank, number, one) for number, one in enumerate(found) if (rank := _menu_rank(one, models)) is not None]
    return [one for *_, one in sorted(ranked, key=lambda item: item[:2])][:3]


def _menu_rank(control: Control, models: Sequence[str]) -> int | None:
    """Return the rank of an element as a menu of models, 0 for the best; None if it must not be clicked."""
    button, element = control.button, control.button.element
    if button.link or not button.is_on or not _is_harmless(button, but={"model", "models", "menu", "search"}):
        return None
    named = words(" ".join((element.id, *element.classes, *element.attributes.values(), *button.labels[:3])))
    shows_name = any(_alike(label, model) for label in button.labels for model in models if model)
    is_called = MODEL.search(named) is not None
    is_marked = bool(control.popup) or element.attributes.get("role") == "combobox" or control.radios > 1
    is_list = is_marked or element.tag == "select"
    if not (is_called or shows_name or control.radios > 1):
        return None
    return (not is_list) + 2 * (not shows_name) + 4 * (not is_called and not shows_name)


def _alike(label: str, model: str) -> bool:
    """Tell whether a label contains the model's name in a request, or the reverse."""
    one, other = letters(label), letters(model)
    return len(one) > 1 and (one in other or other in one) and len(other) > 1


def chosen_entry(found: Sequence[MenuEntry], shown: Sequence[str], models: Sequence[str]) -> str:
    """Return the entry that the page has chosen: by the text of the menu's trigger, or by the model's name in requests.

    Empty if neither shows it.
    """
    by_text = [one.name for one in found if any(ends_with(text, one.name) for text in shown)]
    by_name = [one.name for one in found if letters(one.name) in map(letters, models)]
    return max(by_text or by_name, key=len, default="")


def entries_of(found: Sequence[MenuEntry]) -> list[MenuEntry]:
    """Return the entries of a menu of models; none if it is another kind of menu, or their names are not distinct."""
    names = [one.name for one in found]
    is_short = all(0 < len(name) <= LONGEST_NAME for name in names)
    is_list = 1 < len(found) <= MOST_ENTRIES and len(set(names)) == len(names)
    return list(found) if is_short and is_list and not any(map(COSTLY.search, names)) else []


def common_selectors(found: Sequence[MenuEntry]) -> list[str]:
    """Return selectors that may match all entries, the most lasting first."""
    ways = [selectors(one.element) for one in found]
    return [one for one in ways[0] if all(one in other for other in ways)]


def switch_selectors(control: Control) -> list[str]:
    """Return selectors of a switch, the most lasting first; those by its looks and words come last."""
    element = control.button.element
    named = [one for one in selectors(element) if not is_weak(one)]
    return [*named, *by_looks(element), *by_words(element)]
