"""The real command line, in its own processes and its own home folder."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import psutil

from bridge.demo import DemoSite
from bridge.settings import Settings
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from tests.support import command_server
from tests.support.browsers import is_light
from tests.support.command_server import ROOT, Command
from tests.support.live import signed_in_profile

Process = asyncio.subprocess.Process | Command
COMMAND_LIMIT = 300.0
"""Most seconds that a command takes on a slow machine."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Running:
    """A running command, and what it has printed since the last look."""

    process: Process
    output: asyncio.StreamReader
    keys: int | None = None
    _rest: bytes = b""

    async def shows(self, text: str) -> str:
        """Wait for `text` in the output, and return the output up to it; the next look begins after it."""
        wanted = text.encode()
        try:
            async with asyncio.timeout(COMMAND_LIMIT):
                while wanted not in self._rest and (data := await self.output.read(4096)):
                    self._rest += data
        except TimeoutError:
            pass
        before, found, self._rest = self._rest.partition(wanted)
        assert found, f"never showed {text!r}, but: {before.decode('utf-8', 'replace')}"
        return (before + found).decode()

    def types(self, line: str) -> None:
        """Type a line into the command's terminal."""
        assert self.keys is not None
        os.write(self.keys, f"{line}\r".encode())

    async def ends(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(COMMAND_LIMIT):
            return await self.process.wait()


@dataclass
class Home:
    """A folder in which commands run, with its own profiles, keys and temporary files."""

    folder: Path
    temporary: Path
    under: tuple[str, ...] = ()
    """The program that starts the commands, such as `xvfb-run`."""
    source: Path = ROOT
    """The folder of the bridge's source that `started` commands run, such as an earlier version."""

    @classmethod
    @contextmanager
    def at(cls, folder: Path) -> Iterator[Home]:
        """Make a home; its temporary files are elsewhere, because Chromium's socket needs a short path."""
        with TemporaryDirectory(prefix="home-") as temporary:
            yield cls(folder, Path(temporary))

    @property
    def settings(self) -> Settings:
        """Return the settings of the commands in this home."""
        return Settings(config=self.folder / "config", profiles=self.folder / "profiles")

    async def run(self, *words: str, stdin: str = "", **more: str) -> Ended:
        """Run a command to its end; `more` are environment variables."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            streams = [stream.fileno() for stream in (given, out, err)]
            command = await self._fork(words, more, streams)
            async with asyncio.timeout(COMMAND_LIMIT), _ending(command):
                code = await command.wait()
            out.seek(0)
            err.seek(0)
            return Ended(code, out.read().decode("utf-8", "backslashreplace"), err.read().decode())

    @asynccontextmanager
    async def started(self, *words: str, **more: str) -> AsyncGenerator[Running]:
        """Start a command; kill it when the context is closed, if it still runs."""
        async with self._running(words, more) as command:
            yield command

    @asynccontextmanager
    async def overheard(self, *words: str, **more: str) -> AsyncGenerator[Running]:
        """Start a command that writes its errors and log to its output."""
        async with self._running(words, more, is_overheard=True) as command:
            yield command

    @asynccontextmanager
    async def _running(
        self, words: tuple[str, ...], more: Mapping[str, str], *, is_overheard: bool = False
    ) -> AsyncGenerator[Running]:
        ours, theirs = os.pipe()
        async with _read(ours) as output:
            with os.fdopen(theirs, "wb") as shown, os.fdopen(os.open(os.devnull, os.O_RDWR), "rb") as nothing:
                errors = shown if is_overheard else nothing
                process = await self._begin(words, more, [stream.fileno() for stream in (nothing, shown, errors)])
            async with _ending(process):
                yield Running(process, output)

    @asynccontextmanager
    async def at_terminal(self, *words: str, **more: str) -> AsyncGenerator[Running]:
        """Start a command with a terminal."""
        ours, theirs = os.openpty()
        async with _read(ours) as output:
            with os.fdopen(theirs, "wb") as terminal:
                streams = (terminal.fileno(), terminal.fileno(), asyncio.subprocess.DEVNULL)
                # The modules to load depend on the terminal.
                process = await self._execute(words, {"TERM": "xterm", **more}, streams)
            async with _ending(process):
                yield Running(process, output, ours)

    def log_in(self, site: DemoSite, name: str = "alice") -> None:
        """Store the profile of one of the site's accounts."""
        settings = self.settings
        ProfileStore(settings.profiles, load_identity(settings.key_source)).save(signed_in_profile(site, name))

    def left_running(self) -> list[str]:
        """Return the names of the processes that commands of this home have left behind."""
        return [process.name() for process in psutil.process_iter() if self._is_of(process)]

    def _is_of(self, process: psutil.Process) -> bool:
        """Tell whether a process runs in this folder or uses its temporary files."""
        own = str(self.temporary)  # a forked process shows the variables of its parent
        return folder_of(process) == str(self.folder) or variables_of(process).get("TMPDIR") == own

    async def _begin(self, words: tuple[str, ...], more: Mapping[str, str], streams: Sequence[int]) -> Process:
        """Start a command in the fastest way that works here."""
        is_own = not self.under and self.source == ROOT
        return await (self._fork if is_own else self._execute)(words, more, streams)

    async def _fork(self, words: tuple[str, ...], more: Mapping[str, str], streams: Sequence[int]) -> Command:
        return await command_server.start(words, self.folder, self._variables(more), streams)

    async def _execute(
        self, words: tuple[str, ...], more: Mapping[str, str], streams: Sequence[int]
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(*self.under, sys.executable, "-m", "bridge", *words),
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            cwd=self.folder,
            env=self._variables(more),
        )

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {
            "BRIDGE_CONFIG": str(self.folder / "config"),
            "BRIDGE_PROFILES": str(self.folder / "profiles"),
            "BRIDGE_SERVER_PORT": "0",
            "BRIDGE_POOL_MIN_INTERVAL": "0",
            "PYTHONPATH": os.pathsep.join((str(self.source), *filter(None, [os.environ.get("PYTHONPATH")]))),
            "TMPDIR": str(self.temporary),
        }
        if is_light() and not any(name.startswith("BRIDGE_BROWSER_") for name in more):
            own["BRIDGE_BROWSER_SHELL"] = "true"
        return {**os.environ, **own, **more}


@asynccontextmanager
async def _ending(process: Process) -> AsyncGenerator[None]:
    """Kill a process when the context is closed, if it still runs."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _read(output: int) -> AsyncGenerator[asyncio.StreamReader]:
    """Open a reader of a command's output."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
    )
    try:
        yield reader
    finally:
        transport.close()


def folder_of(process: psutil.Process) -> str | None:
    """Return the folder in which a process runs, if it is readable."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.cwd()
    return None


def variables_of(process: psutil.Process) -> dict[str, str]:
    """Return the environment in which a process was started, if it is readable."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # a zombie counts as no such process
        return process.environ()
    return {}
