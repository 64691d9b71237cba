"""Adds selectors to a site file and keeps its comments and layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit


def with_selectors(text: str, added: Mapping[str, Sequence[str]]) -> str:
    """Return the text of a site file with further selectors appended to fields such as `composer.box`.

    The existing ones stay in front, because another account may still get the old page.
    """
    document: Any = tomlkit.parse(text)
    for field, selectors in added.items():
        *tables, name = field.split(".")
        holder = document
        for table in tables:
            holder = holder[table]
        known = holder.setdefault(name, [])
        for selector in selectors:
            if selector not in known:
                known.append(selector)
    return tomlkit.dumps(document)
