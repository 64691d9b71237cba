"""The nodes of the cluster: each says every second or so how it is, and is gone when it has not for too long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from bridge.cluster.placement import Place
from bridge.cluster.redis_link import RedisLink

PROTOCOL = 1
"""Version of what nodes say to each other; those of another one are left alone."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """How a node is: `id` names it and its start, `address` is where other nodes reach it.

    `accounts` are the accounts that it has, in the form of `wire`; `models` the base models of each of their sites.
    """

    node: str
    start: str
    address: str
    capacity: int
    version: str = ""
    is_draining: bool = False
    waiting: int = 0
    accounts: Sequence[Mapping[str, Any]] = ()
    models: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    protocol: int = PROTOCOL

    @property
    def id(self) -> str:
        """Return what no other node has, nor this one after another start."""
        return f"{self.node}.{self.start}"

    @property
    def place(self) -> Place:
        """Return it as accounts see it."""
        held = frozenset(str(account["name"]) for account in self.accounts)
        return Place(self.node, self.capacity, held, self.is_draining)


class NodeDirectory:
    """What the nodes say of themselves, in Redis, for `milliseconds` each."""

    def __init__(self, link: RedisLink, milliseconds: int) -> None:
        self._link = link
        self._milliseconds = milliseconds

    async def announce(self, info: NodeInfo) -> None:
        """Say how this node is."""
        document = {name: getattr(info, name) for name in NodeInfo.__dataclass_fields__}
        await self._link.put(self._key(info.id), json.dumps(document), self._milliseconds)
        await self._link.add_member(self._link.of_cluster("nodes"), info.id)

    async def leave(self, info: NodeInfo) -> None:
        """Be a node no more."""
        await self._link.delete(self._key(info.id))
        await self._link.remove_member(self._link.of_cluster("nodes"), info.id)

    async def nodes(self) -> list[NodeInfo]:
        """Return the nodes that are there now, this one too."""
        ids = sorted(await self._link.members(self._link.of_cluster("nodes")))
        documents = await asyncio.gather(*(self._link.get(self._key(one)) for one in ids))
        for one, document in zip(ids, documents, strict=True):
            if document is None:
                await self._link.remove_member(self._link.of_cluster("nodes"), one)
        return [info for document in documents if document is not None and (info := _read(document)) is not None]

    async def draining(self) -> set[str]:
        """Return the names of the nodes that their operator wants to have no accounts."""
        return await self._link.members(self._link.of_cluster("draining"))

    async def drain(self, node: str, *, is_draining: bool) -> None:
        """Want that a node has no accounts, or may have some again."""
        change = self._link.add_member if is_draining else self._link.remove_member
        await change(self._link.of_cluster("draining"), node)

    def _key(self, node: str) -> str:
        return self._link.of_cluster(f"node:{node}")


def _read(document: bytes) -> NodeInfo | None:
    """Return a node of the same protocol; None for another one."""
    try:
        said = json.loads(document)
        if said.get("protocol") != PROTOCOL:
            return None
        return NodeInfo(**{name: said[name] for name in NodeInfo.__dataclass_fields__ if name in said})
    except (ValueError, TypeError, AttributeError) as error:
        logger.warning("What a node says of itself cannot be read: {}", type(error).__name__)
        return None
