"""The metrics that are read at each scrape: accounts, queue, browser, load."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import bridge
from bridge.chat.cluster_control import ClusterControl
from bridge.chat.types import Account
from bridge.monitor import metric_table as table
from bridge.monitor.metric_table import Spec
from bridge.monitor.pressure import Pressure
from bridge.settings import MEBIBYTE
from bridge.telemetry import WorkerState

Values = Mapping[tuple[str, ...], float]
"""Values of a metric, by the values of its labels."""
LASTING = [state for state in WorkerState if state is not WorkerState.CLOSED]
"""The states that an account in the pool can have."""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """A node's figures about itself and its cluster."""

    name: str
    is_leaving: bool
    nodes: int
    unplaced: int

    @classmethod
    def of(cls, cluster: ClusterControl) -> NodeFigures:
        """Return the current figures."""
        nodes = cluster.nodes()
        own = next(status for status in nodes if status.is_own)
        return cls(own.name, bool(own.leaving), len(nodes), len(cluster.unplaced()))


class StateMetrics(Collector):
    """Turns the last state into metrics; `see` is called on the event loop, `collect` in any thread."""

    def __init__(self, *, has_names: bool) -> None:
        self._has_names = has_names
        self._seen: tuple[Pressure, Pressure] | None = None
        self._browser: tuple[str, str] | None = None
        self._node: NodeFigures | None = None

    def see(self, seen: Pressure, own: Pressure, browser: tuple[str, str] | None, node: NodeFigures | None) -> None:
        """Set the current state, that of this bridge's own accounts, the browser's version and place, and the node."""
        self._seen, self._browser, self._node = (seen, own), browser, node

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of the last state."""
        yield _family(table.BUILD, {(bridge.__version__, platform.python_version()): 1})
        yield _family(table.BROWSER, {self._browser: 1} if self._browser else {})
        if self._node is not None:
            yield from _node(self._node)
        if self._seen is not None:
            seen, own = self._seen  # only the node that drives an account counts it
            yield from _load(seen)
            yield from _accounts(own)
            yield from _sends(own.accounts)
            if self._has_names:
                yield from _named(own.accounts)


def _family(spec: Spec, values: Values) -> Metric:
    kind = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
    family = kind(spec.name, spec.about, labels=spec.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _number(spec: Spec, value: float) -> Metric:
    return _family(spec, {(): value})


def _node(node: NodeFigures) -> Iterator[Metric]:
    yield _family(table.NODE, {(node.name,): 1})
    yield _number(table.NODE_LEAVING, node.is_leaving)
    yield _number(table.CLUSTER_NODES, node.nodes)
    yield _number(table.UNPLACED, node.unplaced)


def _load(seen: Pressure) -> Iterator[Metric]:
    yield _number(table.READY, seen.unready is None)
    yield _number(table.ACCEPTING, seen.reason is None)
    yield _number(table.PRESSURE, seen.value)
    yield _number(table.RUNNING, seen.running)
    yield _number(table.WAITING, seen.waiting)
    yield _number(table.QUEUE_LIMIT, seen.queue_limit)
    yield _number(table.OLDEST_WAIT, seen.oldest_wait)
    if seen.browser is not None:
        yield _number(table.BROWSER_MEMORY, seen.browser.memory_mb * MEBIBYTE)
        yield _number(table.BROWSER_CPU, seen.browser.cpu_seconds)


def _accounts(seen: Pressure) -> Iterator[Metric]:
    states = Counter(account.state for account in seen.accounts)
    yield _family(table.ACCOUNTS, {(state,): states[state] for state in LASTING})
    yield _number(table.ACCOUNTS_BUSY, sum(account.is_busy for account in seen.accounts))
    yield _number(table.ACCOUNTS_FREE, seen.free)
    yield _number(table.ACCOUNTS_PAUSED, sum(account.is_paused for account in seen.accounts))
    yield _number(table.ACCOUNTS_HELD, sum(account.is_held for account in seen.accounts))


def _sends(accounts: Sequence[Account]) -> Iterator[Metric]:
    sends = {"hour": [one.sends_hour for one in accounts], "day": [one.sends_day for one in accounts]}
    limits = {"hour": [one.hour_limit for one in accounts], "day": [one.day_limit for one in accounts]}
    yield _family(table.SENDS, {(window,): sum(each) for window, each in sends.items()})
    limited = {window: [limit for limit in each if limit is not None] for window, each in limits.items()}
    yield _family(table.SENDS_LIMIT, {(window,): sum(each) for window, each in limited.items() if each})


def _named(accounts: Sequence[Account]) -> Iterator[Metric]:
    states: Values = {(one.name, state): one.state is state for one in accounts for state in LASTING}
    hours: Values = {(one.name, "hour"): one.sends_hour for one in accounts}
    days: Values = {(one.name, "day"): one.sends_day for one in accounts}
    yield _family(table.ACCOUNT_STATE, states)
    yield _family(table.ACCOUNT_SENDS, {**hours, **days})
