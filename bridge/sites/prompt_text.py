"""What a page has made of a prompt: the same text, the same one altered, or something else; no I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import islice

NO_BREAK = "\u00a0"
TRIMMED = "".join(one for one in map(chr, range(0x3001)) if one.isspace()) + "\ufeff"
"""What `trim` of JavaScript takes away at the ends of a text, and what that of Python does."""
COMPARED = 5_000
"""Letters and digits of the text that may have lost some, which are looked for in the other one."""
STRETCH = 4
"""How many times as many of the other text are looked at."""


class AlteredPrompt(str):
    """A reason against a request: it carries the prompt, but not as it was given.

    A page that changes quotes, spaces or lengths does so to some prompts: that says nothing against its account.
    """

    __slots__ = ()


def as_typed(prompt: str) -> str:
    """Return a text as a text box holds it: every line break is a newline."""
    return prompt.replace("\r\n", "\n").replace("\r", "\n")


def difference(path: str, sent: str, prompt: str) -> str | None:
    """Return how the text that a request has at `path` differs from the prompt.

    A page may trim its ends, and editors make spaces of those that do not break a line, or the other way round.
    """
    if _plain(sent) == _plain(prompt):
        return None
    reason = f"its {path} is another prompt ({len(sent)} characters instead of {len(prompt)})"
    return AlteredPrompt(reason) if is_altered(sent, prompt) else reason


def is_altered(sent: str, prompt: str) -> bool:
    """Tell whether a text is what a page made of the prompt: one of them is the other one with letters left out.

    Where the prompt is whole and something was added, such as an old draft, the page is at fault, not the prompt.
    """
    if not sent.strip() or _plain(prompt) in _plain(sent):
        return False
    return _is_rest(sent, prompt) or _is_rest(prompt, sent)


def _plain(text: str) -> str:
    return as_typed(text).replace(NO_BREAK, " ").strip(TRIMMED)


def _is_rest(rest: str, text: str) -> bool:
    """Tell whether the letters and digits of `rest` are those of `text`, of which some may be left out."""
    left = islice(_letters(text), COMPARED * STRETCH)
    return all(letter in left for letter in islice(_letters(rest), COMPARED))


def _letters(text: str) -> Iterator[str]:
    return (letter for one in text for letter in unicodedata.normalize("NFKD", one.casefold()) if letter.isalnum())
