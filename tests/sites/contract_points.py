"""What the contract test tries on the stand-in of every site, and which sites have what a point is about.

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
"""Those that an answer cannot have which is a job."""
BOTH = ("text", "image")
NEVER = "never tried on the live site"


@dataclass(frozen=True)
class Point:
    """One promise, and which sites it is about."""

    name: str
    text: str
    applies: Callable[[SiteFile, type[Wire]], bool] = lambda _file, _wire: True
    kinds: tuple[str, ...] = ("text",)
    """Kinds of sites."""
    in_short: tuple[str, ...] = SITES
    """Sites on which `make test-sites` tries it, those least alike; on the others `make stress` does."""

    def is_about(self, name: str) -> bool:
        """Tell whether a site has what the point is about."""
        file = site_file(name)
        return file.kind in self.kinds and self.applies(file, STAND_INS[name])


def has_source(file: SiteFile) -> bool:
    """Tell whether a site tells what its search has found."""
    return any(rule.emit == "source" for rule in file.answer.rules)


POINTS = {
    point.name: point
    for point in (
        Point(
            "login",
            "a guest's page is told from an account's; a login is used again",
            kinds=BOTH,
            in_short=("kimi", "zai", "stepfun", "jimeng"),
        ),
        Point("chat", "the prompt leaves exactly as it was written, and the answer comes exactly as the site gave it"),
        Point("stream", "pieces arrive while the site still writes"),
        Point("stop", "a client that leaves stops the site"),
        Point(
            "turns",
            "a second turn goes on in the site's own conversation",
            in_short=("qwen", "chatglm", "minimax"),
        ),
        Point(
            "thinking",
            "thinking is switched on and off, and comes apart",
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
            "what a search found comes with the answer",
            lambda file, _: has_source(file),
            in_short=("kimi", "chatglm", "metaso"),
        ),
        Point("models", "the model is chosen that was asked for", lambda file, _: file.model_menu is not None),
        Point(
            "files",
            "files go with the prompt, which waits until they are read; a refused one is named",
            lambda file, _: file.upload is not None,
            in_short=("kimi", "zai", "doubao"),
        ),
        Point("pictures", "pictures come as links once the job is done", kinds=("image",)),
        Point(
            "doctor",
            "`bridge doctor --site` finds each control, and the request in the page's scripts",
            kinds=BOTH,
            in_short=("kimi", "qwen", "spark", "jimeng"),
        ),
        Point("rewrites", "text that the site changes is never silently wrong", lambda _, wire: rewrites(wire)),
    )
}


def rewrites(wire: type[Wire]) -> bool:
    """Tell whether a site is known to change what it has sent."""
    return wire.rewritten is not Wire.rewritten


LATE = ("late_refusal", "error_after_end")
"""Refusals in the middle of an answer and behind it, where the site has some that are frames."""


def faults_of(name: str) -> tuple[str, ...]:
    """Return the faults that are played on a site: its own refusals, and those that any site can have."""
    wire = STAND_INS[name]
    more = ["captcha"] if wire.asks_at else []
    if isinstance(wire.refusals.get("busy"), bytes) and site_file(name).kind == "text":
        more += LATE
    own = [*(f for f in ("broken_frame", "unknown_frames") if getattr(wire, f.partition("_")[0])), *more]
    kind = site_file(name).kind
    always = [fault for fault in ALWAYS if kind == "text" or fault not in OF_STREAMS]
    return (*sorted(wire.refusals), *always, *own)


def sites_with(point: str) -> list[str]:
    """Return the sites that a point is about."""
    return [name for name in SITES if POINTS[point].is_about(name)]


def short_sites(point: str) -> list[str]:
    """Return those of the sites that a point is about on which `make test-sites` tries it."""
    return [name for name in sites_with(point) if name in POINTS[point].in_short]


def long_sites(point: str) -> list[str]:
    """Return those on which only `make stress` tries it."""
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
    """Yield the lines that say what each stand-in has in store."""
    for name in SITES:
        yield f"- **{site_file(name).title}**: {'; '.join(STAND_INS[name].traps)}."
        yield f"  Faults: {', '.join(f'`{fault}`' for fault in faults_of(name))}."


def markdown() -> str:
    """Return the table, what its columns mean, and what the stand-ins have in store."""
    meanings = [f"- *{point.name}*: {point.text}." for point in POINTS.values()]
    return "\n".join([*table(), "", *meanings, "", "### Traps and faults", "", *traps()])


if __name__ == "__main__":
    print(markdown())
