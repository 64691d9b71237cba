"""Keeps the named API keys of all nodes alike: what is added, limited or revoked on one counts on all.

Redis has the file of one node, with digests and limits and no key itself, signed with the nodes' common key: who can
write to Redis alone makes no keys. The last change wins. A node that joins takes what is there in the place of its own.
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
"""Takes a node's keys, if it knows the last ones; gives the version that they have then."""


class SharedKeys:
    """The named keys of one node's folder, and those in Redis."""

    def __init__(self, link: RedisLink, store: KeyStore, key: str) -> None:
        self._link = link
        self._store = store
        self._secret = key.encode()
        self._place = link.of_cluster("keys")
        self._version = 0
        self._document = b""

    async def sync(self) -> None:
        """Take the keys of other nodes if they are newer, else tell of what has changed here."""
        found = await self._link.fields(self._place, "version", "signature", "document")
        version, own = int(found["version"] or 0), await asyncio.to_thread(self._store.named_document)
        if version > self._version:
            await self._take(version, found["signature"] or b"", found["document"] or b"", own)
        elif own != self._document:
            given = await self._link.run(OFFER, [self._place], version, self._signature(own), own)
            if given:
                self._version, self._document = int(given), own

    async def _take(self, version: int, signature: bytes, document: bytes, own: bytes) -> None:
        self._version = version
        if not hmac.compare_digest(self._signature(document).encode(), signature):
            logger.error("The API keys in Redis are not signed with cluster.key, and are left alone")
            return
        if document != own:
            try:
                await asyncio.to_thread(self._store.replace_named, document)
            except SetupError as error:
                logger.error("The API keys of the cluster are not taken: {}", error.message)
                return
            logger.info("The named API keys are those of the cluster now")
        self._document = await asyncio.to_thread(self._store.named_document)

    def _signature(self, document: bytes) -> str:
        return hmac.new(self._secret, b"keys\n" + document, sha256).hexdigest()
