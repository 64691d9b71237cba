"""A receiver of OpenTelemetry traces, like a collector."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.listening import listening


@dataclass
class Receiver:
    """Receives traces as a collector does."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, object] = field(default_factory=dict)
    headers: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Receive spans."""
        self.headers.append(request.headers.get("x-tenant", ""))
        for one in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            self.resource = values(one.resource.attributes)
            self.spans += [span for scope in one.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    def named(self, name: str) -> Span:
        """Return the only span of that name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span


def values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {one.key: value_of(one) for one in attributes}


def value_of(one: KeyValue) -> object:
    if one.value.WhichOneof("value") == "array_value":
        return [item.string_value for item in one.value.array_value.values]
    return getattr(one.value, str(one.value.WhichOneof("value")))


@asynccontextmanager
async def receiving(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Receiver]:
    """Run a receiver, and set the standard variables to its address."""
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/v1/traces", receiver.take)
    async with listening(app) as receiver.url:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")  # spans are sent at the end
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver
