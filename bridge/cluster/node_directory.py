"""The nodes of the cluster: each says every second or so how it is, and is gone when it has not for too long."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from bridge.background import off_loop
from bridge.chat.types import Account, Model
from bridge.cluster.cluster_clock import ClusterClock, elapsed
from bridge.cluster.lease_store import MILLISECONDS
from bridge.cluster.placement import Place
from bridge.cluster.redis_link import RedisLink, Script
from bridge.cluster.wire import account_of, made, model_of
from bridge.errors import NotThere
from bridge.throttle import Throttle

PROTOCOL = 1
"""Version of what nodes say to each other; those of another one are left alone."""

LOOK = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] then redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', now) .. '|' .. ARGV[3]) end
local found, all = {string.format('%.0f', now)}, redis.call('HGETALL', KEYS[1])
for n = 2, #all, 2 do
  local said, document = string.match(all[n], '^(%d+)|(.*)$')
  if said and math.abs(now - tonumber(said)) < tonumber(ARGV[1]) then found[#found + 1] = document
  elseif ARGV[2] then redis.call('HDEL', KEYS[1], all[n - 1]) end
end
return found
"""
)
"""Gives Redis' time in milliseconds, then what the nodes have said of late; with a node's own id and document it takes
these first."""
MOST_ACCOUNTS = 2**31
"""Accounts that a node may say to have room for."""
WARN_EVERY = 60.0
"""Seconds between two warnings of nodes that cannot be read."""
LEAVE = Script("return redis.call('HDEL', KEYS[1], ARGV[1])")


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """How a node is: `id` names it and its start, `address` is where other nodes reach it.

    `accounts` are the accounts that it has, in the form of `wire`; `models` the base models of each of their sites;
    `unfit` are accounts that it could not open; `clock_ahead` is by how many seconds its wall clock is ahead of Redis'.
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
    is_stopping: bool = False
    unfit: Sequence[str] = ()
    clock_ahead: float = 0.0

    @property
    def id(self) -> str:
        """Return what no other node has, nor this one after another start."""
        return f"{self.node}.{self.start}"

    @property
    def place(self) -> Place:
        """Return it as accounts see it."""
        held = frozenset(str(account["name"]) for account in self.accounts)
        return Place(self.node, self.capacity, held, self.is_draining, frozenset(map(str, self.unfit)))


class NodeDirectory:
    """What the nodes say of themselves, in one hash in Redis; what is older than `milliseconds` counts no more.

    Each time the nodes are looked at, a node's `clock` hears what time it is there.
    """

    def __init__(self, link: RedisLink, milliseconds: int, clock: ClusterClock | None = None) -> None:
        self._link = link
        self._milliseconds = milliseconds
        self._key = link.of_cluster("nodes")
        self._clock = clock
        self._warned = Throttle(1, WARN_EVERY)

    async def announce(self, info: NodeInfo) -> list[NodeInfo]:
        """Say how this node is, and return all nodes that are there now, this one too."""
        document = json.dumps({name: getattr(info, name) for name in NodeInfo.__dataclass_fields__})
        return await self._look(info.id, document)

    async def nodes(self) -> list[NodeInfo]:
        """Return the nodes that are there now."""
        return await self._look()

    async def _look(self, *said: str) -> list[NodeInfo]:
        asked = elapsed()
        redis_time, *documents = await self._link.run(LOOK, [self._key], self._milliseconds, *said)
        if self._clock is not None:
            self._clock.note(int(redis_time) / MILLISECONDS, asked)
        return await off_loop(sum(map(len, documents)), self._read, documents)

    async def leave(self, info: NodeInfo) -> None:
        """Be a node no more."""
        await self._link.run(LEAVE, [self._key], info.id)

    async def draining(self) -> set[str]:
        """Return the names of the nodes that their operator wants to have no accounts."""
        return await self._link.members(self._link.of_cluster("draining"))

    async def drain(self, node: str, *, is_draining: bool) -> None:
        """Want that a node has no accounts, or may have some again; raises `NotThere` where there is no such node."""
        known = {info.node for info in await self.nodes()} | await self.draining()
        if node not in known:
            raise NotThere(f"There is no node {node!r} in the cluster; there are {', '.join(sorted(known)) or 'none'}.")
        change = self._link.add_member if is_draining else self._link.remove_member
        await change(self._link.of_cluster("draining"), node)

    def _read(self, documents: Sequence[bytes]) -> list[NodeInfo]:
        """Return the nodes of the same protocol, but for those that cannot be read."""
        found = []
        for document in documents:
            try:
                found += _read_one(document)
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
                if not self._warned.take():
                    logger.warning("The entry of a node in Redis cannot be read: {}", type(error).__name__)
        return sorted(found, key=lambda info: info.id)


def accounts_of(node: NodeInfo) -> list[Account]:
    """Return the accounts that a node has said to have."""
    return [account_of(said) for said in node.accounts]


def models_of(node: NodeInfo) -> dict[str, list[Model]]:
    """Return the base models of each site that a node has said to have accounts of."""
    return {site: [model_of(base) for base in bases] for site, bases in node.models.items()}


def _read_one(document: bytes) -> list[NodeInfo]:
    """Return a node; none where it has another protocol. What is wrong raises here, and nowhere later."""
    said = json.loads(document)
    if said.get("protocol") != PROTOCOL:
        return []
    info = made(NodeInfo, said)
    accounts_of(info), models_of(info)
    fences = [account.get("fence", 0) for account in info.accounts]
    if not (0 <= info.capacity < MOST_ACCOUNTS and math.isfinite(info.clock_ahead)):
        raise ValueError("a number that cannot be")
    if not all(isinstance(fence, int) for fence in fences):
        raise TypeError("a fence that is none")
    return [info]
