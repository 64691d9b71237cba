"""The points of the contract that tests check on the stand-in of every site, and the sites that each applies to.

`python -m tests.sites.contract_points` prints the table of `docs/sites.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.demo.standins import STAND_INS, Wire
from bridge.sites.site_file.schema import SiteFile
from tests.sites.standin_runs import SITES, site_file

ALWAYS = ("http_429", "http_500", "html_body", "reset", "abort", "no_end", "empty", "session_revoked")
"""Faults that any site can have, whatever its protocol is."""
OF_STREAMS = ("abort", "no_end", "empty")
"""Those that do not apply to an answer that the page polls as a job."""
BOTH = ("text", "image")
NEVER = "never tried on the live site"


@dataclass(frozen=True)
class Point:
    """One promise, and the sites that it applies to."""

    name: str
    text: str
    applies: Callable[[SiteFile, type[Wire]], bool] = lambda _file, _wire: True
    kinds: tuple[str, ...] = ("text",)
    """Kinds of sites."""
    in_short: tuple[str, ...] = SITES
    """Sites on which `make test-sites` tries it, those least alike; on the others `make stress` does."""

    def is_about(self, name: str) -> bool:
        """Tell whether the point applies to a site."""
        file = site_file(name)
        return file.kind in self.kinds and self.applies(file, STAND_INS[name])


def has_source(file: SiteFile) -> bool:
    """Tell whether a site sends the sources of its search."""
    return any(rule.emit == "source" for rule in file.answer.rules)


POINTS = {
    point.name: point
    for point in (
        Point(
            "login",
            "the bridge distinguishes a guest's page from an account's, and reuses a stored login",
            kinds=BOTH,
            in_short=("kimi", "zai", "stepfun", "jimeng"),
        ),
        Point(
            "chat",
            "the site receives the prompt and the client receives the answer, each exactly as written",
        ),
        Point("stream", "pieces arrive while the site is still generating"),
        Point("stop", "generation stops on the site when the client disconnects"),
        Point(
            "turns",
            "a second turn continues the site's own conversation",
            in_short=("qwen", "chatglm", "minimax"),
        ),
        Point(
            "thinking",
            "thinking is switched on and off, and arrives separately from the answer",
            lambda file, _: file.thinking is not None,
            in_short=("kimi", "qwen", "chatglm"),
        ),
        Point(
            "search",
            "search is switched on and off",
            lambda file, _: file.search is not None,
            in_short=("kimi", "qwen", "chatglm"),
        ),
        Point(
            "sources",
            "the answer includes the sources of its search",
            lambda file, _: has_source(file),
            in_short=("kimi", "chatglm", "metaso"),
        ),
        Point("models", "the bridge selects the requested model", lambda file, _: file.model_menu is not None),
        Point(
            "files",
            "the prompt waits until the site has processed its files; the error names a refused file",
            lambda file, _: file.upload is not None,
            in_short=("kimi", "zai", "doubao"),
        ),
        Point("pictures", "the answer has links to the pictures once the job is done", kinds=("image",)),
        Point(
            "doctor",
            "`bridge doctor --site` finds each control, and the request in the page's scripts",
            kinds=BOTH,
            in_short=("kimi", "qwen", "spark", "jimeng"),
        ),
        Point(
            "rewrites",
            "an answer that is not streamed has the text as the site last rewrote it",
            lambda _, wire: rewrites(wire),
        ),
    )
}


def rewrites(wire: type[Wire]) -> bool:
    """Tell whether a site is known to change text that it has already sent."""
    return wire.rewritten is not Wire.rewritten


LATE = ("late_refusal", "error_after_end")
"""Refusals in the middle of an answer and after it, for sites that send refusals as frames."""


def faults_of(name: str) -> tuple[str, ...]:
    """Return the faults that tests play on a site: its own refusals, and those that any site can have."""
    wire = STAND_INS[name]
    more = ["captcha"] if wire.asks_at else []
    if isinstance(wire.refusals.get("busy"), bytes) and site_file(name).kind == "text":
        more += LATE
    own = [*(f for f in ("broken_frame", "unknown_frames") if getattr(wire, f.partition("_")[0])), *more]
    kind = site_file(name).kind
    always = [fault for fault in ALWAYS if kind == "text" or fault not in OF_STREAMS]
    return (*sorted(wire.refusals), *always, *own)


def sites_with(point: str) -> list[str]:
    """Return the sites that a point applies to."""
    return [name for name in SITES if POINTS[point].is_about(name)]


def short_sites(point: str) -> list[str]:
    """Return the sites on which `make test-sites` checks a point."""
    return [name for name in sites_with(point) if name in POINTS[point].in_short]


def long_sites(point: str) -> list[str]:
    """Return the sites on which only `make stress` checks a point."""
    return [name for name in sites_with(point) if name not in POINTS[point].in_short]


def table() -> Iterator[str]:
    """Yield the lines of the table of sites against points."""
    yield f"| site | {' | '.join(POINTS)} | faults | on the live site |"
    yield f"|---|{'---|' * (len(POINTS) + 2)}"
    for name in SITES:
        cells = [_cell(name, point) for point in POINTS]
        file = site_file(name)
        live = NEVER if NEVER in file.evidence else "tried"
        yield f"| {file.title} `{name}` | {' | '.join(cells)} | {len(faults_of(name))} | {live} |"


def _cell(name: str, point: str) -> str:
    return "yes" if name in sites_with(point) else "–"


def traps() -> Iterator[str]:
    """Yield the lines that list the traps and faults of each stand-in."""
    for name in SITES:
        yield f"- **{site_file(name).title}**: {'; '.join(STAND_INS[name].traps)}."
        yield f"  Faults: {', '.join(f'`{fault}`' for fault in faults_of(name))}."


def markdown() -> str:
    """Return the table, the meaning of its columns, and the traps and faults of the stand-ins."""
    meanings = [f"- *{point.name}*: {point.text}." for point in POINTS.values()]
    return "\n".join([*table(), "", *meanings, "", "### Traps and faults", "", *traps()])


if __name__ == "__main__":
    print(markdown())
