"""Runs programs of the system, and installs those that are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

import pytest

LIMIT = 900.0
"""Seconds that a program may take, such as one that builds an image."""


def run(*command: object, limit: float = LIMIT, env: Mapping[str, str] | None = None) -> str:
    """Return what a program prints; fail with it where the program fails."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=limit,
        env={**os.environ, **(env or {})},
        check=False,
    )
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{said[-4000:]}"
    return said


def need(**packages: str) -> None:
    """Install the Debian packages of the programs that are missing; skip the test where that cannot be."""
    missing = {package for program, package in packages.items() if not shutil.which(program.replace("_", "-"))}
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"needs {', '.join(sorted(missing))}, and root to install them with apt-get")
    run("apt-get", "update", "-qq")
    run(
        *("apt-get", "install", "-y", "-qq", "--no-install-recommends", *sorted(missing)),
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
