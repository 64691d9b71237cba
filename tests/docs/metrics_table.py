"""The table of metrics in the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.monitor.metric_table import COUNTED, OBSERVED, Spec


def markdown() -> str:
    """Return a table of all metrics: those that events are counted in, then those that are read off."""
    return "\n".join(("| metric | kind | labels | what it is |", "|---|---|---|---|", *_rows((*COUNTED, *OBSERVED))))


def _rows(specs: Sequence[Spec]) -> Iterator[str]:
    for spec in specs:
        labels = ", ".join(f"`{label}`" for label in spec.labels)
        yield f"| `{spec.name}` | {spec.kind} | {labels} | {spec.about} |"
