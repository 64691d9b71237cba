"""The connections of the endpoint: how many there may be, and how long a client may take for what.

Whoever holds a connection without a key may lose it to somebody else, the one that has waited for longest first; a
request with a key never does. Bytes that are no HTTP get an error in the form of all others.
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
"""Connections that the system may hold for us, and that are taken in one go."""
STEPS = 3
"""Steps of the event loop from the taking of a connection until the one that makes room for it is closed."""
RESERVE = 100
"""Descriptors that are left for the browser, files and what is fetched."""
MOST_DESCRIPTORS = 65_536
SLOWEST_BODY = 16 * 1024
"""Bytes a second that a body must bring on average, beside the time that all get."""
RETRY = {"retry-after": "5"}
"""The seconds after which a client may try again that found no room."""
LINGER = 5.0
"""Seconds in which the rest of a body is read after its request was answered, so that the client sees the answer."""
MOST_REQUESTS = 1000
"""Requests that one connection may bring."""
HELD_BY_SYSTEM = 64 * 1024
"""Bytes that the system takes ahead of a client: with megabytes, one that reads slowly seems not to read at all."""
LINES = (3, 60.0)
"""How many log lines of a kind are written at once, and the seconds until one more."""
CLOSE_LIMIT = 5.0
"""Seconds that open connections get to close once no chat runs any more."""
OVERLOADED = Failure(
    503, "overloaded", "server_error", "All connections are in use; see server.max_connections.", headers=RETRY
)


class Connection(web.RequestHandler):
    """One connection, what it waits for, and since when."""

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
    def is_let_in(self) -> bool:
        """Tell whether a request with a key is being answered."""
        return self._request is not None and LET_IN in self._request

    @property
    def is_used_up(self) -> bool:
        """Tell whether the connection has brought all requests that it may."""
        return self._requests >= MOST_REQUESTS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport, which aiohttp forgets before it is really closed."""
        self._wire = cast(asyncio.Transport, transport)
        if (wire := transport.get_extra_info("socket")) is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, HELD_BY_SYSTEM)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count what arrives."""
        if self._request is None and data and not self._received:
            self._since, self._head = self._clock(), data[:300]
        self._received += len(data)
        super().data_received(data)
        self._check_body()

    def begin(self, request: web.BaseRequest) -> bool:
        """Note that the headers of a request are there; tell whether there is room for it."""
        self._request, self._since = request, self._clock()
        self._requests += 1
        self._head = b""
        self._check_body()
        return self._connections.began(self)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the rest of a response; from then on the connection waits for the next request."""
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
        """Return the response to what aiohttp could not read, or did not expect."""
        if request.writer.output_size > 0:
            raise ConnectionError("A part of a response is sent already.")
        return self._connections.malformed(exc, self._head if isinstance(exc, BadHttpMethod) else b"")

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what failed in aiohttp itself, without text of a client; a body that broke off is no failure."""
        error = kw.get("exc_info")
        if not isinstance(error, web.RequestPayloadError | web.HTTPRequestTimeout):
            self._connections.log_failure(type(error).__name__)

    def judge(self, now: float, limits: ServerSettings) -> None:
        """Close the connection, or end its request, where the client has taken longer than it may."""
        if self._unread_for(now) >= limits.unread:
            self.abort()
        elif self._request is None:
            if (self._received or not self._requests) and now - self._since >= limits.header_timeout:
                self._give_up()
        elif self._is_body_late(now, limits.body_timeout):
            self._request.content.set_exception(web.HTTPRequestTimeout())

    def abort(self) -> None:
        """Close the connection at once, whatever is still to be sent."""
        if self._wire is not None:
            self._wire.abort()

    def _unread_for(self, now: float) -> float:
        """Return for how many seconds the client has taken nothing of what is there for it."""
        assert self._wire is not None  # noqa: S101 - only connections that were made are judged
        left = self._wire.get_write_buffer_size()
        written = self._written + (self._request.writer.output_size if self._request else 0)
        if not left or written - left != self._taken:
            self._taken, self._taken_at = written - left, now
        return now - self._taken_at

    def _check_body(self) -> None:
        """End a body that the parser has given up: it tells the next request, and leaves the reader waiting."""
        if self._messages and self._request is not None and not self._request.content.is_eof():
            self._request.content.set_exception(web.RequestPayloadError())

    def _is_body_late(self, now: float, limit: float) -> bool:
        is_whole = self._request is None or self._request.content.is_eof()
        return not is_whole and now - self._since >= limit + self._received / SLOWEST_BODY

    def _give_up(self) -> None:
        """Close a connection on which no request became whole; who has begun one is told."""
        if self._received and self._wire is not None:
            self._wire.write(self._connections.late())
        self.force_close()


class Connections(web.Server):
    """All connections; those that wait for a request in the order in which they began to."""

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
        """Take a connection in; where that makes too many, the one that has waited for longest goes."""
        super().connection_made(handler, transport)
        self._waiting[cast(Connection, handler)] = None
        if len(self._waiting) + len(self._busy) > self._most:
            others = (other for other in chain(self._waiting, self._busy) if other is not handler)
            if (victim := next((other for other in others if not other.is_let_in), None)) is not None:
                self._forget(victim)
                victim.abort()
            if not self._lines.take("room"):
                logger.warning("More than {} connections: those that have waited for longest are closed", self._most)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        self._forget(cast(Connection, handler))

    def began(self, connection: Connection) -> bool:
        """Note that a request is there; tell whether there is room for it."""
        self._forget(connection)
        self._busy[connection] = None
        return len(self._busy) <= self._most

    def ended(self, connection: Connection) -> None:
        """Note that a request is answered."""
        if connection in self._busy:
            del self._busy[connection]
            self._waiting[connection] = None

    def malformed(self, error: BaseException | None, head: bytes) -> web.Response:
        """Return the response to what cannot be read, which is the last one on its connection."""
        return self._last(self._malformed.failure(error, head))

    def late(self) -> bytes:
        """Return the whole response to a request that did not arrive in time."""
        failure = failure_of(web.HTTPRequestTimeout(), "")
        body = dump(self._teller(failure))
        head = f"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body

    def log_failure(self, kind: str) -> None:
        """Log a failure of aiohttp itself, but not every one."""
        if not self._lines.take("failure"):
            logger.error("A connection failed unexpectedly: {}", kind)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Close all connections, those of clients that do not read as well."""
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
        except web.HTTPException as error:  # from before the middlewares: an `Expect` that nobody can meet
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
    """Return how many connections fit below a limit of open files."""
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
