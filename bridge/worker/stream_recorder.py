"""Records the raw streams of chats for later inspection: only bodies, byte for byte.

The responses of a chat become the files `ID-1.sse`, `ID-2.sse`, ... that `bridge replay` and the tests of a decoder
read; the messages of a WebSocket are in one file, one per line. Headers are never recorded, and prompts (`ID.request`)
only if set. Only `written` waits for the disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bridge.background import Background
from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent
from bridge.settings import BrowserSettings
from bridge.sites.answer_decoder import Decoder, DecoderBefore
from bridge.storage.atomic import make_folder

DISK_LIMIT = 5.0
"""Seconds that the disk has at the end."""


class Recorder:
    """A recorder of chats into the folder of the settings, if one is set."""

    def __init__(self, settings: BrowserSettings) -> None:
        self._folder = settings.record
        self._with_prompts = settings.record_prompts
        self._thread = Background("the recorded streams")

    def recorded(self, decoder: Decoder, chat: str) -> Decoder:
        """Return `decoder`, wrapped to record its input."""
        return decoder if self._folder is None else _Recorded(decoder, self._folder / chat, self._thread)

    def request(self, request: PageRequest, chat: str) -> None:
        """Record the page's request, if prompts are recorded."""
        if self._folder is not None and self._with_prompts:
            self._thread.start(_append, self._folder / f"{chat}.request", request.body)

    async def written(self) -> None:
        """Wait until everything so far is on disk, or the disk does not answer."""
        if self._folder is not None:
            with suppress(TimeoutError):
                await self._thread.run(DISK_LIMIT, int)


class _Recorded(DecoderBefore):
    """A decoder that records the bytes on their way to another one."""

    def __init__(self, decoder: Decoder, path: Path, thread: Background) -> None:
        super().__init__(decoder)
        self._path = path
        self._thread = thread
        self._current = PageResponse("", 0)
        self._begun = 0
        self._numbers: dict[int, int] = {}  # file numbers by response number

    def select(self, response: PageResponse) -> None:
        """Continue a response and its file."""
        self._current = response
        super().select(response)

    def begin(self, response: PageResponse) -> None:
        """Start a response and its file."""
        self._current = response
        self._numbers[response.number] = self._begun = self._begun + 1
        self._keep(b"")
        super().begin(response)

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Record and decode the next bytes."""
        self._keep(data + b"\n" if self._current.is_socket else data)
        return super().feed(data)

    def _keep(self, data: bytes) -> None:
        number = self._numbers[self._current.number]
        self._thread.start(_append, self._path.with_name(f"{self._path.name}-{number}.sse"), data)


def kept_of(settings: BrowserSettings, chat: str) -> Mapping[str, bool]:
    """Return which kinds of files of the chat exist; blocks on the disk."""
    trace, record = settings.trace, settings.record
    return {
        "trace": trace is not None and (trace / f"{chat}.zip").is_file(),
        "record": record is not None and (record / f"{chat}-1.sse").is_file(),
    }


def _append(path: Path, data: bytes) -> None:
    make_folder(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab") as file:
        file.write(data)
