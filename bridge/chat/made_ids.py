"""Ids of stored objects: random, and in a cluster with the mark of the node that made them; no I/O."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

MARK = re.compile(r"(?:[a-z]{1,8}[_-])?([0-9a-f]{8})")


def new_id(mark: str = "") -> UUID:
    """Return a random id that begins with these hexadecimal digits."""
    return UUID(hex=mark + uuid4().hex[len(mark) :])


def mark_of(id: str) -> str:  # noqa: A002
    """Return the node mark of an id with or without a prefix such as `resp_`; empty for anything else."""
    found = MARK.match(id)
    return found[1] if found else ""
