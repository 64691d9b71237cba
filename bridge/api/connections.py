"""The connections of the endpoint: how many there may be, and the time limits of clients.

When there are too many, connections without an authenticated request are closed, the one that has waited longest first;
a request with a key is never cut. Bytes that are not HTTP get an error in the usual form.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress
from itertools import chain
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod
from loguru import logger

from bridge.api.access.guard import LET_IN
from bridge.api.http_errors import Failure, Teller, dump, failure_of, response_of
from bridge.api.malformed import Malformed
from bridge.settings import ServerSettings
from bridge.tasks import Tasks
from bridge.throttle import Throttle

BACKLOG = 64
"""Connections that the system queues for us, and that are accepted at a time."""
STEPS = 3
"""Steps of the event loop from accepting a connection until the one closed for it is gone."""
RESERVE = 100
"""File descriptors reserved for the browser, files and fetches."""
MOST_DESCRIPTORS = 65_536
SLOWEST_BODY = 16 * 1024
"""Least average rate of a body in bytes per second, on top of the time that all bodies get."""
RETRY = {"retry-after": "5"}
"""Seconds after which a client that found no room may retry."""
LINGER = 5.0
"""Seconds for reading the rest of a body after its request was answered, so that the client gets the response."""
MOST_REQUESTS = 1000
"""Most requests on one connection."""
HELD_BY_SYSTEM = 64 * 1024
"""Bytes that the system buffers for a client; with megabytes, a slow reader would look like one that reads nothing."""
LINES = (3, 60.0)
"""Log lines of one kind in a burst, and seconds per further one."""
CLOSE_LIMIT = 5.0
"""Seconds for open connections to close after the last chat."""
OVERLOADED = Failure(
    503, "overloaded", "server_error", "All connections are in use; see server.max_connections.", headers=RETRY
)


class Connection(web.RequestHandler):
    """One connection, with what it waits for and since when."""

    def __init__(self, server: Connections, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._connections = server
        self._clock = asyncio.get_running_loop().time
        self._wire: asyncio.Transport | None = None
        self._request: web.BaseRequest | None = None
        self._requests = 0
        self._head = b""
        self._received = 0
        self._since = self._taken_at = self._clock()
        self._written = self._taken = 0

    @property
    def is_admitted(self) -> bool:
        """Tell whether an authenticated request is being answered."""
        return self._request is not None and LET_IN in self._request

    @property
    def is_used_up(self) -> bool:
        """Tell whether the connection has had its most requests."""
        return self._requests >= MOST_REQUESTS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which aiohttp drops before it is really closed."""
        self._wire = cast(asyncio.Transport, transport)
        if (wire := transport.get_extra_info("socket")) is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, HELD_BY_SYSTEM)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count the bytes that arrive."""
        if self._request is None and data and not self._received:
            self._since, self._head = self._clock(), data[:300]
        self._received += len(data)
        super().data_received(data)
        self._check_body()

    def begin(self, request: web.BaseRequest) -> bool:
        """Note that a request's headers have arrived; return whether there is room for it."""
        self._request, self._since = request, self._clock()
        self._requests += 1
        self._head = b""
        self._check_body()
        return self._connections.began(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the rest of a response; afterwards the connection waits for the next request."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._written += request.writer.output_size
            self._request, self._since, self._received = None, self._clock(), 0
            self._connections.ended(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a request that aiohttp could not parse or that failed unexpectedly."""
        if request.writer.output_size > 0:
            raise ConnectionError("Part of a response was already sent.")
        return self._connections.malformed(exc, self._head if isinstance(exc, BadHttpMethod) else b"")

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a failure in aiohttp itself, without text of a client; an incomplete body is not one."""
        error = kw.get("exc_info")
        if not isinstance(error, web.RequestPayloadError | web.HTTPRequestTimeout):
            self._connections.log_failure(type(error).__name__)

    def judge(self, now: float, limits: ServerSettings) -> None:
        """Close the connection or end its request if the client has exceeded a time limit."""
        if self._unread_for(now) >= limits.unread:
            self.abort()
        elif self._request is None:
            if (self._received or not self._requests) and now - self._since >= limits.header_timeout:
                self._give_up()
        elif self._is_body_late(now, limits.body_timeout):
            self._request.content.set_exception(web.HTTPRequestTimeout())

    def abort(self) -> None:
        """Close the connection at once, even with unsent data."""
        if self._wire is not None:
            self._wire.abort()

    def _unread_for(self, now: float) -> float:
        """Return for how many seconds the client has read nothing although data is waiting."""
        assert self._wire is not None  # noqa: S101 - only established connections are judged
        left = self._wire.get_write_buffer_size()
        written = self._written + (self._request.writer.output_size if self._request else 0)
        if not left or written - left != self._taken:
            self._taken, self._taken_at = written - left, now
        return now - self._taken_at

    def _check_body(self) -> None:
        """End a body that the parser has given up, because aiohttp reports that only to the next request."""
        if self._messages and self._request is not None and not self._request.content.is_eof():
            self._request.content.set_exception(web.RequestPayloadError())

    def _is_body_late(self, now: float, limit: float) -> bool:
        is_whole = self._request is None or self._request.content.is_eof()
        return not is_whole and now - self._since >= limit + self._received / SLOWEST_BODY

    def _give_up(self) -> None:
        """Close a connection without a complete request; a client that has begun one gets an error."""
        if self._received and self._wire is not None:
            self._wire.write(self._connections.late())
        self.force_close()


class Connections(web.Server):
    """All connections; those that wait for a request are in the order in which they began to wait."""

    def __init__(self, served: web.Server, settings: ServerSettings, malformed: Malformed, teller: Teller) -> None:
        super().__init__(self._answer, request_factory=served.request_factory, handler_cancellation=True)
        self._handle = served.request_handler
        self._settings = settings
        self._most = min(settings.max_connections, room_for(raised_limit()))
        self._malformed, self._teller = malformed, teller
        self._waiting: dict[Connection, None] = {}
        self._busy: dict[Connection, None] = {}
        self._lines = Throttle(*LINES)
        self._tasks = Tasks()
        self._tasks.keep(self._watch)

    def __call__(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self, keepalive_timeout=self._settings.idle_timeout, lingering_time=LINGER)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Add a connection; if there are too many, close the one that has waited longest."""
        super().connection_made(handler, transport)
        self._waiting[cast(Connection, handler)] = None
        if len(self._waiting) + len(self._busy) > self._most:
            others = (other for other in chain(self._waiting, self._busy) if other is not handler)
            if (victim := next((other for other in others if not other.is_admitted), None)) is not None:
                self._forget(victim)
                victim.abort()
            if not self._lines.take("room"):
                logger.warning("More than {} connections: closing those that have waited longest", self._most)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Remove a connection."""
        super().connection_lost(handler, exc)
        self._forget(cast(Connection, handler))

    def began(self, connection: Connection) -> bool:
        """Note that a request has begun; return whether there is room for it."""
        self._forget(connection)
        self._busy[connection] = None
        return len(self._busy) <= self._most

    def ended(self, connection: Connection) -> None:
        """Note that a request was answered."""
        if connection in self._busy:
            del self._busy[connection]
            self._waiting[connection] = None

    def malformed(self, error: BaseException | None, head: bytes) -> web.Response:
        """Return the response to a malformed request, which is the last one on its connection."""
        return self._last(self._malformed.failure(error, head))

    def late(self) -> bytes:
        """Return the bytes of the response to a request that did not arrive in time."""
        failure = failure_of(web.HTTPRequestTimeout(), "")
        body = dump(self._teller(failure))
        head = f"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body

    def log_failure(self, kind: str) -> None:
        """Log a failure in aiohttp itself, at a limited rate."""
        if not self._lines.take("failure"):
            logger.error("A connection failed unexpectedly: {}", kind)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close all connections, including those of clients that do not read."""
        await self._tasks.close()
        await super().shutdown(timeout)
        for connection in (*self._waiting, *self._busy):
            connection.abort()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(Connection, request.protocol)
        if not connection.begin(request):
            return self._last(OVERLOADED)
        try:
            response = await self._handle(request)
        except web.HTTPException as error:  # raised before the middlewares, for an unknown `Expect`
            return self._last(failure_of(error, ""))
        if connection.is_used_up and not response.prepared:
            response.force_close()
        return response

    def _last(self, failure: Failure) -> web.Response:
        response = response_of(failure, self._teller)
        response.force_close()
        return response

    def _forget(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)
        self._busy.pop(connection, None)

    async def _watch(self) -> None:
        limits = self._settings
        every = min(limits.header_timeout, limits.body_timeout, limits.unread, 4.0) / 4
        while True:
            await asyncio.sleep(every)
            for connection in (*self._waiting, *self._busy):
                connection.judge(asyncio.get_running_loop().time(), limits)


class Runner(web.AppRunner):
    """Runs an application behind `Connections`."""

    __slots__ = ("_malformed", "_settings", "_teller")

    def __init__(self, app: web.Application, settings: ServerSettings, malformed: Malformed, teller: Teller) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=CLOSE_LIMIT)
        self._settings = settings
        self._malformed = malformed
        self._teller = teller

    async def _make_server(self) -> web.Server:
        return Connections(await super()._make_server(), self._settings, self._malformed, self._teller)


def room_for(descriptors: int) -> int:
    """Return how many connections fit into a limit of open files."""
    return max(descriptors - RESERVE - STEPS * BACKLOG, descriptors // 4)


def raised_limit() -> int:
    """Raise the limit of open files as far as this process may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY:
        return MOST_DESCRIPTORS
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
