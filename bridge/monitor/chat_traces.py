"""Exports a trace of each chat with OpenTelemetry: one span for the chat, and in it one for each step.

All spans of a chat are created at its end from its marks. Names and attributes follow OpenTelemetry's conventions for
generative AI; none holds text of a chat. The variables `OTEL_*` set the exporter, the sampling and the service name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping

from loguru import logger
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import bridge
from bridge.telemetry import CANCELLED, ChatEnded, Fact

NAME = "chat-page-bridge"
UNNAMED = "unknown_service"
"""The SDK's name for a service without `OTEL_SERVICE_NAME`."""
STEPS = (
    ("queue", "started"),
    ("prepare", "opened"),
    ("send", "sent"),
    ("first_byte", "first_byte"),
    ("first_token", "first_token"),
    ("answer", "answered"),
)
"""Each step and the mark that ends it; the time after the last one is the step `settle`."""
ANSWERED = ("stop", "length", "content_filter")
CLOSE_LIMIT = 5.0
"""Seconds for the export of the last spans."""
LONGEST_NAME = 80
"""Most characters of a model's name as the client wrote it."""


class ChatTraces:
    """A telemetry sink; its constructor blocks for a moment."""

    def __init__(self, node: str = "") -> None:
        self._exporter = OTLPSpanExporter()
        self._provider = TracerProvider(resource=_resource(node), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer(NAME, bridge.__version__)

    def __call__(self, fact: Fact) -> None:
        """Create the trace of a chat that has ended."""
        if isinstance(fact, ChatEnded):
            self._trace(fact, time.time() - fact.marks.get("end", 0.0))

    async def close(self) -> None:
        """Export the remaining spans, within `CLOSE_LIMIT`."""
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # interrupts its pause before a retry
            logger.warning("Cannot send the last traces within {:g} seconds", CLOSE_LIMIT)

    def _trace(self, fact: ChatEnded, begun: float) -> None:
        """Create the spans of a chat that began at the Unix time `begun`."""
        parent = TraceContextTextMapPropagator().extract({"traceparent": fact.trace_parent}, Context())
        failure = "" if fact.result in (*ANSWERED, CANCELLED) else fact.result
        end = fact.marks.get("end", 0.0)

        def moment(seconds: float) -> int:
            return round((begun + seconds) * 1e9)

        name = f"chat {fact.variant}"
        chat = self._tracer.start_span(name, parent, SpanKind.SERVER, _attributes(fact), start_time=moment(0.0))
        inside = set_span_in_context(chat, Context())
        for step, since, until in steps(fact.marks):
            span = self._tracer.start_span(step, inside, start_time=moment(since))
            if failure and until == end:
                _fail(span, failure)
            span.end(moment(until))
        if failure:
            _fail(chat, failure)
        chat.end(moment(end))


def steps(marks: Mapping[str, float]) -> Iterator[tuple[str, float, float]]:
    """Yield the steps of a chat, each with its begin and end in seconds since the chat arrived.

    The step in which a chat ended early lasts to its end. A step whose mark is missing before a later one was skipped.
    """
    end, since = marks.get("end", 0.0), 0.0
    last = max((place for place, (_, mark) in enumerate(STEPS) if mark in marks), default=-1)
    for place, (step, mark) in enumerate((*STEPS, ("settle", "end"))):
        until = marks.get(mark, end)
        if mark in marks or place > last:
            yield step, since, until
            since = until
        if place > last:
            return


def _attributes(fact: ChatEnded) -> dict[str, str | int | list[str]]:
    """Return the attributes of the conventions, and the bridge's own."""
    attributes: dict[str, str | int | list[str]] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": fact.site or NAME,
        "gen_ai.request.model": fact.model[:LONGEST_NAME],
        "gen_ai.response.model": fact.variant,
        "gen_ai.response.id": fact.chat,
        "gen_ai.usage.input_tokens": fact.prompt_tokens,
        "gen_ai.usage.output_tokens": fact.tokens,
        "bridge.dialect": fact.dialect,
        "bridge.account": fact.account,
        "bridge.result": fact.result,
    }
    if fact.result in ANSWERED:
        attributes["gen_ai.response.finish_reasons"] = [fact.result]
    return attributes


def _fail(span: Span, failure: str) -> None:
    span.set_attribute("error.type", failure)
    span.set_status(StatusCode.ERROR)


def _resource(node: str) -> Resource:
    """Return the resource of the `OTEL_*` variables, with the bridge's name and the node's id where they have none."""
    found = Resource.create({SERVICE_VERSION: bridge.__version__})
    if node and SERVICE_INSTANCE_ID not in OTELResourceDetector().detect().attributes:
        found = found.merge(Resource({SERVICE_INSTANCE_ID: node}))
    if str(found.attributes[SERVICE_NAME]).startswith(UNNAMED):
        found = found.merge(Resource({SERVICE_NAME: NAME}))
    return found
