"""The table of pages against what their tests show: `python -m tests.real_pages` prints it, the docs have it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.sites.site_file.schema import SiteFile, load_site_file
from tests.real_pages import test_contract
from tests.real_pages.running_pages import PAGES, site_file


def markdown() -> str:
    """Return the table: how each page talks, then a row for each test of the contract."""
    sites = {name: load_site_file(site_file(page.site)) for name, page in PAGES.items()}
    titles = [_title(site, PAGES[name].how) for name, site in sites.items()]
    facts = {"tried on": _tried_on, "prompt": _prompt, "answer": _answer}
    head = ("| | " + " | ".join(titles) + " |", "|---" * (len(sites) + 1) + "|")
    known = (_row(what, {name: tell(site) for name, site in sites.items()}) for what, tell in facts.items())
    return "\n".join((*head, *known, *_promises()))


def _title(site: SiteFile, how: str) -> str:
    return f"{site.title}, {how}" if how else site.title


def _promises() -> Iterator[str]:
    tests = [test for name, test in inspect.getmembers(test_contract, inspect.isfunction) if name.startswith("test_")]
    for test in sorted(tests, key=lambda test: test.__code__.co_firstlineno):
        what = test.__name__.removeprefix("test_").replace("_", " ")
        yield _row(what[0].upper() + what[1:] + _kinds(test), _shown(test))


def _row(what: str, cells: Mapping[str, str]) -> str:
    return f"| {what} | " + " | ".join(cells[name] for name in PAGES) + " |"


def _shown(test: Callable[..., Any]) -> dict[str, str]:
    """Return for each page what a test shows of it: yes, or why it is not played there."""
    return {value.values[0]: _cell(value) for value in _parameters(test)["real_page"]}


def _cell(value: Any) -> str:
    reasons = [mark.kwargs["reason"] for mark in value.marks if mark.name in ("skip", "xfail")]
    return f"no: {reasons[0]}" if reasons else "yes"


def _kinds(test: Callable[..., Any]) -> str:
    """Return with what else a test is played."""
    others = [str(value) for name, values in _parameters(test).items() if name != "real_page" for value in values]
    return f" ({', '.join(others)})" if others else ""


def _parameters(test: Callable[..., Any]) -> dict[str, Any]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    return {mark.args[0]: mark.args[1] for mark in marks}


def _tried_on(site: SiteFile) -> str:
    return site.evidence.partition(",")[0]


def _prompt(site: SiteFile) -> str:
    return f"{site.request.method} `{site.request.path}`{_elsewhere(site.request.host)}, {site.request.body}"


def _answer(site: SiteFile) -> str:
    call = site.answer.call
    where = f"{call.method} `{call.path}`" if call else "the same"
    return f"{where}, {site.answer.framing}"


def _elsewhere(host: str | None) -> str:
    return " of another origin" if host else ""
