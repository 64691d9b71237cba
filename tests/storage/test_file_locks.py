"""Locks of folders and files: what cannot be locked is told, and keeps nobody from working."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from bridge.errors import SetupError
from bridge.storage.file_locks import NAME, lock_folders, try_lock

HOLDER = """
import sys
from pathlib import Path
from bridge.storage.file_locks import lock_folders
with lock_folders(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_cannot_be_locked_is_used_with_a_warning(tmp_path: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    (tmp_path / "file").write_text("")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / NAME).symlink_to("nowhere")
    try:
        for folder in (tmp_path / "file", tmp_path / "linked"):
            with lock_folders(folder):
                pass
    finally:
        logger.remove(sink)
    told = [line.partition(":")[0] for line in lines]
    assert told == [f"Cannot lock the folder {tmp_path / name}" for name in ("file", "linked")]
    assert not (tmp_path / "linked" / "nowhere").exists()


@pytest.mark.browser
def test_who_holds_a_folder_is_named_until_it_ends_however_that_is(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(SetupError, match=f"process {holder.pid}, started "), lock_folders(tmp_path):
            pass
        holder.kill()
        holder.wait(60)
        with lock_folders(tmp_path, tmp_path):
            assert f"process {os.getpid()}, started " in (tmp_path / NAME).read_text()


def test_a_lock_lasts_until_its_file_is_closed(tmp_path: Path) -> None:
    held = try_lock(tmp_path / "lock")
    assert held is not None
    assert try_lock(tmp_path / "lock") is None
    held.close()
    again = try_lock(tmp_path / "lock")
    assert again is not None
    again.close()
