"""Adds selectors to a site file; its comments and its layout stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit


def with_selectors(text: str, added: Mapping[str, Sequence[str]]) -> str:
    """Return a site file whose fields, such as `composer.box`, name further selectors behind those that they have.

    The earlier ones stay in front: another account may still get the page of before.
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
