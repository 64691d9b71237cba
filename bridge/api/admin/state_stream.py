"""Serves the state of the bridge, once or as an event stream of its changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.route_table import Operation
from bridge.monitor.event_feed import Watcher

BEAT = 10.0
"""Seconds of silence after which a comment is sent."""
LOOK = 1.0
"""Seconds between two checks of the watcher's session or key."""
HEADERS = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}


class Watch:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", "/admin/api/state", "Return all that the dashboard shows", self.state),
            Operation(
                "GET",
                "/admin/api/events",
                "Return all that the dashboard shows, then what changes of it: `state`, `chat`, `log`, `sample`",
                self.events,
                answer="text/event-stream",
            ),
        )

    async def state(self, _: web.Request) -> web.StreamResponse:
        """Return the state once."""
        await self._parts.monitor.sections.look()
        return as_json(self._parts.monitor.state())

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the state and its changes until the client leaves, its session ends or the bridge stops."""
        with self._parts.monitor.watcher(lambda: _cut(request)) as watcher:
            response = web.StreamResponse(headers=HEADERS)
            await response.prepare(request)
            with suppress(ConnectionError):  # the client is gone
                await self._send(request, response, watcher)
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, watcher: Watcher) -> None:
        silent = 0.0
        while not watcher.is_over and self._parts.guard.is_still_in(request):
            frames = await watcher.next(LOOK)
            silent = 0.0 if frames else silent + LOOK
            if frames or silent >= BEAT:
                silent = 0.0
                await response.write(frames or b": here\n\n")


def _cut(request: web.Request) -> None:
    """Close the connection of a request at once, even with data that its client has not read."""
    if request.transport is not None:
        request.transport.abort()
