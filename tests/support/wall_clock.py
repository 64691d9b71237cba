"""Processes whose wall clock a test sets while they run, as a person or a time service sets a machine's."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
NANOSECONDS = 1_000_000_000


class WallClock:
    """The wall clock of processes that start while it is `worn`; their other clocks are unchanged."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "wall_clock", folder / "wall_clock.so"
        self._file.write_bytes(struct.pack("q", 0))
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("needs a C compiler")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self._variables = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}

    def set(self, ahead: float) -> None:
        """Set the clock ahead of the right time by a number of seconds, or behind it by a negative number."""
        with self._file.open("r+b") as file:  # the processes have mapped it
            file.write(struct.pack("q", int(ahead * NANOSECONDS)))

    @contextmanager
    def worn(self) -> Iterator[None]:
        """Give this clock to the processes that start while the context is open."""
        os.environ.update(self._variables)
        try:
            yield
        finally:
            for name in self._variables:
                del os.environ[name]
