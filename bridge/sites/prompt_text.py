"""Compares the text that a page sends with the prompt: the same, an altered form, or another text; no I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import islice

NO_BREAK = "\u00a0"
TRIMMED = "".join(one for one in map(chr, range(0x3001)) if one.isspace()) + "\ufeff"
"""Characters that JavaScript's `trim` or Python's `strip` removes at the ends of a text."""
COMPARED = 5_000
"""Letters and digits of the shorter text that are looked up in the other one."""
STRETCH = 4
"""How many times as many letters and digits of the other text are searched."""


class AlteredPrompt(str):
    """A reason against a request that carries the prompt in an altered form.

    A page that changes quotes, spaces or lengths does so to some prompts; its account is not at fault.
    """

    __slots__ = ()


def as_typed(prompt: str) -> str:
    """Return the text as a text box holds it: every line break is a newline."""
    return prompt.replace("\r\n", "\n").replace("\r", "\n")


def difference(path: str, sent: str, prompt: str) -> str | None:
    """Return how the text at `path` of a request differs from the prompt, or None.

    Trimmed ends do not count, nor no-break spaces in place of spaces or the reverse, which editors produce.
    """
    if _plain(sent) == _plain(prompt):
        return None
    reason = f"its {path} is another prompt ({len(sent)} characters instead of {len(prompt)})"
    return AlteredPrompt(reason) if is_altered(sent, prompt) else reason


def is_altered(sent: str, prompt: str) -> bool:
    """Tell whether the text is an altered form of the prompt: one of them is the other with letters left out.

    If the prompt is complete and something was added, such as an old draft, the page is at fault, not the prompt.
    """
    if not sent.strip() or _plain(prompt) in _plain(sent):
        return False
    return _is_rest(sent, prompt) or _is_rest(prompt, sent)


def _plain(text: str) -> str:
    return as_typed(text).replace(NO_BREAK, " ").strip(TRIMMED)


def _is_rest(rest: str, text: str) -> bool:
    """Tell whether the letters and digits of `rest` are a subsequence of those of `text`."""
    left = islice(_letters(text), COMPARED * STRETCH)
    return all(letter in left for letter in islice(_letters(rest), COMPARED))


def _letters(text: str) -> Iterator[str]:
    return (letter for one in text for letter in unicodedata.normalize("NFKD", one.casefold()) if letter.isalnum())
