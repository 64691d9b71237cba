"""The texts of the latest chats for the operator: off by default, and encrypted like profiles.

Number, size and age are bounded. A start with the history turned off deletes it.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from loguru import logger
from pydantic import TypeAdapter, ValidationError
from pyrage import DecryptError  # type: ignore[import-untyped]

from bridge.background import Background
from bridge.chat.types import ChatEvent, ChatRequest, Message, Rewritten, Text, Thinking, Withdrawn
from bridge.durations import DAY, HOUR
from bridge.settings import DashboardSettings
from bridge.storage.atomic import write_file
from bridge.storage.profile_key import Identity
from bridge.telemetry import ChatEnded, Fact

LONGEST = 200_000
"""Most characters of a chat's prompts, the last ones, and of its answer."""
MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of all chats together."""
MOST_EARLIER = 5000
"""Most chats of earlier starts that are listed, the latest ones."""
TIDY_EVERY = HOUR
DISK_LIMIT = 5.0
"""Seconds that reading a chat waits for the disk."""
EARLIER_LIMIT = 60.0
"""Seconds that reading all chats at the start may take."""
ID = re.compile(r"[A-Za-z0-9-]{1,100}")
SUFFIX = ".age"
KEPT = re.compile(r"\d{14}_.+\.age", re.ASCII)
"""Names of kept chats: the Unix milliseconds of its end, and its id. Other files are left alone."""
_ENDED = TypeAdapter(ChatEnded)


@dataclass(slots=True)
class _Answer:
    """The answer so far, up to `LONGEST` characters."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    size: int = 0
    ended: ChatEnded | None = None

    def add(self, event: ChatEvent) -> None:
        match event:
            case Text(text):
                self._add(self.text, text)
            case Thinking(text):
                self._add(self.thinking, text)
            case Withdrawn(text) | Rewritten(text):
                self.text.clear()
                self._add(self.text, text)

    def _add(self, pieces: list[str], text: str) -> None:
        if (room := LONGEST - self.size) > 0:
            pieces.append(text[:room])
            self.size += len(text)


@dataclass(frozen=True, slots=True)
class EarlierChat:
    """A chat of an earlier start: how it ended, and when it is deleted."""

    fact: ChatEnded
    at: datetime
    until: datetime


class ChatHistory:
    """The kept chats, each a file in `folder`; only reads wait for the disk."""

    def __init__(self, folder: Path, identity: Identity, settings: DashboardSettings) -> None:
        self._folder = folder
        self._identity = identity
        self._settings = settings
        self._thread = Background("the history of chats")
        self._answers: dict[str, _Answer] = {}

    def __call__(self, fact: Fact) -> None:
        """Process a fact: the end of a chat is kept with its texts."""
        if isinstance(fact, ChatEnded) and (answer := self._answers.get(fact.chat)) is not None:
            answer.ended = fact

    @contextmanager
    def record(self, request: ChatRequest) -> Iterator[Callable[[ChatEvent], None]]:
        """Yield a function for the events of an answer; keep the chat at exit, unless it has a client's own login."""
        answer = self._answers[request.id] = _Answer()
        try:
            yield answer.add
        finally:
            del self._answers[request.id]
            if not request.tokens:
                self._thread.start(self._keep, request.id, request.messages, answer)

    async def find(self, chat: str) -> dict[str, Any] | None:
        """Return the texts of a chat if they are still kept."""
        return await self._thread.run(DISK_LIMIT, self._read, chat) if ID.fullmatch(chat) else None

    async def earlier(self) -> list[EarlierChat]:
        """Return the kept chats, the newest first."""
        return await self._thread.run(EARLIER_LIMIT, self._all)

    async def tidy(self) -> NoReturn:
        """Delete chats beyond the limits of age and size, periodically."""
        while True:
            self._thread.start(self._prune)
            await asyncio.sleep(TIDY_EVERY)

    async def close(self) -> None:
        """Wait until everything is written."""
        await self._thread.close()

    def _keep(self, chat: str, messages: Sequence[Message], answer: _Answer) -> None:
        document = {
            "messages": _last(messages),
            "thinking": "".join(answer.thinking),
            "answer": "".join(answer.text),
            "ended": answer.ended and asdict(answer.ended),
        }
        sealed = self._identity.seal(json.dumps(document).encode())
        write_file(self._folder / f"{time.time_ns() // 1_000_000:014d}_{chat}{SUFFIX}", sealed)
        self._prune()

    def _read(self, chat: str) -> dict[str, Any] | None:
        path = next((path for path in self._files() if path.name.endswith(f"_{chat}{SUFFIX}")), None)
        if path is None:
            return None
        found: dict[str, Any] = json.loads(self._identity.open(path.read_bytes()))
        found.pop("ended", None)
        return found

    def _all(self) -> list[EarlierChat]:
        """Return the chats that have ended; leave out those that cannot be read, as after a change of keys."""
        self._prune()
        return [chat for path in self._files()[:MOST_EARLIER] if (chat := self._ended(path)) is not None]

    def _ended(self, path: Path) -> EarlierChat | None:
        try:
            document = json.loads(self._identity.open(path.read_bytes()))
            fact = _ENDED.validate_python(document["ended"])
        except (OSError, DecryptError, ValidationError, ValueError, KeyError):
            return None
        at = datetime.fromtimestamp(int(path.name[:14]) / 1000, UTC)
        return EarlierChat(fact, at, at + timedelta(days=self._settings.history_days))

    def _files(self) -> list[Path]:
        """Return the kept chats, the newest first."""
        names = (path for path in self._folder.glob(f"*{SUFFIX}") if KEPT.fullmatch(path.name))
        return sorted((path for path in names if path.is_file()), reverse=True)

    def _prune(self) -> None:
        oldest, size = (time.time() - self._settings.history_days * DAY) * 1000, 0
        for number, path in enumerate(self._files()):
            size += path.stat().st_size
            if number >= self._settings.history_chats or size > MOST_BYTES or int(path.name[:14]) < oldest:
                path.unlink(missing_ok=True)


def folder_in(config: Path) -> Path:
    """Return the folder of the history."""
    return config / "history"


def forget_history(config: Path) -> None:
    """Delete the history that was kept while it was turned on; blocks."""
    folder = folder_in(config)
    if folder.is_dir():
        shutil.rmtree(folder)
        logger.info("The history of chats is off: deleted the kept chats")


def _last(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return the last messages that fit, the first of them cut."""
    found: list[dict[str, str]] = []
    room = LONGEST
    for message in reversed(messages):
        if room <= 0:
            break
        found.append({"role": message.role, "text": message.text[-room:]})
        room -= len(message.text)
    return found[::-1]
