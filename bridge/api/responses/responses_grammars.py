"""Checks the input of a custom tool against the client's grammar.

`llguidance` reads Lark grammars like OpenAI. Grammar and input are untrusted: its patterns take linear time, and a
check is abandoned if the grammar is too ambiguous or the check takes too long. It blocks other threads, so the input is
fed in small pieces.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

LONGEST_GRAMMAR = 16_384
"""Most characters of a grammar that is checked."""
LONGEST = 2.0
"""Seconds that a check may take."""
PIECE = 8
"""Bytes to feed at a time."""
MOST_ITEMS = 200
"""Most parser items at one position; the time for a byte grows with their square."""
MOST_STATES = 10_000
"""Most lexer states; each takes 2 kB."""
MOST_WORK = 50_000
"""Most lexer steps for a byte, which take a few milliseconds."""
SHOWN = 80
"""Most characters of a mismatch that the model is shown."""
SHOWN_PATTERN = 300
"""Most characters of a pattern that the model is shown."""


def regex_misfit(pattern: str, text: str) -> str | None:
    """Return why a text does not match a pattern, or None; a malformed or too large pattern matches everything."""
    whole = core_schema.str_schema(pattern=rf"\A(?:{pattern})\z", regex_engine="rust-regex")  # linear in the input
    try:
        SchemaValidator(whole).validate_python(text)
    except SchemaError:
        return None
    except ValidationError:
        return f"The input does not match the regular expression {pattern[:SHOWN_PATTERN]}"
    return None


def lark_misfit(grammar: str, text: str) -> str | None:
    """Return why a text does not match a Lark grammar, or None; a malformed or too costly one matches everything."""
    if len(grammar) > LONGEST_GRAMMAR or (matcher := _matcher(grammar)) is None:
        return None
    given, place, end = text.encode("utf-8", "replace"), 0, time.monotonic() + LONGEST
    while place < len(given):
        piece = list(given[place : place + PIECE])
        taken = matcher.try_consume_tokens(piece)
        place += taken
        if matcher.is_error() or time.monotonic() > end:
            return None
        if taken < len(piece):
            return _mismatch(given, place)
    return None if matcher.is_accepting() else "The input does not match the grammar: it ends too early."


def _matcher(grammar: str) -> LLMatcher | None:
    from llguidance import LLMatcher, LLParserLimits  # imported late, because it would slow down the start

    limits = LLParserLimits(
        max_items_in_row=MOST_ITEMS, step_lexer_fuel=MOST_WORK, max_lexer_states=MOST_STATES, verbose_errors=False
    )
    try:
        matcher = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(grammar), log_level=0, limits=limits)
    except ValueError:
        return None
    return None if matcher.is_error() else matcher


@cache
def _bytes() -> LLTokenizer:
    """Return the tokenizer whose tokens are bytes."""
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def _mismatch(given: bytes, place: int) -> str:
    line = given.count(b"\n", 0, place) + 1
    rest = given[place : place + 4 * SHOWN].decode("utf-8", "ignore")[:SHOWN]
    return f"The input does not match the grammar in line {line}, beginning here: {rest}"
