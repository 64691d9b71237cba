"""The figures of a measurement: each is one row of the table and one entry of the JSON."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import bridge
from bridge.browser import chromium
from bridge.settings import BrowserSettings

PACKAGES = ("playwright", "aiohttp", "pydantic")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, for each client that was measured; `at_least` makes the target a lower bound."""

    name: str
    unit: str
    bridge: float | None
    floor: float | None = None
    script: float | None = None
    target: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Return whether the figure, rounded to two places, meets its target; empty without a target."""
        if self.target is None or self.bridge is None:
            return ""
        value = round(self.bridge, 2)
        is_met = value >= self.target if self.at_least else value <= self.target
        return "met" if is_met else "missed"


@dataclass(slots=True)
class BenchReport:
    """All figures of one run, and where it ran."""

    figures: list[Figure] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        name: str,
        unit: str,
        bridge: float | None,
        floor: float | None = None,
        script: float | None = None,
        target: float | None = None,
    ) -> None:
        """Add a figure, and the figures to compare it with; its target is an upper bound."""
        self.figures.append(Figure(name, unit, bridge, floor, script, target))

    def add_at_least(self, name: str, unit: str, bridge: float | None, target: float) -> None:
        """Add a figure whose target is a lower bound."""
        self.figures.append(Figure(name, unit, bridge, target=target, at_least=True))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return {"machine": self.machine, "figures": [asdict(figure) for figure in self.figures]}

    def to_markdown(self) -> str:
        """Return the report as a Markdown table."""
        rows = [
            f"| {one.name} | {one.unit} | {_shown(one.floor)} | {_shown(one.script)} | **{_shown(one.bridge)}** |"
            f" {_shown(one.target)} | {one.verdict} |"
            for one in self.figures
        ]
        where = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        head = "| figure | unit | plain HTTP | hand-written script | the bridge | target | |"
        return "\n".join((f"Measured with {where}.", "", head, "|---|---|---|---|---|---|---|", *rows))


def machine() -> dict[str, Any]:
    """Return the versions and the machine that the figures were measured with."""
    return {
        "bridge": bridge.__version__,
        "python": platform.python_version(),
        "chromium": _chromium_version().removeprefix("Chromium "),
        **{name: version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
    }


def _chromium_version() -> str:
    done = subprocess.run([chromium.find(BrowserSettings()), "--version"], check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


def median(values: Sequence[float]) -> float | None:
    """Return the median, or None without values."""
    return statistics.median(values) if values else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the values are, or None without values."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
