"""Parses JSON as models write it, and repairs it only if nothing that was written is lost or changed."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, NoReturn

from bridge.tool_calls.quote_repair import escape_quotes

FENCE = "```"
INFO = re.compile(r"[\w-]*[ \t\r]*")
"""The rest of a line that opens a code block."""
ENDS = ("}", "]", '"', "'", ",")
"""Text that ends otherwise may have been cut off, such as within a number."""
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
"""Strings of other languages that cannot become JSON by quoting: triple-quoted or concatenated ones."""
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
    """Raise a `ValueError` for `NaN` and `Infinity`, which only Python takes for JSON."""
    raise ValueError(f"{constant} is not JSON")


def finite(number: str) -> float:
    """Return a number as a float; raise a `ValueError` if it is too large for one."""
    return float(number) if math.isfinite(float(number)) else refuse(number)


DECODER = json.JSONDecoder(strict=False, parse_constant=refuse, parse_float=finite)
"""A decoder that accepts line breaks in strings."""


class Unreadable(Exception):
    """The model's text cannot be used; the message tells the model why."""


def loaded(text: str) -> Any:
    """Parse `text` as JSON, repaired if necessary; raise `Unreadable`."""
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
    """Return the content of a code block if `text` is one, else `text`."""
    text = text.strip()
    head, line_break, body = text.partition("\n")
    is_block = line_break and head.startswith(FENCE) and INFO.fullmatch(head, len(FENCE)) and body.endswith(FENCE)
    return body.removesuffix(FENCE).strip() if is_block else text


def _is_unescaped(text: str) -> bool:
    """Tell whether there is an escape that JSON does not know, so that no backslash may be meant as an escape."""
    return any(found not in REAL and len(found) < 2 and found != "'" for found in ESCAPED.findall(text))


def _literally(text: str) -> Any:
    """Parse JSON whose backslashes are literal, except perhaps those before quotes; raise `Unreadable`."""
    found = set(ESCAPED.findall(text))
    written = [text.replace("\\", "\\\\")]
    if '"' not in found:
        written.append(escape_quotes(written[0]))
    elif not found & {*"/bfnrt"} and all(len(one) < 2 for one in found):
        written.append(NOT_BEFORE_QUOTE.sub(r"\\\\", text))
    for one in written if not found & {"\\", "'"} else []:  # no two of them are valid with different values
        with suppress(ValueError, RecursionError):
            return _several(one)
    raise Unreadable(BACKSLASH)


def _rewritten(text: str) -> str:
    """Return `text` with JSON's quotes, commas and constants, and with the missing brackets at its end."""
    out: list[str] = []
    missing: list[str] = []
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ValueError("it cannot be made JSON")
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
    """Append a punctuation mark; drop a comma before a closing bracket, and add a missing one between brackets."""
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
    """Append a key or a value; add a comma that is missing before a key."""
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
    """Return an unquoted word as JSON: a key, a constant, or a string of one word."""
    word = token[0]
    if word in NO_WORDS or not (is_key or VALUE_ENDS.match(token.string, token.end())):
        raise ValueError(f"{word} is not JSON")
    return json.dumps(word) if is_key else WORDS.get(word) or json.dumps(word)


def _in_double(match: re.Match[str]) -> str:
    return match[1] if match[1] == "'" else '\\"' if match[2] else match[0]


def _several(text: str) -> Any:
    """Return the JSON value in `text`, or a list of several consecutive ones."""
    values, at = [], 0
    while at < len(text):
        value, at = DECODER.raw_decode(text, at)
        values.append(value)
        gap = GAP.match(text, at)
        at = gap.end() if gap else at
    if not values:
        raise ValueError("there is no value")
    return values[0] if len(values) == 1 else values


def is_json(body: str) -> bool:
    """Tell whether `body` is complete, valid JSON."""
    try:
        DECODER.decode(body)
    except (ValueError, RecursionError):
        return False
    return True


def in_string(body: str) -> bool:
    """Tell whether `body`, read as JSON, ends inside a string."""
    return body.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1


def json_end(text: str, start: int = 0) -> int:
    """Return the end of the JSON that begins after the gap at `start`; 0 if there is none."""
    gap = GAP.match(text, start)
    try:
        return DECODER.raw_decode(text, gap.end() if gap else start)[1]
    except (ValueError, RecursionError):
        return 0


def json_begins(text: str, start: int) -> bool:
    """Tell whether an object or a list begins at `start`, or after the gap there."""
    gap = GAP.match(text, start)
    return text.startswith(("{", "["), gap.end() if gap else start)
