"""The processes of a browser: detect an exit at once, kill a whole group, and clean up leftovers.

Chromium leads its own process group. While it runs, a small file locked by its owner names the group, so that the next
start after a killed bridge can end it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from loguru import logger

from bridge.errors import SetupError
from bridge.storage.atomic import make_folder
from bridge.storage.file_locks import try_lock


class ExitWatch:
    """A watch that calls back once when a process ends, through a pidfd; without pidfds it never calls."""

    def __init__(self, pid: int, on_exit: Callable[[], None]) -> None:
        self._fd: int | None = None
        self._on_exit = on_exit
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            asyncio.get_running_loop().call_soon(on_exit)
        except (OSError, AttributeError):
            return  # no pidfds on this system; the health check detects the end later
        else:
            asyncio.get_running_loop().add_reader(self._fd, self._fire)

    @property
    def is_open(self) -> bool:
        """Tell whether it is watching."""
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


def kill(*processes: psutil.Process) -> None:
    """Send SIGKILL to those of the processes that still run."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def children(without: Collection[psutil.Process] = ()) -> list[psutil.Process]:
    """Return this process' children except `without`, the newest last."""
    found = [child for child in psutil.Process().children() if child not in without]
    return sorted(found, key=psutil.Process.create_time)


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return all descendants of a process."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_group(leader: int) -> int:
    """Send SIGKILL to every process in the group of `leader`; return how many there were."""
    members = _group(leader)
    kill(*members)
    return len(members)


def kill_larger(pids: Iterable[int], size: int) -> int:
    """Send SIGKILL to the processes that use more than `size` bytes of memory; return how many there were."""
    count = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(pid)
            if process.memory_info().rss > size:
                process.kill()
                count += 1
    return count


def memory_of(pids: Iterable[int]) -> int:
    """Return the total memory of processes in bytes; shared memory counts once."""
    private, shared = 0, 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            memory = psutil.Process(pid).memory_info()
            common = getattr(memory, "shared", 0)
            private, shared = private + memory.rss - common, max(shared, common)
    return private + shared


async def group_gone(leader: int, limit: float) -> bool:
    """Wait until no process of the group is left; tell whether that happened within `limit` seconds."""
    _, alive = await asyncio.to_thread(lambda: psutil.wait_procs(_group(leader), limit))
    return not alive


class RunFile:
    """The file that names a process group to end if its owner dies; the owner holds a lock on it."""

    def __init__(self, folder: Path, leader: int) -> None:
        self.leader = leader
        self._path = folder / f"chromium-{leader}.json"
        make_folder(folder)
        draft = self._path.with_suffix(f".{os.getpid()}")  # its final name comes once it is locked and complete
        lock = try_lock(draft)
        if lock is None:
            raise SetupError(f"The file {draft} is locked by another process.")
        self._lock = lock
        self._lock.write(json.dumps({"leader": leader, "command": command(leader)}).encode())
        draft.replace(self._path)

    def remove(self) -> None:
        """Remove the file, as the group has ended."""
        self._path.unlink(missing_ok=True)
        self._lock.close()


def sweep(folder: Path) -> int:
    """End the Chromium processes left behind by killed bridges; return how many there were."""
    count = 0
    for path in folder.glob("chromium-*.json"):
        try:
            lock = try_lock(path)
            if lock is None:
                continue  # its owner lives
            with lock:
                count += _end_noted(json.loads(lock.read()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("Ignoring the unreadable run file {}: {}", path, type(error).__name__)
        path.unlink(missing_ok=True)
    return count


def _end_noted(note: Any) -> int:
    """End the group of a file, unless its id belongs to another program by now."""
    leader = int(note["leader"])
    # Chromium's command line names its own folder, so it is unique; a group may outlive its leader
    return kill_group(leader) if leader > 1 and command(leader) in (note["command"], None) else 0


def command(pid: int) -> list[str] | None:
    """Return the command line of a process, or None once it has ended.

    It is empty for a process without one (a kernel thread, or during an exec) or without permission to read it.
    """
    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return []


def _group(leader: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members
