"""The chats of this node for its operator: ended chats, their texts and files, and cancelling a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bridge.api.admin.admin_context import Parts
from bridge.errors import NotThere
from bridge.storage.zip_archive import in_folder, zipped
from bridge.telemetry import ChatEnded


class OwnChats:
    """The chats of this node; raises `NotThere` for what it does not have."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._archives: Mapping[str, Callable[[ChatEnded], Awaitable[Path | bytes]]] = {
            "trace": self._trace,
            "bundle": self._bundle,
            "record": self._record,
        }

    def recent(self, limit: int, until: float | None) -> list[dict[str, Any]]:
        """Return the chats that ended before the Unix time `until`, the newest first, as `chat` with its end `at`."""
        chats = (chat for chat in self._parts.monitor.chats.recent() if until is None or chat.at.timestamp() < until)
        return [{"at": one.at.timestamp(), "chat": self._parts.monitor.ended(one)} for one in islice(chats, limit)]

    def ended_at(self, id: str) -> float | None:  # noqa: A002
        """Return when a chat has ended, if it is remembered."""
        found = self._parts.monitor.chats.ended(id)
        return None if found is None else found.at.timestamp()

    async def texts(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the texts of a chat."""
        if self._parts.optional.history is None:
            raise NotThere("The texts of chats are not kept; turn on dashboard.history to keep them.")
        found = await self._parts.optional.history.find(id)
        if found is None:
            raise NotThere("The texts of this chat are not kept any more.")
        return {"id": id, **found}

    async def cancel(self, id: str) -> dict[str, Any]:  # noqa: A002
        """End a chat."""
        if not self._parts.control.cancel(id):
            raise NotThere("No chat with this id waits or runs.")
        return {"message": "The chat was cancelled; its client gets an error."}

    async def archive(self, what: str, id: str) -> Path | bytes:  # noqa: A002
        """Return the trace, the bundle or the record of a chat, as an archive or as its path."""
        if what not in self._archives:
            raise NotThere("Chats have no such archive.")
        ended = self._parts.monitor.chats.ended(id)
        if ended is None:
            raise NotThere("No chat with this id is among the last ended ones.")
        return await self._archives[what](ended.fact)  # only known ids become part of a file name

    async def _trace(self, fact: ChatEnded) -> Path:
        folder = self._parts.settings.browser.trace
        path = folder and folder / f"{fact.chat}.zip"
        if path is None or not await asyncio.to_thread(path.is_file):
            raise _missing("trace", "browser.trace")
        return path

    async def _bundle(self, fact: ChatEnded) -> bytes:
        folder = self._parts.settings.config / "bundles" / fact.bundle
        if not fact.bundle or not await asyncio.to_thread(folder.is_dir):
            raise NotThere("There is no bundle of this chat; one is written when a page is not as expected.")
        return await _archive(lambda: in_folder(folder))

    async def _record(self, fact: ChatEnded) -> bytes:
        folder = self._parts.settings.browser.record
        if folder is None:
            raise _missing("recorded stream", "browser.record")
        return await _archive(lambda: _recorded(folder, fact.chat))


async def _archive(files: Callable[[], Sequence[Path]]) -> bytes:
    return await asyncio.to_thread(lambda: zipped(files()))


def _recorded(folder: Path, chat: str) -> Sequence[Path]:
    found = [folder / f"{chat}.request", *sorted(folder.glob(f"{chat}-[0-9]*.sse"))]
    if not (there := [path for path in found if path.is_file()]):
        raise _missing("recorded stream", "browser.record")
    return there


def _missing(what: str, setting: str) -> NotThere:
    return NotThere(f"There is no {what} of this chat; set {setting} to keep them.")
