"""The Grafana dashboard of the examples: rows of panels, each with its queries; `make docs` writes it as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

WIDTH, HEIGHT = 24, 8
"""The grid's columns, and the rows of a panel in it."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WHICH = 'instance=~"$instance"'
SPAN = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """What one panel shows: expressions by their legends, in which `@` stands for the chosen instances."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    is_stacked: bool = False
    about: str = ""


def rate(name: str, by: str, labels: str = "") -> str:
    return f"sum by ({by}) (rate({name}{{@{labels}}}[{SPAN}]))"


def increase(name: str, by: str = "") -> str:
    return f"sum{by} (increase({name}{{@}}[{SPAN}]))"


def quantiles(name: str) -> dict[str, str]:
    """Return half and nearly all of what a histogram has counted."""
    return {
        legend: f"histogram_quantile({part}, sum by (le) (rate({name}_bucket{{@}}[{SPAN}])))"
        for legend, part in (("half", 0.5), ("19 of 20", 0.95))
    }


def number(title: str, query: str, unit: str = "short") -> Panel:
    return Panel(title, {"": query}, unit, "stat")


FAILED = ', result!~"stop|length|content_filter|cancelled"'
ROWS: dict[str, Sequence[Panel]] = {
    "Now": (
        number("Ready", "min(bridge_ready{@})"),
        number("Pressure", "max(bridge_pressure{@})", "percentunit"),
        number("Free accounts", "sum(bridge_accounts_free{@})"),
        number("Running", "sum(bridge_chats_running{@})"),
        number("Waiting", "sum(bridge_chats_waiting{@})"),
        number(
            "Failed, an hour",
            f"sum(increase(bridge_chats_total{{@{FAILED}}}[1h])) / sum(increase(bridge_chats_total{{@}}[1h]))",
            "percentunit",
        ),
    ),
    "Chats": (
        Panel("By result", {"{{result}}": rate("bridge_chats_total", "result")}, "ops", is_stacked=True),
        Panel("By model", {"{{model}}": rate("bridge_chats_total", "model")}, "ops", is_stacked=True),
        Panel("By API", {"{{dialect}}": rate("bridge_chats_total", "dialect")}, "ops", is_stacked=True),
        Panel(
            "Tokens a second",
            {
                "in, {{model}}": rate("bridge_input_tokens_total", "model"),
                "out, {{model}}": rate("bridge_output_tokens_total", "model"),
            },
        ),
    ),
    "Times": (
        Panel("Wait for an account", quantiles("bridge_chat_queue_seconds"), "s"),
        Panel("Typing and sending", quantiles("bridge_chat_send_seconds"), "s"),
        Panel("The site's first byte", quantiles("bridge_chat_first_byte_seconds"), "s"),
        Panel("First token", quantiles("bridge_chat_first_token_seconds"), "s", about="From the chat's arrival."),
        Panel("Whole chat", quantiles("bridge_chat_duration_seconds"), "s"),
        Panel("Delay of a chunk", quantiles("bridge_chunk_delay_seconds"), "s", about="From the page to the bridge."),
        Panel("Between two chunks", quantiles("bridge_chunk_interval_seconds"), "s"),
        Panel(
            "Queue",
            {"waiting": "sum(bridge_chats_waiting{@})", "running": "sum(bridge_chats_running{@})"},
        ),
    ),
    "Accounts": (
        Panel("By state", {"{{state}}": "sum by (state) (bridge_accounts{@})"}, is_stacked=True),
        Panel(
            "Busy, paused, held by a person",
            {kind: f"sum(bridge_accounts_{kind}{{@}})" for kind in ("busy", "paused", "held")},
        ),
        Panel(
            "Sends against the budget",
            {
                "{{window}}": "sum by (window) (bridge_sends{@})",
                "limit, {{window}}": "sum by (window) (bridge_sends_limit{@})",
            },
            about="The settings pool.turns_per_hour and pool.turns_per_day.",
        ),
        Panel("Changes of state", {"{{state}}": increase("bridge_account_changes_total", " by (state)")}),
        Panel("Unknown pieces of the site", {"{{site}}": "sum by (site) (bridge_drift_total{@})"}),
    ),
    "Browser and process": (
        Panel(
            "Memory",
            {"browser": "sum(bridge_browser_memory_bytes{@})", "bridge": "sum(process_resident_memory_bytes{@})"},
            "bytes",
        ),
        Panel(
            "CPU cores",
            {
                "browser": f"sum(rate(bridge_browser_cpu_seconds_total{{@}}[{SPAN}]))",
                "bridge": f"sum(rate(process_cpu_seconds_total{{@}}[{SPAN}]))",
            },
        ),
        Panel(
            "Starts and losses",
            {
                "browser started": increase("bridge_browser_starts_total"),
                "browser lost": increase("bridge_browser_losses_total"),
                "browser replaced": increase("bridge_browser_replacements_total"),
                "page opened": increase("bridge_page_opens_total"),
                "page renewed": increase("bridge_page_renewals_total"),
            },
        ),
        Panel("Open files", {"open": "sum(process_open_fds{@})", "limit": "sum(process_max_fds{@})"}),
    ),
    "HTTP": (
        Panel("By status", {"{{status}}": rate("bridge_http_requests_total", "status")}, "reqps", is_stacked=True),
        Panel("By route", {"{{method}} {{route}}": rate("bridge_http_requests_total", "method, route")}, "reqps"),
    ),
}


def queries() -> Iterator[str]:
    """Yield each expression as Grafana has it."""
    for panels in ROWS.values():
        for panel in panels:
            yield from (expression.replace("@", WHICH) for expression in panel.queries.values())


def text() -> str:
    """Return the dashboard as JSON that Grafana imports."""
    numbers = count(1)
    dashboard = {
        "uid": "chat-page-bridge",
        "title": "Bridge",
        "tags": ["chat-page-bridge"],
        "editable": True,
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _instance()]},
        "panels": list(_panels(numbers)),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _panels(numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Yield rows and panels with their places: as many beside each other as fit, those of one row equally wide."""
    y = 0
    for title, panels in ROWS.items():
        yield {
            "id": next(numbers),
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
            "panels": [],
        }
        y += 1
        beside = len(panels) if panels[0].kind == "stat" else min(len(panels), 3)
        height = HEIGHT // 2 if panels[0].kind == "stat" else HEIGHT
        width = WIDTH // beside
        for place, panel in enumerate(panels):
            x, below = place % beside * width, place // beside * height
            yield _panel(panel, next(numbers), {"x": x, "y": y + below, "w": width, "h": height})
        y += -(-len(panels) // beside) * height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    drawn: dict[str, Any] = {"fillOpacity": 15 if panel.is_stacked else 0, "showPoints": "never"}
    if panel.is_stacked:
        drawn["stacking"] = {"mode": "normal", "group": "A"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": drawn if panel.kind == "timeseries" else {}},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expression.replace("@", WHICH),
                "legendFormat": legend,
            }
            for place, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}


def _instance() -> dict[str, Any]:
    query = "label_values(bridge_build_info, instance)"
    return {
        "name": "instance",
        "type": "query",
        "label": "Bridge",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "instance"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
