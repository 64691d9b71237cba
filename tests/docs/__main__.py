"""Renews the generated parts of the documentation, and prints which files changed."""

from __future__ import annotations

from pathlib import Path

from tests.docs.blocks import FILES, ROOT, documents, written


def write(path: Path, fresh: str) -> None:
    """Write a file where it is another one than before, and say so."""
    if not path.exists() or path.read_text("utf-8") != fresh:
        path.write_text(fresh, "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


for document in documents():
    write(document, written(document.read_text("utf-8")))
for path, text in FILES.items():
    write(path, text())
