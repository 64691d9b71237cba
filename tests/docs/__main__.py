"""Writes the generated parts of the documentation anew, and prints which files changed."""

from __future__ import annotations

from tests.docs.blocks import ROOT, documents, written

for document in documents():
    text = document.read_text("utf-8")
    if (fresh := written(text)) != text:
        document.write_text(fresh, "utf-8")
        print(f"wrote {document.relative_to(ROOT)}")
