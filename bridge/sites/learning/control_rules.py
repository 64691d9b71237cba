"""Tells what may be a switch for thinking or search, how it shows its state, and what opens a list of models; no I/O.

More is tried than where a control has moved, since a person is there and the request proves it: but only what shows a
state, or opens a list, and is called nothing that costs, deletes or leads away.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from bridge.sites.learning.control_search import COSTLY
from bridge.sites.learning.letters import letters
from bridge.sites.learning.moved_button_rules import ELSE, NEAR, SWITCHES, words
from bridge.sites.learning.observation import Button, Control, MenuEntry
from bridge.sites.learning.selectors import by_looks, by_words, is_weak, selectors
from bridge.sites.site_file.page_model_menu import ends_with

NAMES = ("thinking", "search")
ON = frozenset({"true", "on", "checked", "active", "selected", "pressed", "enabled", "yes", "1"})
"""What the state of something that is on is called; anything else is off."""
USUAL = ("checked", "aria-pressed", "aria-checked", "aria-selected", "data-state")
"""Where states are commonly shown, before all other attributes."""
MODEL = re.compile(r"\bmodels?\b|模型|モデル|모델|modell|modèle|modelo|модел")
MOST_ENTRIES = 30
LONGEST_LABEL = 60
LONGEST_NAME = 80
_SPOKEN = {name: re.compile(rf"(?<![a-zà-ÿ])(?:{pattern.pattern})(?![a-zà-ÿ])") for name, pattern in SWITCHES.items()}


def switches(found: Sequence[Control]) -> dict[str, Control]:
    """Return the one element beside the text box that may be the switch of each name."""
    fitting = {name: [one for one in found if _may_switch(one, name)] for name in NAMES}
    return {name: several[0] for name, several in fitting.items() if len(several) == 1}


def openers(found: Sequence[Control]) -> list[Control]:
    """Return what opens a menu beside the text box, the nearest first; it may have switches."""
    fitting = [one for one in found if one.popup in ("menu", "true") and _may_open(one)]
    return sorted(fitting, key=lambda one: one.button.distance)[:3]


def _may_open(control: Control) -> bool:
    button = control.button
    is_own = button.is_beside and button.distance <= NEAR and button.is_on and not button.link
    return is_own and _is_harmless(button, but={"menu", "tool", "tools", "search", "more", "option", "options"})


def switches_in_menu(found: Sequence[Control], known: Collection[int]) -> dict[str, Control]:
    """Return the one element that came with a menu and may be the switch of each name."""
    fresh = [one for one in found if one.button.number not in known and one.button.is_on and not one.button.link]
    fitting = {
        name: [one for one in fresh if _is_harmless(one.button, but={name, "search"}) and _speaks_of(one.button, name)]
        for name in NAMES
    }
    return {name: several[0] for name, several in fitting.items() if len(several) == 1}


def _may_switch(control: Control, name: str) -> bool:
    button = control.button
    is_own = button.is_beside and button.distance <= NEAR and button.is_plain and button.is_on and not button.link
    return is_own and _is_harmless(button, but={name, "search"}) and _speaks_of(button, name)


def _speaks_of(button: Button, name: str) -> bool:
    others = [pattern for other, pattern in _SPOKEN.items() if other != name]
    spoken = [words(label) for label in button.labels if len(label) <= LONGEST_LABEL]
    if any(other.search(one) for other in others for one in spoken):
        return False
    return any(_SPOKEN[name].search(one) for one in spoken)


def _is_harmless(button: Button, but: set[str]) -> bool:
    element = button.element
    named = words(" ".join((element.id, *element.classes, element.attributes.get("data-testid", ""))))
    is_else = {match.group() for match in ELSE.finditer(named)} - but
    return not is_else and not any(map(COSTLY.search, button.labels))


def state_shown(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    """Return the attribute that went from on to off, or the other way round; None where none did."""
    changed = [one for one in before.keys() & after.keys() if (before[one] in ON) is not (after[one] in ON)]
    return min(changed, key=lambda one: (USUAL.index(one) if one in USUAL else len(USUAL), one), default=None)


def menus(found: Sequence[Control], models: Sequence[str]) -> list[Control]:
    """Return what may be the choice of a model, the likeliest first; `models` is how requests called the model."""
    ranked = [(rank, number, one) for number, one in enumerate(found) if (rank := _menu_rank(one, models)) is not None]
    return [one for *_, one in sorted(ranked, key=lambda item: item[:2])][:3]


def _menu_rank(control: Control, models: Sequence[str]) -> int | None:
    """Return how far it is from what surely chooses a model; None for what is not to be clicked."""
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
    """Tell whether a label has in it the name by which a request calls the model, or the other way round."""
    one, other = letters(label), letters(model)
    return len(one) > 1 and (one in other or other in one) and len(other) > 1


def chosen_entry(found: Sequence[MenuEntry], shown: Sequence[str], models: Sequence[str]) -> str:
    """Return the entry that the page has chosen: by the text of what opens the menu, or by how requests call the model.

    Empty where neither tells.
    """
    by_text = [one.name for one in found if any(ends_with(text, one.name) for text in shown)]
    by_name = [one.name for one in found if letters(one.name) in map(letters, models)]
    return max(by_text or by_name, key=len, default="")


def entries_of(found: Sequence[MenuEntry]) -> list[MenuEntry]:
    """Return the entries of a menu of models; none where it is another menu, or their names do not tell them apart."""
    names = [one.name for one in found]
    is_short = all(0 < len(name) <= LONGEST_NAME for name in names)
    is_list = 1 < len(found) <= MOST_ENTRIES and len(set(names)) == len(names)
    return list(found) if is_short and is_list and not any(map(COSTLY.search, names)) else []


def common_selectors(found: Sequence[MenuEntry]) -> list[str]:
    """Return selectors that may fit all entries, the most lasting first."""
    ways = [selectors(one.element) for one in found]
    return [one for one in ways[0] if all(one in other for other in ways)]


def switch_selectors(control: Control) -> list[str]:
    """Return selectors of a switch, the most lasting first; those of what it shows stand last."""
    element = control.button.element
    named = [one for one in selectors(element) if not is_weak(one)]
    return [*named, *by_looks(element), *by_words(element)]
