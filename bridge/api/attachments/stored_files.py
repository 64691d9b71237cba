"""The files that clients have stored: those of this node and, in a cluster, by their ids those of other nodes.

A file stays on the node that received it. Another node that needs its bytes for a prompt keeps a copy for some time,
because the content of an id never changes; it asks each time whether the file still exists.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from loguru import logger
from pydantic import ValidationError

from bridge.chat.other_nodes import OtherNode, OtherNodes, answer_soon, understood
from bridge.errors import BridgeError, NodeLost, RequestError, UnknownFile
from bridge.settings import MEBIBYTE
from bridge.storage.file_copies import FileCopies
from bridge.storage.file_store import ID, FileStore, StoredFile, disk

SUBJECT = "files"
PIECE = MEBIBYTE // 4
"""Bytes of a file in memory at a time."""


class StoredFiles:
    """The files in `store` and, with `nodes`, those of other nodes."""

    def __init__(self, store: FileStore, nodes: OtherNodes | None = None) -> None:
        self.store = store
        self._nodes = nodes
        self._copies = FileCopies(store.folder)
        if nodes is not None:
            nodes.answer(SUBJECT, self._answer)
            nodes.serve(SUBJECT, self._read)

    async def all(self) -> list[StoredFile]:
        """Return the files of all nodes that answer, the newest first."""
        own = await asyncio.to_thread(self.store.all)
        if self._nodes is None or not (others := self._nodes.all()):
            return own
        found = await asyncio.gather(*map(_all_of, others))
        return sorted([*own, *(file for files in found for file in files)], key=lambda file: -file.created)

    async def one(self, id: str, param: str = "id") -> StoredFile:  # noqa: A002
        """Return the metadata of a file; raises `UnknownFile`."""
        if (node := self._maker(id)) is not None:
            try:
                return _file(await node.ask(SUBJECT, do="one", id=id))
            except UnknownFile as error:
                raise UnknownFile(error.message, param=param) from error
        try:
            return await asyncio.to_thread(self.store.one, id, param)
        except UnknownFile:
            await self._check(id)
            raise

    async def delete(self, id: str) -> None:  # noqa: A002
        """Delete a file; raises `UnknownFile`."""
        if (node := self._maker(id)) is not None:
            await node.ask(SUBJECT, do="delete", id=id)
            return
        await self.one(id)
        await asyncio.to_thread(self.store.delete, id)

    async def path(self, id: str, param: str) -> tuple[StoredFile, Path]:  # noqa: A002
        """Return the metadata of a file, and the path of its bytes on this node; raises `UnknownFile`."""
        known = await self.one(id, param)
        if (node := self._maker(id)) is None:
            return known, self.store.path(known.id)
        path = self._copies.path(id)  # safe: `_maker` has checked the form of the id
        if not await asyncio.to_thread(self._copies.use, id, known.size):
            async with node.read(SUBJECT, id=id) as pieces:
                await self._copy(id, known.size, pieces)
        return known, path

    @asynccontextmanager
    async def opened(self, id: str) -> AsyncGenerator[tuple[int, AsyncIterator[bytes]]]:  # noqa: A002
        """Open a file; yield its size and its bytes in pieces; raises `UnknownFile`."""
        if (node := self._maker(id)) is not None:
            known = await self.one(id)
            async with node.read(SUBJECT, id=id) as pieces:
                yield known.size, pieces
            return
        await self.one(id)
        file = await asyncio.to_thread(self.store.open, id)
        try:
            yield await asyncio.to_thread(_size, file), _pieces(file)
        finally:
            await asyncio.shield(asyncio.to_thread(file.close))

    async def _copy(self, id_: str, expected: int, pieces: AsyncIterator[bytes]) -> None:
        with disk():
            draft = await asyncio.to_thread(self._copies.begin, id_)
            try:
                size = 0
                async for piece in pieces:
                    size += len(piece)
                    if size > expected:
                        break
                    await asyncio.to_thread(draft.file.write, piece)
                if size != expected:
                    raise NodeLost(f"The node with the file {id_} did not send all of it.")
                await asyncio.to_thread(draft.finish)
            finally:
                await asyncio.shield(asyncio.to_thread(draft.drop))

    def _maker(self, id_: str) -> OtherNode | None:
        return self._nodes.maker(id_) if self._nodes is not None and ID.fullmatch(id_) else None

    async def _check(self, id_: str) -> None:
        if self._nodes is not None and ID.fullmatch(id_):
            await self._nodes.check_maker(id_)

    async def _answer(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer another node's request about this node's files."""
        match said["do"]:
            case "all":
                return {"files": [file.model_dump() for file in await asyncio.to_thread(self.store.all)]}
            case "one":
                return (await asyncio.to_thread(self.store.one, str(said["id"]))).model_dump()
            case "delete":
                await asyncio.to_thread(self.store.delete, str(said["id"]))
                return {}
        raise RequestError("The node does not know this request: it runs another version of the bridge.")

    @asynccontextmanager
    async def _read(self, said: Mapping[str, Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        file = await asyncio.to_thread(self.store.open, str(said["id"]))
        try:
            yield _pieces(file)
        finally:
            await asyncio.shield(asyncio.to_thread(file.close))


async def _all_of(node: OtherNode) -> list[StoredFile]:
    try:
        answer = await answer_soon(node, SUBJECT, do="all")
        with understood(node.name):
            return [_file(said) for said in answer["files"]]
    except BridgeError as error:
        logger.warning("The files of the node {} are not listed: {}", node.name, error.message)
        return []


def _file(said: Mapping[str, Any]) -> StoredFile:
    try:
        return StoredFile.model_validate(said)
    except ValidationError as error:
        raise NodeLost("The answer of another node about a file is malformed.") from error


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(file.read, PIECE):
        yield data


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
