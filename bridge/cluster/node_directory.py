"""The directory of the cluster's nodes: each publishes its state at every step, and drops out when it stops."""

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
"""Version of the protocol between nodes; nodes with another version are ignored."""

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
"""Returns Redis' time in milliseconds, then the nodes' recent documents; given a node's id and document, stores that
document first."""
MOST_ACCOUNTS = 2**31
"""Upper bound on the capacity that a node may report."""
WARN_EVERY = 60.0
"""Seconds between two warnings about unreadable entries."""
LEAVE = Script("return redis.call('HDEL', KEYS[1], ARGV[1])")


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The state of a node: `id` names it and its start, `address` is where other nodes reach it.

    `accounts` are the accounts that it has, in the form of `wire`; `models` the base models of each of their sites;
    `unfit` the accounts that it could not open; `clock_ahead` the seconds by which its wall clock is ahead of Redis'.
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
        """Return the id, unique to this node and this start of it."""
        return f"{self.node}.{self.start}"

    @property
    def place(self) -> Place:
        """Return the node as a place for accounts."""
        held = frozenset(str(account["name"]) for account in self.accounts)
        return Place(self.node, self.capacity, held, self.is_draining, frozenset(map(str, self.unfit)))


class NodeDirectory:
    """The nodes' documents in one hash in Redis; those older than `milliseconds` are dropped.

    Each read also updates this node's `clock` with Redis' time.
    """

    def __init__(self, link: RedisLink, milliseconds: int, clock: ClusterClock | None = None) -> None:
        self._link = link
        self._milliseconds = milliseconds
        self._key = link.of_cluster("nodes")
        self._clock = clock
        self._warned = Throttle(1, WARN_EVERY)

    async def announce(self, info: NodeInfo) -> list[NodeInfo]:
        """Publish this node's state, and return all nodes that are present, this one included."""
        document = json.dumps({name: getattr(info, name) for name in NodeInfo.__dataclass_fields__})
        return await self._look(info.id, document)

    async def nodes(self) -> list[NodeInfo]:
        """Return the nodes that are present."""
        return await self._look()

    async def _look(self, *said: str) -> list[NodeInfo]:
        asked = elapsed()
        redis_time, *documents = await self._link.run(LOOK, [self._key], self._milliseconds, *said)
        if self._clock is not None:
            self._clock.note(int(redis_time) / MILLISECONDS, asked)
        return await off_loop(sum(map(len, documents)), self._read, documents)

    async def leave(self, info: NodeInfo) -> None:
        """Remove this node's document."""
        await self._link.run(LEAVE, [self._key], info.id)

    async def draining(self) -> set[str]:
        """Return the names of the nodes that an operator has set to drain."""
        return await self._link.members(self._link.of_cluster("draining"))

    async def drain(self, node: str, *, is_draining: bool) -> None:
        """Set a node to drain, or to take accounts again; raise `NotThere` if there is no such node."""
        known = {info.node for info in await self.nodes()} | await self.draining()
        if node not in known:
            raise NotThere(f"There is no node {node!r} in the cluster; there are {', '.join(sorted(known)) or 'none'}.")
        change = self._link.add_member if is_draining else self._link.remove_member
        await change(self._link.of_cluster("draining"), node)

    def _read(self, documents: Sequence[bytes]) -> list[NodeInfo]:
        """Return the nodes with the same protocol; skip and log entries that cannot be read."""
        found = []
        for document in documents:
            try:
                found += _read_one(document)
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
                if not self._warned.take():
                    logger.warning("The entry of a node in Redis cannot be read: {}", type(error).__name__)
        return sorted(found, key=lambda info: info.id)


def accounts_of(node: NodeInfo) -> list[Account]:
    """Return the accounts that a node reports."""
    return [account_of(said) for said in node.accounts]


def models_of(node: NodeInfo) -> dict[str, list[Model]]:
    """Return the base models of each site for which a node reports accounts."""
    return {site: [model_of(base) for base in bases] for site, bases in node.models.items()}


def _read_one(document: bytes) -> list[NodeInfo]:
    """Return a node, or none if it has another protocol; validate all fields here, so that later reads cannot fail."""
    said = json.loads(document)
    if said.get("protocol") != PROTOCOL:
        return []
    info = made(NodeInfo, said)
    accounts_of(info), models_of(info)
    fences = [account.get("fence", 0) for account in info.accounts]
    if not (0 <= info.capacity < MOST_ACCOUNTS and math.isfinite(info.clock_ahead)):
        raise ValueError("a number is out of range")
    if not all(isinstance(fence, int) for fence in fences):
        raise TypeError("a fence is not an integer")
    return [info]
