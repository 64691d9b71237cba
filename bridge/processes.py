"""The operating system's side of a browser: notice a process end at once, end a whole group, sweep leftovers.

Chromium is the leader of a process group of its own. While it runs, a small file names the group and its owner,
so that a bridge that was killed leaves nothing behind after the next start.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import psutil
from loguru import logger

from bridge.atomic import write_file


class ExitWatch:
    """Calls back once when a process ends, through a pidfd; where there are none it never calls."""

    def __init__(self, pid: int, on_exit: Callable[[], None]) -> None:
        self._fd: int | None = None
        self._on_exit = on_exit
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            asyncio.get_running_loop().call_soon(on_exit)
        except (OSError, AttributeError):
            return  # no pidfds on this system: the health check finds out later
        else:
            asyncio.get_running_loop().add_reader(self._fd, self._fire)

    @property
    def is_open(self) -> bool:
        """Tell whether it watches."""
        return self._fd is not None

    def close(self) -> None:
        """Stop watching."""
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _fire(self) -> None:
        self.close()
        self._on_exit()


def kill_group(leader: int) -> int:
    """Send SIGKILL to every process of the group of `leader`, hung ones too, and return how many there were."""
    members = _group(leader)
    for process in members:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return len(members)


async def group_gone(leader: int, limit: float) -> bool:
    """Wait until no process of the group is left; return whether that happened within `limit` seconds."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, _group(leader), limit)
    return not alive


class RunFile:
    """The note on disk that says which process group belongs to which bridge."""

    def __init__(self, folder: Path, leader: int) -> None:
        self._path = folder / f"chromium-{leader}.json"
        note = {"leader": leader, "leader_born": _born(leader), "owner": os.getpid(), "owner_born": _born(os.getpid())}
        write_file(self._path, json.dumps(note).encode())

    def remove(self) -> None:
        """Forget the group: it has been ended."""
        self._path.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """End the Chromium processes that bridges killed earlier left behind, and return how many there were."""
    count = 0
    for path in folder.glob("chromium-*.json"):
        try:
            note = json.loads(path.read_text("utf-8"))
            if _born(note["owner"]) == note["owner_born"]:
                continue
            if _born(note["leader"]) in (note["leader_born"], None):
                count += kill_group(note["leader"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("Ignoring the unreadable run file {}: {}", path, type(error).__name__)
        path.unlink(missing_ok=True)
    return count


def parent_of(pid: int) -> int | None:
    """Return the parent's process id, or None when the process is gone."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


def _born(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _group(leader: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members
