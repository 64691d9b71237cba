"""The options that set the limits of a key, and the text that shows limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from bridge.errors import SetupError

NONE = "none"
"""The value that removes a limit."""
COUNTS = ("requests_per_minute", "requests_per_day", "tokens_per_minute", "tokens_per_day", "parallel")


def _count(what: str) -> Any:
    return typer.Option(metavar="N", help=f"{what}; `none`: no limit.")


Expires = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="When the key expires: a span such as `30d`, a date, or `none`."),
]
Models = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Models that it may use, separated by commas; `none`: all.")
]
Accounts = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Accounts that it may use, separated by commas; `none`: all.")
]
RequestsMinute = Annotated[str | None, _count("Chats that it may start in a minute")]
RequestsDay = Annotated[str | None, _count("Chats that it may start in 24 hours")]
TokensMinute = Annotated[str | None, _count("Tokens of prompts and answers in a minute")]
TokensDay = Annotated[str | None, _count("Tokens of prompts and answers in 24 hours")]
Parallel = Annotated[str | None, _count("Chats at a time; further ones wait")]
Share = Annotated[int | None, typer.Option(metavar="N", help="Weight in the queue; a key without it has 1.")]


READERS: Mapping[str, Callable[[str, Any], object]] = {
    "expires": lambda _, text: _moment(text),
    "models": lambda _, text: _names(text),
    "accounts": lambda _, text: _names(text),
    "share": lambda _, number: number,
    **dict.fromkeys(COUNTS, lambda name, text: _number(name, text)),
}
"""The parsers of the options above, by the names of the limits."""


def given_limits(options: Mapping[str, Any]) -> dict[str, object]:
    """Return the limits among a command's options, by their names; raise `SetupError` for a value that is not one."""
    given = {name: options[name] for name in READERS if options[name] is not None}
    return {name: READERS[name](name, value) for name, value in given.items()}


def shown(limits: Mapping[str, object]) -> str:
    """Return limits on one line."""
    return ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in limits.items())


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(name: str, text: str) -> int | None:
    if text.lower() == NONE:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise SetupError(f"--{name.replace('_', '-')} must be a whole number or none, not {text!r}.")
    return int(text[:20])


def _moment(text: str) -> datetime | None:
    from bridge.durations import moment_of

    try:
        return None if text.lower() == NONE else moment_of(text, datetime.now(UTC), is_ahead=True)
    except (ValueError, OverflowError):
        message = f"--expires must be a span such as 30d, a date as 2027-01-31, or none, not {text!r}."
        raise SetupError(message) from None


def _names(text: str) -> list[str]:
    return [] if text.lower() == NONE else [name.strip() for name in text.split(",") if name.strip()]
