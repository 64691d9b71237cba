"""`bridge status` on a terminal that is too small for its tables: one line a row, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from bridge.printable import as_text

COLOURS = {"ready": "green", "asleep": "blue", "starting": "cyan", "resting": "yellow", "muted": "yellow"}
URGENCY = ("logged_out", "challenged", "broken", "muted", "resting", "paused", "held", "starting")
"""States and flags that keep chats away from an account, the worst first."""
NARROW = 72
"""Columns of a terminal below which a table would break words."""

_BLANK = {ord("\n"): " ", ord("\t"): " "}

State = Mapping[str, Any]


class Fitted:
    """Renders `whole` if the terminal has room for it, else as many rows as fit and the number of the others."""

    def __init__(self, whole: RenderableType, state: State, lost: str = "") -> None:
        self._whole = whole
        self._state = state
        self._lost = lost

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what fits."""
        width, height = options.size
        lines = console.render_lines(self._whole, options.update(height=None), pad=False)
        if width >= NARROW and len(lines) <= height:
            yield self._whole
        else:
            yield from _cut([_headline(self._state, self._lost), *_rows(self._state)], height)


def by_urgency(accounts: Iterable[State]) -> list[State]:
    """Return the accounts, the most urgent first."""
    return sorted(accounts, key=_urgency)


def state_with_flags(account: State) -> str:
    """Return the state of an account, and whether it is paused, held or busy."""
    flags = [flag for flag in ("paused", "held", "busy") if account.get(flag)]
    return ", ".join([account["state"], *flags])


def trouble(account: State) -> str:
    """Return the reason for an account's state, or else its last error."""
    error = account["last_error"]
    return account["reason"] or (f"{error['code']}: {error['message']}" if error else "")


def ago(moment: str | None) -> str:
    """Return how long ago a moment was."""
    return "" if moment is None else _span((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def ahead(moment: str | None) -> str:
    """Return how far ahead a moment is, or an empty text if it is past."""
    seconds = 0.0 if moment is None else (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    return f"in {_span(seconds)}" if seconds > 0 else ""


def _span(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _urgency(account: State) -> int:
    words = (account["state"], *(flag for flag in ("paused", "held") if account.get(flag)))
    return min((URGENCY.index(word) for word in words if word in URGENCY), default=len(URGENCY))


def _cut(lines: Sequence[Text], height: int) -> Sequence[Text]:
    """Return the lines that fit and how many are left out; the headline is the first to be dropped."""
    if len(lines) <= height:
        return lines
    begin = 0 if height > 2 else 1
    shown = lines[begin : begin + max(height - 1, 1)]
    return [*shown, _line(Text(f"… {len(lines) - begin - len(shown)} more", "dim"))][:height]


def _headline(state: State, lost: str) -> Text:
    bridge, accounts = state["bridge"], state["accounts"]
    if lost:
        return _line(Text(lost, "bold red"))
    ready = Text("ready", "green") if bridge["ready"] else Text("not ready", "bold red")
    number = sum(account["state"] == "ready" for account in accounts)
    asleep = sum(account["state"] == "asleep" for account in accounts)
    others = f", {asleep} asleep" if asleep else ""
    return _line(Text.assemble(ready, f"  {number} of {len(accounts)} accounts ready{others}"))


def _rows(state: State) -> Iterator[Text]:
    """Yield accounts that need attention, what runs and waits, then the rest."""
    accounts = by_urgency(state["accounts"])
    unwell = sum(_urgency(account) < len(URGENCY) for account in accounts)
    running = (_row(one["id"], (one["step"], ""), one["account"], ago(one["since"])) for one in state["running"])
    waiting = (_row(one["id"], ("waiting", ""), ago(one["since"])) for one in state["queue"])
    return chain(map(_account, accounts[:unwell]), running, waiting, map(_account, accounts[unwell:]))


def _account(account: State) -> Text:
    colour = COLOURS.get(account["state"], "red")
    place = f"on {account['node']}" if "node" in account else ""
    return _row(account["name"], (state_with_flags(account), colour), place, ahead(account["until"]), trouble(account))


def _row(name: str, word: tuple[str, str], *facts: str) -> Text:
    return _line(Text.assemble((name, "bold"), "  ", word, "  ", ("  ".join(filter(None, facts)), "dim")))


def _line(text: Text) -> Text:
    """Return `text` as one line, cut at the edge of the terminal."""
    line = text.copy()
    line.plain = as_text(text.plain).translate(_BLANK)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
