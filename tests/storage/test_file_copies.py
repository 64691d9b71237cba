"""Copies of files that other nodes store: used while they are whole, and deleted once nobody needs them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bridge.storage.file_copies import UNUSED, FileCopies


def copied(copies: FileCopies, id_: str, content: bytes) -> Path:
    begun = copies.begin(id_)
    begun.file.write(content)
    begun.finish()
    return copies.path(id_)


def test_a_copy_is_used_where_it_is_as_large_as_the_file(tmp_path: Path) -> None:
    copies = FileCopies(tmp_path)
    assert not copies.use("file-1", 3)
    copied(copies, "file-1", b"abc")
    assert copies.use("file-1", 3)
    assert not copies.use("file-1", 4)


def test_a_copy_that_was_not_used_for_long_goes_with_the_next_one_and_so_does_a_draft(tmp_path: Path) -> None:
    copies = FileCopies(tmp_path)
    old, used, fresh = (copied(copies, f"file-{name}", b"abc") for name in ("old", "used", "fresh"))
    left = copies.begin("file-left")
    draft = next(path for path in (tmp_path / "copies").iterdir() if path.name.startswith("."))
    long_ago = time.time() - UNUSED - 60
    for path in (old, used, draft):
        os.utime(path, (long_ago, long_ago))
    assert copies.use("file-used", 3)
    copied(copies, "file-next", b"abc")
    assert {path.name for path in (tmp_path / "copies").iterdir()} == {used.name, fresh.name, "file-next"}
    left.drop()
