"""Synchronizes the named API keys: a key that is added, limited or revoked on one node is so on all.

Redis holds one node's file with digests and limits but no keys, signed with the nodes' common key, so that write access
to Redis alone does not allow making keys. Changes of several nodes are merged, including those of an absent node.
The keys in the files `api_keys` and `admin_key` stay each node's own.
"""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256

from loguru import logger

from bridge.cluster.redis_link import RedisLink, Script
from bridge.errors import SetupError
from bridge.storage.api_keys import KeyStore

OFFER = Script(
    """
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[1]) then return 0 end
local time = redis.call('TIME')
local next = math.max(version + 1, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'version', string.format('%.0f', next), 'signature', ARGV[2], 'document', ARGV[3])
return string.format('%.0f', next)
"""
)
"""Stores a node's keys if it has the latest version, and returns their new version; else returns 0."""


class SharedKeys:
    """The named keys of one node's folder, and those in Redis."""

    def __init__(self, link: RedisLink, store: KeyStore, key: str) -> None:
        self._link = link
        self._store = store
        self._secret = key.encode()
        self._place = link.of_cluster("keys")
        self._version = 0
        self._is_forged = False
        self._failure = ""

    async def sync(self) -> None:
        """Merge the keys in Redis if they are newer, else publish this node's changes."""
        found = await self._link.fields(self._place, "version", "signature", "document")
        try:
            version = int(found["version"] or 0)
            if version > self._version:
                await self._take(version, found["signature"] or b"", found["document"] or b"")
            elif version < self._version or self._is_forged or not await asyncio.to_thread(self._store.is_shared):
                await self._offer(version)  # also to a Redis that has lost them
        except (SetupError, OSError, ValueError) as error:
            if str(error) != self._failure:
                logger.error("The API keys of the cluster are not shared: {}", error)
            self._failure = str(error)
        else:
            self._failure = ""

    async def _offer(self, version: int) -> None:
        own = await asyncio.to_thread(self._store.named_document)
        given = await self._link.run(OFFER, [self._place], version, self._signature(own), own)
        if given:
            self._version, self._is_forged = int(given), False
            await asyncio.to_thread(self._store.keep_shared, own)

    async def _take(self, version: int, signature: bytes, document: bytes) -> None:
        self._is_forged = not hmac.compare_digest(self._signature(document).encode(), signature)
        if self._is_forged:
            logger.error(
                "The API keys in Redis are not signed with cluster.key, and are replaced by those of this node"
            )
        else:
            await asyncio.to_thread(self._store.merge_named, document)
        self._version = version

    def _signature(self, document: bytes) -> str:
        return hmac.new(self._secret, b"keys\n" + document, sha256).hexdigest()
