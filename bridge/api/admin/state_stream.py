"""Serves the state of the bridge, once or as an event stream of its changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.route_table import Operation
from bridge.monitor.event_feed import Watcher
from bridge.tasks import first

BEAT = 10.0
"""Seconds without an event after which a comment is sent."""
HEADERS = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}


class Watch:
    """Handlers of the state and its event stream."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", "/admin/api/state", "Return the state that the dashboard shows", self.state),
            Operation(
                "GET",
                "/admin/api/events",
                "Stream the state that the dashboard shows, then its changes: `state`, `chat`, `log`, `sample`",
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
            with suppress(ConnectionError):  # the client has disconnected
                await first(_send(response, watcher), self._parts.guard.until_out(request))
        return response


async def _send(response: web.StreamResponse, watcher: Watcher) -> None:
    while not watcher.is_over:
        frames = await watcher.next(BEAT)
        if frames or not watcher.is_over:
            await response.write(frames or b": here\n\n")


def _cut(request: web.Request) -> None:
    """Close the connection of a request at once, even if its client has not read all data."""
    if request.transport is not None:
        request.transport.abort()
