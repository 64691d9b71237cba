"""Cases that prove at full length what the other cases of their test prove with less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def stress(*cases: Any) -> Iterator[Any]:
    """Yield the cases for `parametrize`, with the marker `stress`, without which they do not run."""
    for case in cases:
        yield pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.stress)
