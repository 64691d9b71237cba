"""Checks at a node's start that Redis answers and that the node has the cluster's profile key."""

from __future__ import annotations

import asyncio
import time
from hashlib import sha256

from bridge.cluster.redis_link import RedisLink
from bridge.errors import ClusterUnavailable, SetupError
from bridge.storage.profile_key import Identity

START_LIMIT = 15.0
"""Seconds that Redis has to answer; it may start at the same time as the node."""
PAUSE = 0.5


async def check_profile_key(link: RedisLink, identity: Identity, limit: float = START_LIMIT) -> None:
    """Raise `SetupError` if Redis cannot be used, or the nodes' profiles are encrypted with another key.

    Redis has `limit` seconds to answer.
    """
    public = identity.export().partition("\n")[0]
    mine, deadline = sha256(public.encode()).hexdigest().encode(), time.monotonic() + limit
    while True:
        try:
            known = await _known(link, mine)
            break
        except ClusterUnavailable as error:
            if time.monotonic() > deadline:
                raise SetupError(f"cluster.url: {error.message}") from error
        await asyncio.sleep(PAUSE)
    if known != mine:
        raise SetupError(
            "The profile key of this node is not that of the cluster, so it cannot open the logins; "
            "give all nodes the same profile_key_file."
        )


async def _known(link: RedisLink, mine: bytes) -> bytes:
    key = link.of_cluster("profile-key")
    if (known := await link.get(key)) is None:
        await link.put(key, mine)
    return known or mine
