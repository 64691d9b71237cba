"""A process that has loaded the command line, and forks for each command: loading takes longer than most of them."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import bridge
from bridge.cli.command_line import main

ROOT = Path(__file__).parent.parent.parent
LARGEST = 1 << 20
"""Bytes of a request at most."""


def start(words: Sequence[str], folder: Path, variables: Mapping[str, str], streams: Sequence[int]) -> socket.socket:
    """Start a command with its three standard streams; return where its exit code is to come as one byte."""
    ours, theirs = socket.socketpair()
    request = json.dumps({"words": words, "folder": str(folder), "variables": {**variables}})
    with theirs:
        socket.send_fds(_server(), [request.encode()], [*streams, theirs.fileno()])
    ours.setblocking(False)
    return ours


@cache
def _server() -> socket.socket:
    """Return the way to the one server of this process, which ends with it."""
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
    """Return in a process of its own for each command that is asked for, and end with the last one who asks."""
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
    """Let those who waited for a command go."""
    with suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prepare(request: dict[str, object], fds: list[int]) -> None:
    """Give this process all that a process gets at its start."""
    for stream, fd in enumerate(fds[:3]):
        os.dup2(fd, stream)
    for fd in fds:
        os.close(fd)
    folder, words, variables = request["folder"], request["words"], request["variables"]
    assert isinstance(folder, str)
    assert isinstance(words, list)
    assert isinstance(variables, dict)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[0] = folder
    sys.argv[:] = ["bridge", *words]


def _report(command: int, fds: list[int]) -> None:
    """Wait until the command has ended, pass its exit code on, and end."""
    for fd in fds[:3]:
        os.close(fd)
    _, status = os.waitpid(command, 0)
    os.write(fds[3], bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
    os._exit(0)


def _load() -> None:
    """Load what the commands load when they run."""
    for module in pkgutil.walk_packages(bridge.__path__, "bridge."):
        if not module.name.startswith(("bridge.__main__", "bridge.demo", "bridge.bench")):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _load()
    serve(socket.socket(fileno=int(sys.argv[1])))
    main()
