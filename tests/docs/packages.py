"""The packages as the code itself describes them: the docstrings of their `__init__.py`, and the order of imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import GROUND, ORDER, PACKAGE


def markdown() -> str:
    """Return a table of the packages, in the order of imports, with what belongs into each."""
    rows = (f"| `{_name(folder)}` | {_docstring(folder / '__init__.py')} |" for folder in _folders())
    return "\n".join(("| package | what belongs in it |", "|---|---|", *rows))


def order() -> str:
    """Return the order of imports: the flat modules at the bottom, then the packages."""
    above = [name for name in ORDER if name not in GROUND]
    return "\n".join(("```text", *_wrapped(GROUND), "  <", *_wrapped(above), "```"))


def _wrapped(names: tuple[str, ...] | list[str], width: int = 8) -> Iterator[str]:
    for start in range(0, len(names), width):
        more = " <" if start + width < len(names) else ""
        yield " < ".join(names[start : start + width]) + more


def _folders() -> list[Path]:
    """Return the packages and their sub-packages; the demo site, which stands apart, comes last."""
    found = [init.parent for init in PACKAGE.rglob("__init__.py") if init.parent != PACKAGE]
    return sorted(found, key=lambda folder: (_place(folder), _name(folder)))


def _place(folder: Path) -> int:
    top = folder.relative_to(PACKAGE).parts[0]
    return ORDER.index(top) if top in ORDER else len(ORDER)


def _name(folder: Path) -> str:
    return f"bridge/{folder.relative_to(PACKAGE).as_posix()}"


def _docstring(file: Path) -> str:
    """Return the first paragraph of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())
