"""The connection to Redis or Valkey: one server, one behind Sentinel, or a cluster; only this module imports redis-py.

Every call has a time limit, and raises only `ClusterUnavailable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha1
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from bridge.errors import ClusterUnavailable, SetupError

RETRIES = 1
"""Retries of a call whose connection was lost; every call here is safe to repeat."""
CALLS_AT_A_TIME, KEYS_AT_A_TIME = 16, 500
SENTINEL_PORT, REDIS_PORT = 26379, 6379


class Script:
    """A Lua script, which Redis runs atomically."""

    def __init__(self, source: str) -> None:
        self.source = source.strip()
        self.digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class RedisLink:
    """A client whose calls may each take `limit` seconds, and whose keys all begin with `prefix`.

    `watchers` are the connections to Sentinel, if there is one.
    """

    def __init__(self, client: Any, prefix: str, limit: float, watchers: Any = None) -> None:
        self._client = client
        self._watchers = watchers
        self._prefix = prefix
        self._limit = limit
        self._places = asyncio.Semaphore(CALLS_AT_A_TIME)

    @property
    def has_one_clock(self) -> bool:
        """Tell whether all keys are on one server; the servers of a Redis Cluster each have their own clock."""
        return not isinstance(self._client, RedisCluster)

    def of_account(self, account: str, part: str) -> str:
        """Return a key of an account; a Redis Cluster keeps all keys of one account on one server."""
        return f"{self._prefix}:{{{account}}}:{part}"

    def of_cluster(self, part: str) -> str:
        """Return a key of the cluster as a whole."""
        return f"{self._prefix}:{part}"

    async def run(self, script: Script, keys: Sequence[str], *arguments: str | bytes | float) -> Any:
        """Return what the script returns."""
        async with self._asked():
            try:
                return await self._client.evalsha(script.digest, len(keys), *keys, *arguments)
            except NoScriptError:  # this Redis was restarted or replaced
                return await self._client.eval(script.source, len(keys), *keys, *arguments)

    async def get(self, key: str) -> bytes | None:
        """Return a value, or None."""
        async with self._asked():
            found: bytes | None = await self._client.get(key)
            return found

    async def get_all(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of many keys; a Redis Cluster, which spreads them, gets one call per key."""
        if isinstance(self._client, RedisCluster):
            return await asyncio.gather(*map(self.get, keys))
        found: list[bytes | None] = []
        for begin in range(0, len(keys), KEYS_AT_A_TIME):
            async with self._asked():
                found += await self._client.mget(keys[begin : begin + KEYS_AT_A_TIME])
        return found

    async def put(self, key: str, value: bytes) -> None:
        """Store a value."""
        async with self._asked():
            await self._client.set(key, value)

    async def add_member(self, key: str, member: str) -> None:
        """Add a member to a set."""
        async with self._asked():
            await self._client.sadd(key, member)

    async def remove_member(self, key: str, member: str) -> None:
        """Remove a member from a set."""
        async with self._asked():
            await self._client.srem(key, member)

    async def members(self, key: str) -> set[str]:
        """Return the members of a set."""
        async with self._asked():
            return {member.decode() for member in await self._client.smembers(key)}

    async def fields(self, key: str, *names: str) -> Mapping[str, bytes | None]:
        """Return these fields of a hash."""
        async with self._asked():
            return dict(zip(names, await self._client.hmget(key, names), strict=True))

    async def append(self, stream: str, most: int, **entry: str | bytes) -> None:
        """Append to a stream that keeps about `most` entries."""
        async with self._asked():
            await self._client.xadd(stream, entry, maxlen=most, approximate=True)

    async def entries(self, stream: str, after: str, most: int) -> Sequence[tuple[str, Mapping[str, bytes]]]:
        """Return up to `most` entries of a stream after `after`; wait up to half the limit for the first."""
        async with self._asked():
            found = await self._client.xread({stream: after}, count=most, block=int(self._limit * 500))
        streams = found.items() if isinstance(found, dict) else found or ()
        return [
            (number.decode(), {name.decode(): value for name, value in entry.items()})
            for _, entries in streams
            for number, entry in (entries[0] if entries and isinstance(entries[0], list) else entries)
        ]

    async def close(self) -> None:
        """Close the connections."""
        with _translated():
            await self._client.aclose()
            if self._watchers is not None:
                await self._watchers.aclose()

    @asynccontextmanager
    async def _asked(self) -> AsyncGenerator[None]:
        before = _cancellations()
        try:
            async with self._places:  # else each call would open its own connection
                with _translated():
                    async with asyncio.timeout(self._limit):
                        yield
        except TimeoutError as error:
            raise ClusterUnavailable(f"Redis did not answer within {self._limit:g} seconds.") from error
        finally:
            if _cancellations() > before:  # redis-py swallows some cancellations
                raise asyncio.CancelledError


def _cancellations() -> int:
    """Return the number of pending cancellations of the running task."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise ClusterUnavailable(f"Redis cannot be used now ({type(error).__name__}).") from error


def connect(url: str, prefix: str, limit: float) -> RedisLink:
    """Return a link to the Redis at `url`, which connects at its first call; raise `SetupError` if `url` is invalid."""
    try:
        client, watchers = _client(url, limit)
        return RedisLink(client, prefix, limit, watchers)
    except (ValueError, RedisError) as error:
        raise SetupError(
            "cluster.url is not an address of Redis: use redis://, rediss:// or unix://, redis+sentinel://HOST:PORT,.../NAME"
            " or redis+cluster://HOST:PORT,..."
        ) from error


def _client(url: str, limit: float) -> tuple[Any, Any]:
    """Return the client for calls, and the Sentinel client if there is one."""
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    if scheme not in ("redis", "rediss", "unix") or kind not in ("", "sentinel", "cluster"):
        raise ValueError(scheme)
    options: dict[str, Any] = {
        "socket_timeout": limit,
        "socket_connect_timeout": limit,
        "retry": Retry(NoBackoff(), RETRIES),
        "driver_info": None,  # redis-py would read it from the disk
    }
    if not kind:
        return Redis.from_url(url, **options), None
    parts = urlsplit(url)
    if parts.password:
        options |= {"username": unquote(parts.username or "") or None, "password": unquote(parts.password)}
    if scheme == "rediss":
        options["ssl"] = True
    if kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in _hosts(parts, REDIS_PORT)]
        return RedisCluster(startup_nodes=nodes, **options), None
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        raise ValueError("no name of a master")
    sentinel: Any = Sentinel
    watchers = sentinel(_hosts(parts, SENTINEL_PORT), sentinel_kwargs={**options, "username": None, "password": None})
    return watchers.master_for(name, db=int(database or 0), **options), watchers


def _hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    places = parts.netloc.rpartition("@")[2].split(",")
    return [(found.hostname or "", found.port or port) for found in (urlsplit(f"//{place}") for place in places)]
