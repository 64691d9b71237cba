"""Finds the common prefix of two texts by binary search."""

from __future__ import annotations


def common_beginning(one: str, other: str) -> int:
    """Return the length of the longest common prefix of two texts."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
