"""Handlers for monitoring: `/metrics` for Prometheus, `/pressure` for load balancers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import hdrs, web

from bridge.api.connections import RETRY
from bridge.api.health import NO_STORE
from bridge.api.http_errors import dump
from bridge.api.route_table import Admission, Operation
from bridge.monitor.metrics import Metrics
from bridge.monitor.monitor import Monitor
from bridge.settings import MetricsSettings

ADMISSIONS = {"key": Admission.METRICS, "loopback": Admission.METRICS_OR_LOCAL, "anybody": Admission.NOTHING}


class MonitoringHandlers:
    """Handlers for monitoring; without `metrics` there is no `/metrics`."""

    def __init__(self, monitor: Monitor, metrics: Metrics | None, settings: MetricsSettings) -> None:
        self._monitor = monitor
        self._metrics = metrics
        self._admission = ADMISSIONS[settings.access]

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        what = "Return the pressure, from 0 to 1, and whether the bridge accepts new chats"
        pressure = Operation("GET", "/pressure", what, self.pressure, admission=Admission.NOTHING)
        if self._metrics is None:
            return (pressure,)
        what = "Return the metrics for Prometheus"
        page = Operation("GET", "/metrics", what, self.page, answer="text/plain", admission=self._admission)
        return pressure, page

    async def pressure(self, _: web.Request) -> web.Response:
        """Return the pressure; the status tells whether the bridge accepts new chats."""
        found = self._monitor.pressure()
        status = HTTPStatus.OK if found.reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        headers = NO_STORE if found.reason is None else {**NO_STORE, **RETRY}
        return web.Response(body=dump(found.as_json()), status=status, content_type="application/json", headers=headers)

    async def page(self, request: web.Request) -> web.Response:
        """Return the metrics in the requested format."""
        assert self._metrics is not None  # noqa: S101 - the route exists only with metrics
        self._metrics.see(self._monitor.pressure(), self._monitor.pressure(own=True), self._monitor.cluster)
        accept = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
        body, content_type = await asyncio.to_thread(self._metrics.page, accept)
        response = web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, **NO_STORE})
        response.enable_compression()
        return response
