"""Reads JSON as a model writes it, and repairs it only where nothing that was written gets lost or changes."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, NoReturn

from bridge.tool_calls.quote_repair import escape_quotes

FENCE = "```"
INFO = re.compile(r"[\w-]*[ \t\r]*")
"""What may follow the mark that opens a code block."""
ENDS = ("}", "]", '"', "'", ",")
"""Behind anything else the text may have been cut off: a number may have gone on."""
GAP = re.compile(r"[ \t\r\n,]*")
TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*+")
    | '(?P<single>(?:[^'\\]|\\.)*+)'
    | “(?P<curly>(?:[^”"\\]|\\.)*+)”
    | (?P<mark>[{}\[\],:])
    | (?P<number>-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?(?![\w$.-]))
    | (?P<word>[\w$][\w$.-]*+)
    | /\*[^"'*]*+\*/ | //[^"'\n]*+\n
    | \s++""",
    re.DOTALL | re.VERBOSE,
)
OTHER_STRINGS = re.compile(r'''[:\[{,]\s*+(?:"""|"(?:[^"\\]|\\.)*+"\s*+\+\s*+")''', re.DOTALL)
"""Strings of other languages that quotes alone would not make JSON: in three quotes, or put together."""
COLON = re.compile(r"\s*:")
VALUE_ENDS = re.compile(r"\s*(?:[,}\]]|\Z)")
EXCESS = re.compile(r"[\s}\]]*\Z")
IN_SINGLE = re.compile(r"""\\(.)|(")""", re.DOTALL)
CLOSING = {"{": "}", "[": "]"}
WORDS = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
NO_WORDS = ("NaN", "Infinity", "undefined")
ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.|\Z)", re.DOTALL)
REAL = frozenset('"\\/bfnrt')
NOT_BEFORE_QUOTE = re.compile(r'\\(?!")')
BACKSLASH = r"A backslash inside of a JSON string is written twice, as in C:\\new."


