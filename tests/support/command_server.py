"""A process that loads the command line once and forks for each command, which takes most of them less time."""

from __future__ import annotations

import asyncio
import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import bridge
from bridge.cli.command_line import command_line, main

ROOT = Path(__file__).parent.parent.parent
LARGEST = 1 << 20
"""Most bytes of a request."""
NUMBER = struct.Struct("i")
"""The form in which process ids and exit codes are sent."""


@dataclass
class Command:
    """A started command, with the methods of an asyncio process."""

    pid: int
    ending: socket.socket
    returncode: int | None = None

    async def wait(self) -> int:
        """Wait for the end of the command, and return its exit code."""
        if self.returncode is None:
            self.returncode = await _number(self.ending)
            self.ending.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send the command a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the command."""
        self.send_signal(signal.SIGKILL)


async def start(words: Sequence[str], folder: Path, variables: Mapping[str, str], streams: Sequence[int]) -> Command:
    """Start a command with its three standard streams in a folder; it ignores Ctrl-C where this process does."""
    ours, theirs = socket.socketpair()
    request = {
        "words": words,
        "folder": str(folder),
        "variables": {**variables},
        "ignores_interrupt": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    }
    with theirs:
        socket.send_fds(_server(), [json.dumps(request).encode()], [*streams, theirs.fileno()])
    ours.setblocking(False)
    return Command(await _number(ours), ours)


async def _number(told: socket.socket) -> int:
    data = await asyncio.get_running_loop().sock_recv(told, NUMBER.size)
    return int(NUMBER.unpack(data)[0])


@cache
def _server() -> socket.socket:
    """Return the connection to the one server of this process, which ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command_server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # not a terminal, as the streams of the commands
            cwd=ROOT,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # done first
    return ours


def serve(requests: socket.socket) -> None:
    """Fork for each requested command and return in the child; end when the last client has gone."""
    while True:
        request, fds, _, _ = socket.recv_fds(requests, LARGEST, 4)
        if not request:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            if (command := os.fork()) == 0:
                _prepare(json.loads(request), fds)
                return
            _report(command, fds)
        for fd in fds:
            os.close(fd)
        _collect()


def _collect() -> None:
    """Reap the children that have ended."""
    with suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prepare(request: dict[str, object], fds: list[int]) -> None:
    """Give this process its command, folder, variables and streams."""
    for stream, fd in enumerate(fds[:3]):
        os.dup2(fd, stream)
    for fd in fds:
        os.close(fd)
    # The server's stream objects keep properties of its own files, such as whether they are seekable.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    folder, words, variables = request["folder"], request["words"], request["variables"]
    assert isinstance(folder, str)
    assert isinstance(words, list)
    assert isinstance(variables, dict)
    signal.signal(signal.SIGINT, signal.SIG_IGN if request["ignores_interrupt"] else signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[0] = folder
    sys.argv[:] = ["bridge", *words]


def _report(command: int, fds: list[int]) -> None:
    """Send the id of the command's process, wait for its end, send its exit code, and exit."""
    for fd in fds[:3]:
        os.close(fd)
    os.write(fds[3], NUMBER.pack(command))
    _, status = os.waitpid(command, 0)
    os.write(fds[3], NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _load() -> None:
    """Import the modules that the commands use."""
    for module in pkgutil.walk_packages(bridge.__path__, "bridge."):
        if not module.name.startswith(("bridge.__main__", "bridge.demo", "bridge.bench")):
            importlib.import_module(module.name)
    command_line()
    gc.collect()
    gc.freeze()  # keeps the commands' garbage collection from copying these pages


if __name__ == "__main__":
    _load()
    serve(socket.socket(fileno=int(sys.argv[1])))
    main()
