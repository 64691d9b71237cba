"""Random values, and valid bodies with a few wrong places, for the fuzz tests of all dialects."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.fake_backend import Served

WANTED = int(os.environ.get("FUZZ", "100"))
"""Number of requests in each fuzz test."""
FUZZ_TESTS = pytest.mark.timeout(max(300, WANTED))
"""The mark of fuzz tests, with their time limit."""
fuzz = settings(max_examples=WANTED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
"""The settings of fuzz tests."""
SCALARS = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NO_BODIES = VALUES.map(json.dumps).map(str.encode) | st.binary(max_size=99)
"""Bodies that are valid in no API."""
Path = tuple[str | int, ...]


async def answered(served: Served, path: str, data: bytes, outcomes: Counter[str]) -> tuple[int, str, str]:
    """Send a body, and return the status, type and text of the answer; check that the bridge did not fail.

    If there is no answer, the client's own time limit ends the test.
    """
    async with served.http.post(path, data=data, headers={"content-type": "application/json"}) as response:
        raw = await response.text()
    outcomes[str(response.status)] += 1
    assert "failed unexpectedly" not in raw
    assert response.status < 500 or (response.status == 502 and "did not write JSON" in raw), raw
    return response.status, response.content_type, raw


def mutated(documents: list[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of copies of the documents, each with up to three values changed, removed or repeated."""
    changes = st.lists(st.tuples(st.randoms(use_true_random=True), VALUES), min_size=1, max_size=3)
    return st.builds(_changed, st.sampled_from(documents), changes)


def _changed(document: Any, changes: list[tuple[Any, Any]]) -> Any:
    made = copy.deepcopy(document)
    for random, value in changes:
        paths = [path for path in _paths(made, ()) if path]
        if paths:
            _change(made, random.choice(paths), random, value)
    return made


def _change(made: Any, path: Path, random: Any, value: Any) -> None:
    *way, last = path
    for step in way:
        made = made[step]
    others = [made[name] for name in made] if isinstance(made, dict) else made
    match random.choice(("put", "put", "drop", "other", "wrap")):
        case "put":
            made[last] = value
        case "drop":
            del made[last]
        case "other":
            made[last] = copy.deepcopy(random.choice(others))
        case "wrap":
            made[last] = [made[last], made[last]]


def _paths(value: Any, path: Path) -> Iterator[Path]:
    yield path
    steps: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    for step, inner in steps:
        yield from _paths(inner, (*path, step))