def refuse(constant: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which Python takes for JSON and nothing else does."""
    raise ValueError(f"{constant} is no JSON")


def finite(number: str) -> float:
    """Refuse numbers that are too large to be written down again."""
    return float(number) if math.isfinite(float(number)) else refuse(number)


DECODER = json.JSONDecoder(strict=False, parse_constant=refuse, parse_float=finite)
"""Reads JSON whose strings may hold line breaks."""


class Unreadable(Exception):
    """What was written cannot be used; the message tells the model why."""


def loaded(text: str) -> Any:
    """Return `text` as JSON, repaired if need be."""
    text = unfenced(text)
    if _is_unescaped(text):
        return _literally(text)
    candidates = (text,) if OTHER_STRINGS.search(text) else (text, escape_quotes(text))
    for candidate in candidates:
        with suppress(ValueError, RecursionError):
            return _several(candidate)
    if not text.startswith(("{", "[")) or not text.endswith(ENDS) or all(map(in_string, candidates)):
        raise Unreadable("It is not JSON, or breaks off.")
    for candidate in candidates:
        with suppress(ValueError, RecursionError):
            return _several(_rewritten(candidate))
    raise Unreadable("It is not valid JSON.")


def unfenced(text: str) -> str:
    """Return what is inside of a code block, if `text` is one."""
    text = text.strip()
    head, line_break, body = text.partition("\n")
    is_block = line_break and head.startswith(FENCE) and INFO.fullmatch(head, len(FENCE)) and body.endswith(FENCE)
    return body.removesuffix(FENCE).strip() if is_block else text


def _is_unescaped(text: str) -> bool:
    """Tell whether there is a backslash that JSON does not know, so that none may have been meant as JSON's."""
    return any(found not in REAL and len(found) < 2 and found != "'" for found in ESCAPED.findall(text))


def _literally(text: str) -> Any:
    """Return JSON whose backslashes stand for themselves; those before quotes may be meant as JSON's."""
    found = set(ESCAPED.findall(text))
    written = [text.replace("\\", "\\\\")]
    if '"' not in found:
        written.append(escape_quotes(written[0]))
    elif not found & {*"/bfnrt"} and all(len(one) < 2 for one in found):
        written.append(NOT_BEFORE_QUOTE.sub(r"\\\\", text))
    for one in written if not found & {"\\", "'"} else []:  # no two of them are valid and say different things
        with suppress(ValueError, RecursionError):
            return _several(one)
    raise Unreadable(BACKSLASH)


def _rewritten(text: str) -> str:
    """Return `text` with JSON's own quotes, commas and constants, and with the brackets that are missing at its end."""
    out: list[str] = []
    missing: list[str] = []
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ValueError("no JSON can be made of it")
        if token["mark"] in ("}", "]") and not missing and EXCESS.match(text, at):
            break
        at = token.end()
        if token.lastgroup == "mark":
            _mark(token["mark"], missing, out)
        elif token.lastgroup is not None:
            _value(token, out)
    _drop_comma(out)
    return " ".join(out) + "".join(reversed(missing))


def _mark(mark: str, missing: list[str], out: list[str]) -> None:
    """Write one of JSON's marks; a comma before a closing bracket is left out, one between brackets is put in."""
    if mark in CLOSING:
        missing.append(CLOSING[mark])
        if out and out[-1] in ("}", "]"):
            out.append(",")
    elif mark in ("}", "]"):
        _drop_comma(out)
        if not missing or missing.pop() != mark:
            raise ValueError("brackets do not match")
    out.append(mark)


def _drop_comma(out: list[str]) -> None:
    if out and out[-1] == ",":
        out.pop()


def _value(token: re.Match[str], out: list[str]) -> None:
    """Write a key or a value; a comma that is missing before a key is put in."""
    is_key = COLON.match(token.string, token.end()) is not None
    if is_key and out and out[-1] not in ("{", ","):
        out.append(",")
    match token.lastgroup:
        case "string":
            out.append(token[0].replace("\\'", "'"))
        case "single" | "curly":
            out.append(f'"{IN_SINGLE.sub(_in_double, token[token.lastgroup])}"')
        case "word":
            out.append(_word(token, is_key=is_key))
        case _:
            out.append(token[0])


def _word(token: re.Match[str], *, is_key: bool) -> str:
    """Return a word without quotes: a key, a constant, or a string of one word."""
    word = token[0]
    if word in NO_WORDS or not (is_key or VALUE_ENDS.match(token.string, token.end())):
        raise ValueError(f"{word} is no JSON")
    return json.dumps(word) if is_key else WORDS.get(word) or json.dumps(word)


def _in_double(match: re.Match[str]) -> str:
    return match[1] if match[1] == "'" else '\\"' if match[2] else match[0]


def _several(text: str) -> Any:
    """Return one JSON value, or a list of those that follow each other."""
    values, at = [], 0
    while at < len(text):
        value, at = DECODER.raw_decode(text, at)
        values.append(value)
        gap = GAP.match(text, at)
        at = gap.end() if gap else at
    if not values:
        raise ValueError("nothing there")
    return values[0] if len(values) == 1 else values


def is_json(body: str) -> bool:
    """Tell whether `body` is complete JSON as it stands."""
    try:
        DECODER.decode(body)
    except (ValueError, RecursionError):
        return False
    return True


def in_string(body: str) -> bool:
    """Tell whether the end of `body`, read as JSON, stands inside of a string."""
    return body.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1


def json_end(text: str, start: int = 0) -> int:
    """Return where the JSON ends that begins behind the gap at `start`; 0 where none does."""
    gap = GAP.match(text, start)
    try:
        return DECODER.raw_decode(text, gap.end() if gap else start)[1]
    except (ValueError, RecursionError):
        return 0


def json_begins(text: str, start: int) -> bool:
    """Tell whether an object or a list begins at `start`, or behind the gap between two values."""
    gap = GAP.match(text, start)
    return text.startswith(("{", "["), gap.end() if gap else start)
