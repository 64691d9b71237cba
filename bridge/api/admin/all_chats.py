"""The chats of all nodes for an operator. The node whose account had a chat lists it, and the node that got the
client's request keeps its texts, so what this node lacks is requested from each of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from bridge.api.admin.own_chats import OwnChats
from bridge.chat.other_nodes import OtherNode, OtherNodes, answer_soon, chat_row, finite, understood
from bridge.errors import BridgeError, NodeLost, NotThere
from bridge.settings import MEBIBYTE

SUBJECT = "chats"
T = TypeVar("T")
PIECE = MEBIBYTE // 4
"""Bytes of an archive to read at a time."""


class AllChats:
    """The chats of this node and, with `nodes`, of the others."""

    def __init__(self, own: OwnChats, nodes: OtherNodes | None = None) -> None:
        self._own = own
        self._nodes = nodes
        if nodes is not None:
            nodes.answer(SUBJECT, self._answer)
            nodes.serve(SUBJECT, self._read)

    async def recent(self, limit: int, before: str | None) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the chats that ended before that one, the newest first, and the nodes that did not answer."""
        until = None
        if before is not None:
            until, silent = await self._ended_at(before)
            if until is None:  # the chat and all before it are forgotten, or the node that knows it is away
                return [], silent
        own = self._own.recent(limit, until)
        if self._nodes is None:
            return [one["chat"] for one in own], []
        others = self._nodes.all()
        asked = await asyncio.gather(*(_tried(_recent(node, limit, until)) for node in others))
        known = zip(others, asked, strict=True)
        by_node = {
            self._nodes.name: own,
            **{node.name: rows for node, rows in known if not isinstance(rows, BridgeError)},
        }
        rows = [
            {"at": one["at"], "chat": {**one["chat"], "node": name}} for name, rows in by_node.items() for one in rows
        ]
        rows.sort(key=lambda row: -row["at"])
        chats = {row["chat"]["id"]: row["chat"] for row in reversed(rows)}
        newest = [*reversed(chats.values())][:limit]
        return newest, [node.name for node in others if node.name not in by_node]

    async def texts(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the texts of a chat."""
        return await self._anywhere("texts", id, self._own.texts(id), "id")

    async def cancel(self, id: str) -> dict[str, Any]:  # noqa: A002
        """End a chat."""
        return await self._anywhere("cancel", id, self._own.cancel(id), "message")

    @asynccontextmanager
    async def archive(self, what: str, id: str) -> AsyncGenerator[Path | bytes | AsyncIterator[bytes]]:  # noqa: A002
        """Open an archive of a chat: a file, its bytes, or a stream of its bytes from another node."""
        try:
            found = await self._own.archive(what, id)
        except NotThere as error:
            async with self._opened(what, id, error) as pieces:
                yield pieces
            return
        yield found

    @asynccontextmanager
    async def _opened(self, what: str, id_: str, error: BridgeError) -> AsyncGenerator[AsyncIterator[bytes]]:
        others = self._others()
        ends = await asyncio.gather(*(_tried(_end_of(node, id_)) for node in others))
        for node, end in zip(others, ends, strict=True):
            if not isinstance(end, float):  # this node does not have the chat
                error = end if isinstance(end, NodeLost) else error
                continue
            opening = node.read(SUBJECT, what=what, id=id_)
            try:
                pieces = await opening.__aenter__()
            except (NotThere, NodeLost) as failure:
                error = failure if isinstance(failure, NodeLost) else error
                continue
            try:
                yield pieces
            finally:
                await opening.__aexit__(None, None, None)
            return
        raise error

    async def _anywhere(self, do: str, id_: str, own: Awaitable[dict[str, Any]], says: str) -> dict[str, Any]:
        """Return this node's answer, or the first good one of another node, which must have the text field `says`."""
        try:
            return await own
        except NotThere as error:
            failure: BridgeError = error
            begin, others = asyncio.get_running_loop().create_task, self._others()
            asked = [begin(_tried(_said(node, says, do=do, id=id_))) for node in others]
            try:
                for answering in asyncio.as_completed(asked):
                    if not isinstance(one := await answering, BridgeError):
                        return one
                    failure = one if isinstance(one, NodeLost) else failure
            finally:
                for asking in asked:  # one answer is enough
                    asking.cancel()
                await asyncio.gather(*asked, return_exceptions=True)
            raise failure from None

    async def _ended_at(self, id_: str) -> tuple[float | None, list[str]]:
        """Return when a chat has ended, if known, and the nodes that did not answer."""
        if (own := self._own.ended_at(id_)) is not None:
            return own, []
        others = self._others()
        asked = await asyncio.gather(*(_tried(_end_of(node, id_)) for node in others))
        silent = [node.name for node, at in zip(others, asked, strict=True) if isinstance(at, BridgeError)]
        return next((at for at in asked if at and not isinstance(at, BridgeError)), None), silent

    def _others(self) -> Sequence[OtherNode]:
        return () if self._nodes is None else self._nodes.all()

    async def _answer(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer another node's request about this node's chats."""
        match said["do"]:
            case "recent":
                return {"chats": self._own.recent(int(said["limit"]), said["until"])}
            case "at":
                return {"at": self._own.ended_at(str(said["id"]))}
            case "texts":
                return await self._own.texts(str(said["id"]))
            case "cancel":
                return await self._own.cancel(str(said["id"]))
        raise NotThere("The node does not know this request: it runs another version of the bridge.")

    @asynccontextmanager
    async def _read(self, said: Mapping[str, Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        yield _pieces(await self._own.archive(str(said["what"]), str(said["id"])))


async def _recent(node: OtherNode, limit: int, until: float | None) -> list[dict[str, Any]]:
    said = await answer_soon(node, SUBJECT, do="recent", limit=limit, until=until)
    with understood(node.name):
        return [
            {"at": finite(row["at"]), "chat": {**chat_row(row["chat"]), "id": str(row["chat"]["id"])}}
            for row in said["chats"][:limit]
        ]


async def _said(node: OtherNode, name: str, **asked: Any) -> dict[str, Any]:
    said = await answer_soon(node, SUBJECT, **asked)
    with understood(node.name):
        if not isinstance(said[name], str):
            raise TypeError("no text")
    return said


async def _end_of(node: OtherNode, id_: str) -> float | None:
    said = await answer_soon(node, SUBJECT, do="at", id=id_)
    with understood(node.name):
        return None if said["at"] is None else finite(said["at"])


async def _tried(asking: Coroutine[Any, Any, T]) -> T | BridgeError:
    try:
        return await asking
    except BridgeError as error:
        return error


async def _pieces(archive: Path | bytes) -> AsyncIterator[bytes]:
    if isinstance(archive, bytes):
        yield archive
        return
    with await asyncio.to_thread(archive.open, "rb") as file:
        while data := await asyncio.to_thread(file.read, PIECE):
            yield data
