"""Handlers for the charts of the last day, and for the log."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bridge.api.admin import query_parameters
from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.route_table import Operation
from bridge.monitor.log_tail import LEVELS, MOST_LINES
from bridge.monitor.state_json import line

DAY = 24.0
SHOWN = 200


class Figures:
    """Handlers of the figures and the log."""

    def __init__(self, parts: Parts) -> None:
        self._monitor = parts.monitor

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", "/admin/api/metrics", "Return the figures of the last `hours`, by minute", self.metrics),
            Operation(
                "GET",
                "/admin/api/log",
                "Return the end of the log (`level`, `search`, `limit`)",
                self.log,
            ),
        )

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Return the figures."""
        return as_json(self._monitor.charts.series(query_parameters.number(request, "hours", DAY, DAY)))

    async def log(self, request: web.Request) -> web.StreamResponse:
        """Return the last matching lines of the log."""
        level, search = query_parameters.word(request, "level", LEVELS), query_parameters.text(request, "search")
        limit = int(query_parameters.number(request, "limit", SHOWN, MOST_LINES))
        return as_json({"log": [line(entry) for entry in self._monitor.log.search(level, search, limit)]})
