"""The generated parts of the documentation: each stands between two marks in a Markdown file, and is written by code.

`make docs` (or `python -m tests.docs`) renews all of them; a test checks that they are fresh.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bridge.bench.figures import BenchReport, Figure
from bridge.settings import Section, Settings
from bridge.settings_sources import describe
from tests import fault_table, policy_table
from tests.clients import saved_characters
from tests.docs import example_settings, grafana_dashboard, metrics_table, packages
from tests.docs.site_file_fields import tables
from tests.real_pages import contract_table
from tests.sites import contract_points

ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(\n<!-- /generated -->)", re.DOTALL)
FIGURES = ROOT / "docs/benchmark.json"


def settings() -> str:
    """Return a table of settings for each section, with what the section is about."""
    rows: dict[str, list[str]] = {}
    for name, variable, default, text in describe():
        section = name.rpartition(".")[0]
        rows.setdefault(section, []).append(f"| `{name}` | `{variable}` | {default} | {text} |")
    return "\n\n".join("\n".join((*_heading(section), *lines)) for section, lines in rows.items())


def _heading(section: str) -> Iterator[str]:
    default = Settings.model_fields[section].default if section else None
    about = type(default).__doc__ if isinstance(default, Section) else "Where logins and keys are."
    yield from (f"## `[{section}]`" if section else "## At the top of the file", "", str(about), "")
    yield from ("| setting | environment | default | what it is |", "|---|---|---|---|")


def report() -> BenchReport:
    """Return the figures of the measurement that the documentation shows."""
    kept = json.loads(FIGURES.read_text("utf-8"))
    return BenchReport([Figure(**one) for one in kept["figures"]], kept["machine"])


def site_files() -> str:
    """Return a table of fields for each table of a site file."""
    parts = []
    for table in tables():
        head = [f"## `[{table.name}]`" if table.name else "## At the top of the file", "", table.about, ""]
        rows = [f"| `{row.name}` | {row.kind} | {row.default} | {row.about} |" for row in table.rows]
        parts.append("\n".join((*head, "| field | holds | default | what it is |", "|---|---|---|---|", *rows)))
    return "\n\n".join(parts)


def source(name: str) -> Callable[[], str]:
    """Return what shows a module of the tests, where the examples are that run."""
    return lambda: f"```python\n{(ROOT / 'tests/docs' / name).read_text('utf-8')}```"


BLOCKS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "site-files": site_files,
    "policy": policy_table.markdown,
    "faults": fault_table.markdown,
    "sites": contract_points.markdown,
    "benchmark": lambda: report().to_markdown(),
    "agents": saved_characters.markdown,
    "metrics": metrics_table.markdown,
    "packages": packages.markdown,
    "import-order": packages.order,
    "real-pages": contract_table.markdown,
    "example-site": source("example_site.py"),
    "example-surface": source("example_surface.py"),
}


FILES: Mapping[Path, Callable[[], str]] = {
    ROOT / "examples/bridge.toml": example_settings.text,
    ROOT / "examples/prometheus/grafana-dashboard.json": grafana_dashboard.text,
}
"""Files that are generated as a whole."""


def documents() -> list[Path]:
    """Return the Markdown files of the documentation."""
    return sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")))


def written(text: str) -> str:
    """Return the text of a Markdown file with its generated parts renewed."""
    return MARKED.sub(lambda block: f"{block[1]}\n{BLOCKS[block['name']]()}\n{block[3]}", text)
