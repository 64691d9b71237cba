"""What an error means for the account, the chat and the client, as `docs/faults.md` shows it."""

from __future__ import annotations

from bridge.errors import BridgeError
from bridge.pool.error_policy import REST, TABLE, AnotherTry, Rule

HEADER = "| error | what it says | the account | for | another try by the bridge | the client may send it again |"


def markdown() -> str:
    """Return the table as markdown: a row for each rule."""
    rule = "|" + "---|" * HEADER.count(" | ") + "---|"
    return "\n".join((HEADER, rule, *(_row(kind) for kind in TABLE)))


def _row(kind: type[BridgeError]) -> str:
    rule = TABLE[kind]
    meaning = (kind.__doc__ or "").partition(".")[0].partition("\n")[0]
    account = rule.state or "stays as it is"
    return f"| {kind.status} `{kind.code}` | {meaning} | {account} | {_span(rule)} | {_again(rule)} | {rule.retry} |"


def _span(rule: Rule) -> str:
    if rule.state is None:
        return ""
    named = "as the site says, else " if rule.named else ""
    if rule.rests:
        return (
            f"{named}{_seconds(REST * rule.rests)} (`pool.rest`{'' if rule.rests == 1 else f' / {1 / rule.rests:.0f}'})"
        )
    if not rule.pauses:
        return "until a new login or a check"
    return f"{named}{', '.join(map(_seconds, rule.pauses))}{', ...' if len(rule.pauses) > 1 else ''}"


def _again(rule: Rule) -> str:
    if rule.again is AnotherTry.NOWHERE or rule.refusal:
        return rule.again
    return f"{rule.again}, if nothing was sent"


def _seconds(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
