"""The generated parts of the documentation are what the code says now."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import BLOCKS, FILES, MARKED, ROOT, documents, report, written

BENCH = ROOT / "bridge/bench"


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_generated_part_is_fresh(document: Path) -> None:
    text = document.read_text("utf-8")
    assert written(text) == text, "run `make docs`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_generated_file_is_fresh(path: Path) -> None:
    assert FILES[path]() == path.read_text("utf-8"), "run `make docs`"


def test_each_generated_part_is_shown_somewhere() -> None:
    shown = [block["name"] for path in documents() for block in MARKED.finditer(path.read_text("utf-8"))]
    assert sorted(shown) == sorted(BLOCKS)


def names_in(file: Path) -> Iterator[re.Pattern[str]]:
    """Yield a pattern for each name of a figure in a module of the benchmark; what is filled in may be anything."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr="add" | "add_at_least"), args=[ast.Constant(value=str(name)), *_]):
                yield re.compile(re.escape(name))
            case ast.Call(func=ast.Attribute(attr="add" | "add_at_least"), args=[ast.JoinedStr(values=parts), *_]):
                yield re.compile("".join(map(pattern_of, parts)))


def pattern_of(part: ast.expr) -> str:
    return re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"


def test_the_shown_figures_are_those_that_the_benchmark_reports() -> None:
    patterns = [pattern for file in sorted(BENCH.glob("*.py")) for pattern in names_in(file)]
    shown = [figure.name for figure in report().figures]
    assert len(patterns) > 10
    assert [one for one in shown if not any(pattern.fullmatch(one) for pattern in patterns)] == []
    assert [one.pattern for one in patterns if not any(one.fullmatch(name) for name in shown)] == []
