"""Counts facts as Prometheus metrics, in this one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bridge.chat.cluster_control import ClusterControl
from bridge.monitor import metric_table as table
from bridge.monitor.metric_table import Spec
from bridge.monitor.pressure import Pressure
from bridge.monitor.state_metrics import LASTING, NodeFigures, StateMetrics
from bridge.settings import MetricsSettings
from bridge.telemetry import (
    BrowserLost,
    BrowserReplaced,
    BrowserStarted,
    ChatEnded,
    ChatProgress,
    ChunkTime,
    DriftSeen,
    Fact,
    PageRenewed,
    PageShown,
    RequestAnswered,
    WorkerChanged,
    WorkerState,
)

IN_VAIN = ("queue_timeout", "cancelled")
"""Results of chats that may have waited in the queue until their end."""


class Metrics:
    """A telemetry sink with its own registry; the constructor and `page` block for a few milliseconds."""

    def __init__(self, settings: MetricsSettings) -> None:
        self._has_keys = settings.keys
        self._registry = CollectorRegistry()
        self._counters = {one.name: _counter(one, self._registry) for one in table.COUNTED if one.kind == "counter"}
        self._times = {one.name: _histogram(one, self._registry) for one in table.COUNTED if one.kind == "histogram"}
        self._state = StateMetrics(has_names=settings.accounts)
        self._registry.register(self._state)
        self._browser: tuple[str, str] | None = None
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        for state in LASTING:  # creates the counters at 0, so that the first change is an increase
            self._counter(table.CHANGES, state)

    def __call__(self, fact: Fact) -> None:
        """Count a fact."""
        match fact:
            case ChatEnded():
                self._count_chat(fact)
            case ChatProgress(chunks=chunks):
                self._count_chunks(chunks)
            case RequestAnswered():
                self._counter(table.REQUESTS, fact.method, fact.route, str(fact.status)).inc()
            case WorkerChanged(state=state) if state is not WorkerState.CLOSED:
                self._counter(table.CHANGES, state).inc()
            case DriftSeen():
                self._counter(table.DRIFT, fact.site).inc(fact.count)
            case _:
                self._count_rest(fact)

    def see(self, seen: Pressure, own: Pressure | None = None, cluster: ClusterControl | None = None) -> None:
        """Set the state that the next page shows; `own` covers only the accounts that this bridge drives."""
        self._state.see(seen, own or seen, self._browser, None if cluster is None else NodeFigures.of(cluster))

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics in the text format that the `Accept` header asks for, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # the header asks for a version that is not a number
            encode, content_type = choose_encoder("")
        return encode(_WithoutCreated(self._registry)), content_type

    def _count_rest(self, fact: Fact) -> None:
        """Count a fact about the browser and its pages."""
        match fact:
            case BrowserStarted():
                self._browser = fact.version, "elsewhere" if fact.sandbox is None else "here"
                self._counter(table.BROWSER_STARTS).inc()
            case BrowserLost():
                self._browser = None
                self._counter(table.BROWSER_LOSSES).inc()
            case BrowserReplaced():
                self._counter(table.BROWSER_REPLACEMENTS).inc()
            case PageShown(is_open=True):
                self._counter(table.PAGE_OPENS).inc()
            case PageRenewed():
                self._counter(table.PAGE_RENEWALS).inc()

    def _count_chat(self, fact: ChatEnded) -> None:
        self._counter(table.CHATS, fact.result, fact.variant, fact.dialect).inc()
        self._counter(table.INPUT_TOKENS, fact.variant).inc(fact.prompt_tokens)
        self._counter(table.OUTPUT_TOKENS, fact.variant).inc(fact.tokens)
        if self._has_keys:
            self._counter(table.KEY_CHATS, fact.key).inc()
            self._counter(table.KEY_INPUT, fact.key).inc(fact.prompt_tokens)
            self._counter(table.KEY_OUTPUT, fact.key).inc(fact.tokens)
        self._observe_steps(fact, fact.marks)

    def _observe_steps(self, fact: ChatEnded, marks: Mapping[str, float]) -> None:
        has_waited = fact.account or fact.result in IN_VAIN
        self._observe(table.QUEUE_TIME, marks.get("started", marks.get("end") if has_waited else None))
        self._observe(table.SEND_TIME, _between(marks, "started", "sent"))
        self._observe(table.FIRST_BYTE_TIME, _between(marks, "sent", "first_byte"))
        self._observe(table.FIRST_TOKEN_TIME, marks.get("first_token"), fact.variant)
        self._observe(table.CHAT_TIME, marks.get("end") if fact.account else None, fact.variant)

    def _count_chunks(self, chunks: Iterable[ChunkTime]) -> None:
        for chunk in chunks:
            self._observe(table.CHUNK_DELAY, chunk.delay)
            self._observe(table.CHUNK_INTERVAL, chunk.interval)

    def _counter(self, spec: Spec, *labels: str) -> Counter:
        counter = self._counters[spec.name]
        return counter.labels(*labels) if labels else counter

    def _observe(self, spec: Spec, seconds: float | None, *labels: str) -> None:
        if seconds is not None:
            histogram = self._times[spec.name]
            (histogram.labels(*labels) if labels else histogram).observe(max(seconds, 0.0))


class _WithoutCreated(Collector):
    """Leaves out the `_created` samples of counters, which would double their number without use."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _counter(spec: Spec, registry: CollectorRegistry) -> Counter:
    return Counter(spec.name, spec.about, spec.labels, registry=registry)


def _histogram(spec: Spec, registry: CollectorRegistry) -> Histogram:
    return Histogram(spec.name, spec.about, spec.labels, registry=registry, buckets=spec.buckets)


def _between(marks: Mapping[str, float], begin: str, end: str) -> float | None:
    return marks[end] - marks[begin] if begin in marks and end in marks else None
