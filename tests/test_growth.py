"""Work on text of a client, a model or a page grows as the text does, and no faster.

Each pattern of the bridge is found by itself and run, in the way it is used, over text that its own parts are made
of. Functions that go over text stand in the table `ROWS`: to add one, say how to build `n` characters that hurt it.
"""

from __future__ import annotations

import ast
import pkgutil
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bridge
from bridge.api.answer.citations import CitationFilter
from bridge.api.answer.markdown import Fence, tame_html
from bridge.api.answer.stop import StopFilter
from bridge.api.answer.text_filter import JsonFilter, PlainTextFilter
from bridge.api.attachments.file_parts import read_attachment
from bridge.chat.history_digests import digest
from bridge.chat.prompt import looks_like_label, render
from bridge.chat.system_changes import news, outline
from bridge.chat.text_direction import changes
from bridge.chat.tokens.estimate import Estimate
from bridge.chat.tokens.vocabularies import tokenizer_of
from bridge.chat.types import Message, Source
from bridge.errors import RequestError
from bridge.sse import SSEDecoder
from bridge.tool_calls.answer_filter import ToolCallFilter
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.json_repair import Unreadable, loaded
from bridge.tool_calls.notation import Tool, Toolbox
from bridge.tool_calls.parser import CallParser
from bridge.tool_calls.quote_repair import escape_quotes

pytestmark = pytest.mark.slow

kinds: Any = import_module("re._constants")
parser: Any = import_module("re._parser")
"""How `re` itself reads a pattern; it has no public door to it."""
SIZE = 4_000
"""Characters: work that grows with their square takes far longer than `QUICK`."""
PIECE = 16
"""Characters of a piece, where a text comes in pieces."""
STEEP = 8.0
"""Four times the text may take this much longer: twice of what it should, half of what squares would."""
QUICK = 0.004
"""Seconds of the processor: less than that is no growth worth looking at."""
SUSPECT = QUICK / 40
"""The same for a quarter of the text, over which patterns are run first: of what grows with the square, a bit more."""
TRIES = 5
METHODS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "subn", "split")
ELSEWHERE = ("__main__", "bridge.demo", "bridge.bench")
"""What sees no text of strangers, or belongs to the tests."""


@dataclass(frozen=True, slots=True)
class Row:
    """A function, and how to build text of a size that hurts it."""

    name: str
    run: Callable[[str], object]
    text: Callable[[int], str]


def times(unit: str, before: str = "", behind: str = "") -> Callable[[int], str]:
    """Return how to build text of `unit`, again and again."""
    return lambda size: before + unit * (size // len(unit)) + behind


TOOLBOX = Toolbox((Tool("weather", "", {"properties": {"city": {"type": "string"}}, "required": ["city"]}),))


def filter_answer(text: str) -> None:
    """Look for calls in a text that arrives at once."""
    parser = CallParser(TOOLBOX)
    parser.feed(text)
    parser.end()


def heard_in_pieces(text: str) -> None:
    """Look for calls in a text that arrives in small pieces, with tools and JSON together."""
    call_filter = JsonFilter(JsonForm(), ToolCallFilter(TOOLBOX, 1 << 62, "x"))
    for at in range(0, len(text), PIECE):
        call_filter.feed(text[at : at + PIECE])


OPENED = '<invoke name="weather"><parameter name="city">'
CALLS = {
    "opening brackets": times("<"),
    "opening tags": times("<tool_call>", "", '"}'),
    "opening tags on lines": times("<tool_call>\n"),
    "opening tags on lines that stay open": times("<tool_call>\nx\n"),
    "words in tags": times("<tool_call> words "),
    "end tags": times("</tool_call>", "<tool_call>"),
    "end tags in a string": times("</tool_call>", '<tool_call>{"a": "', '"}</tool_call>'),
    "an odd quote in each call": times('<tool_call>{"</tool_call>\n'),
    "an odd quote in the first call": times('<tool_call>{""</tool_call>\n', '<tool_call>{"</tool_call>'),
    "open braces": times("<tool_call>{"),
    "native tags": times("<｜｜DSML｜｜ calls>\n<｜｜DSML｜｜ invoke name='weather'>\n"),
    "native tags that break off": times("<｜｜DSML｜｜"),
    "values without end": times(OPENED),
    "values without end on lines": times('<invoke name="weather">\n<parameter name="city">\n'),
    "values without end, and one end": times(OPENED, "", "</parameter> x"),
    "values of a placeholder, and one end": times(OPENED.replace("weather", "tool"), "", "</parameter> x"),
    "arguments without end": times('<parameter name="city">', '<invoke name="weather">', "</invoke>"),
    "ends of arguments": times("</parameter> ", OPENED),
    "arguments that stand there again": times('<parameter name="city">x</parameter>', '<invoke name="weather">'),
    "calls without end": times('<invoke name="weather"><parameter name="city">x</parameter> y '),
    "calls without end, and one end": times('<invoke name="weather"><parameter name="city">x</parameter> y ', "", '"}'),
    "code blocks of JSON": times('```json\n{"name": "weather", "x": "\n'),
    "envelopes": times("<calls>"),
    "attributes without end": times('<tool_call a="'),
    "fields": times("<weather><city>"),
    "keys": times("<arg_key>city</arg_key><arg_value>"),
    "names": times("<tool_call>weather\n<city>"),
    "tokens": times("<|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"),
    "values with plain ends": times("</parameter>\n", "<|DSML|invoke name='weather'><|DSML|parameter name='city'>"),
    "CDATA": times("<![CDATA[", "<tool_call>"),
    "entities": times("&lt;", OPENED, "</parameter></invoke>"),
    "code blocks": times("```\n"),
    "code blocks of half a call": times('```\n<tool_call>{"\n```\n'),
    "code blocks of values without end": times(f"```\n{OPENED}\n```\n", "", "</parameter> x"),
    "ticks": times("` "),
    "tags in a long line": times("a <tool_call> "),
    "examples": times('for example:\n<tool_call>{"name": "fly"}</tool_call>\n'),
    "calls": times('<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>\n'),
    "one long call": times("word ", f"<tool_call>{OPENED}", "</parameter></invoke></tool_call>"),
    "one long string": times("word ", '{"name": "weather", "arguments": {"city": "', '"}}'),
    "text": times("word "),
    "line breaks": times("\n"),
    "brackets of other languages": times("«tool_call» "),
    "brackets of other languages that stay open": times("«｜invoke "),
    "square brackets": times("[TOOL_CALLS]["),
    "names in square brackets": times("[TOOL_CALLS]weather[CALL_ID]a[ARGS]{"),
    "heads of messages": times("<|start|>a<|channel|>to=weather "),
    "heads of messages, and JSON": times("<|channel|>commentary to=functions.weather {"),
    "heads of messages that break off": times("<|start|>", "", "<|channel"),
    "prefixes": times("<a:b:"),
    "bold tags": times("**<tool_call>**\n"),
    "emphasis": times("*"),
    "emphasis behind a tag": times("**", "<tool_call>"),
    "attributes": times('<weather city="Rome"/>\n'),
    "JSON on lines": times('{"name": "weather", "arguments": {"city": "Rome"}}\n', "I look.\n"),
    "JSON on lines, and text": times('{"name": "weather", "arguments": {"city": "Rome"}}\nx\n', "I look.\n"),
    "JSON on lines that breaks off": times('{"name": "weather", "arguments": {"city": "\n', "I look.\n"),
    "open braces on lines": times("{\n", "I look.\n"),
    "envelopes that only their marks make known": times("<｜DSML｜x>"),
    "programs": times("weather(", "["),
    "a program": times('weather(city="Rome"), ', "[", "]"),
    "a program of brackets": times("[", "<tool_call>weather(city="),
    "names behind colons": times("<function:weather>"),
    "names apart": times("<tool>weather</tool>"),
    "names apart, and braces": times("<tool>weather</tool>{"),
    "tags of names": times("<tool_name>weather</tool_name>\n"),
    "unknown tags around JSON": times('<x>{"name": "weather", "arguments": {}}</x>\n', "I look.\n"),
    "unknown tags on lines": times("<x>\n<y> "),
    "one string without end in each call": times('<tool_call>{"a": "b</tool_call>\n'),
    "indented calls of others": times('    <tool_call>{"name": "fly"}</tool_call>\nx\n'),
}


def refused(run: Callable[[str], object]) -> Callable[[str], object]:
    """Return `run`, which may say that it cannot read the text."""

    def tried(text: str) -> object:
        try:
            return run(text)
        except Unreadable as unreadable:
            return unreadable

    return tried


LOADED = refused(loaded)
READ = refused(JsonForm({"type": "object", "required": ["x"]}).read)
HOSTILE = {
    "blanks": times(" ", '{"a": ', "x"),
    "line breaks": times("\n", "{", "}"),
    "quotes": times('"', "{", "}"),
    "escaped quotes": times('\\"', '{"a": "', '"}'),
    "backslashes": times("\\", '{"a": "', '"}'),
    "open brackets": times("[", "", "]"),
    "open braces": times('{"a":', "", "}"),
    "braces": times("{", "", "}"),
    "closers": times("}", "{"),
    "commas": times(",", "[", "]"),
    "commas and blanks": times(", ", "[", "]"),
    "blanks before quotes": times('" ', '{"a": "', '"}'),
    "quote, many blanks": lambda size: '{"a": "' + ('"' + " " * 200) * (size // 200) + '"}',
    "words in quotes": times('"word" ', '{"a": "', '"}'),
    "members unquoted": times("a: b, ", "{", "}"),
    "members in single quotes": times("'a': 'b', ", "{", "}"),
    "members with a broken one": times('"a": "b "c" d", ', "{", "}"),
    "items cut off": times('{"a": "b"}, ', "[", "x]"),
    "values without end": times('"a": {"b": [', "{", "}"),
    "values one after the other": times('{"a": 1} ', ""),
    "numbers": times("1", "[", "x]"),
    "comments": times("/* ", "{", "}"),
    "line comments": times("// x\n", "{", "}"),
    "hashes": times("#", "{", "}"),
    "fences": times("```\n", "{", "}"),
    "fences with bodies": times('```json\n{"a"\n```\n'),
    "fences without end": times("```json\n{}\n"),
    "ticks": times("`", "{", "}"),
    "colons": times(":", "{", "}"),
    "code points": times("\\u12", '{"a": "', '"}'),
    "text around JSON": times('Say {"a": "b"} and ["c"]. '),
    "one broken value of length": times("word ", '{"a": "x "y" ', '"}'),
    "lines in a value": times("line\n", "{'a': '", "'}"),
}
LINES = {
    "line breaks": times("\n"),
    "blank lines": times(" \n"),
    "rows": times("="),
    "rows in lines": times("=== \n"),
    "labels": times("=== User ===\n"),
    "marks": times("\u0301", "a"),
    "unseen": times("\u200b", "=", "= User"),
    "changes of direction": times("aא! "),
    "signs between directions": times("!", "א", "a"),
    "ends of sentences": times(". "),
    "full stops": times("."),
    "blanks": times(" ", ".", "x"),
    "folded thinking": times("<details>"),
    "thinking": times("<think>"),
    "sources": times("\n**Sources**"),
    "citations": times("[citation:1"),
    "brackets": times("<", "", "tool"),
}
OVER_LINES: dict[str, Callable[[str], object]] = {
    "prompt": lambda text: render([Message("user", text)] * 3),
    "look-alikes": looks_like_label,
    "directions": changes,
    "digest": lambda text: digest([Message("assistant", text)]),
    "outline": lambda text: outline([Message("system", text)]),
    "news": lambda text: news(b"x" * 80, [Message("system", text)]),
}
PIECES = {
    "letters": times("a"),
    "line breaks": times("\n"),
    "marks begun": times("[citation:1"),
    "tags begun": times("</"),
    "fences": times("```\n"),
}


def by_character(make: Callable[[], Callable[[str], object]]) -> Callable[[str], object]:
    """Return how to hand a text, character by character, to what `make` returns."""

    def run(text: str) -> object:
        take = make()
        return [take(char) for char in text]

    return run


def into_events() -> Callable[[str], object]:
    decoder = SSEDecoder()
    return lambda char: decoder.feed(char.encode())


TAKERS: dict[str, Callable[[], Callable[[str], object]]] = {
    "stop sequences": lambda: StopFilter(("a" * 8, "</x>", "\n\n\n"), Estimate().limit(1 << 40)).text,
    "a count of tokens": lambda: tokenizer_of("deepseek").count().add,
    "citations": lambda: CitationFilter("link", {1: Source(1, "https://a.example", "A")}).feed,
    "fences": lambda: Fence().feed,
    "HTML": lambda: tame_html().feed,
    "JSON that is held": lambda: JsonFilter(JsonForm(), PlainTextFilter()).feed,
    "server-sent events": into_events,
}
TOKENS = {
    **{name: times(unit) for name, unit in (("a letter", "x"), ("blanks", " "), ("lines", "\n \n"), ("bars", "<｜"))},
    "words and blanks": times("a", "  \n"),
    "Chinese": times("好国"),
    "control characters": times("\0"),
}
FILES = {
    "separators": times("/", "a", "b"),
    "unseen marks": times("\u202e"),
    "dots": times(".", "a"),
    "dots and blanks": times(". "),
    "parameters of a data URL": times(";a", "data:x/y", ",a"),
    "escapes in a data URL": times("%4", "data:x/y;base64,"),
    "padding": times("=", "data:x/y;base64,"),
    "blanks in base64": times("A \n", "data:x/y;base64,"),
    "an address of percents": times("%2", "http://a/"),
}


def file_in(text: str) -> object:
    """Read a file of a message, whose name or content the text is."""
    try:
        return read_attachment({"type": "file", "file": {"file_data": text, "filename": text}}, "")
    except RequestError as error:
        return error


ROWS = [
    *(Row(f"files in messages: {name}", file_in, text) for name, text in FILES.items()),
    *(
        Row(f"{what} in pieces: {name}", by_character(make), text)
        for what, make in TAKERS.items()
        for name, text in PIECES.items()
    ),
    *(Row(f"{what}: {name}", run, text) for what, run in OVER_LINES.items() for name, text in LINES.items()),
    *(Row(f"calls: {name}", filter_answer, text) for name, text in CALLS.items()),
    *(Row(f"calls in pieces: {name}", heard_in_pieces, text) for name, text in CALLS.items()),
    *(Row(f"repair of JSON: {name}", LOADED, text) for name, text in HOSTILE.items()),
    *(Row(f"JSON in an answer: {name}", READ, text) for name, text in HOSTILE.items()),
    *(
        Row(f"tokens: {name}", lambda text: tokenizer_of("deepseek").tokens(text), text)
        for name, text in TOKENS.items()
    ),
    *(Row(f"quotes: {name}", escape_quotes, text) for name, text in HOSTILE.items()),
]


def named(rows: Sequence[Any]) -> list[Any]:
    """Return the rows as parameters of a test, under their names."""
    return [pytest.param(row, id=row.name) for row in rows]


@pytest.mark.parametrize("row", named(ROWS))
def test_functions_over_text_take_time_as_it_grows(row: Row) -> None:
    assert_even(row.run, row.text)


def spent(run: Callable[[str], object], text: str) -> float:
    """Return how many seconds of the processor it takes."""
    begun = time.thread_time()
    run(text)
    return time.thread_time() - begun


def assert_even(run: Callable[[str], object], text: Callable[[int], str]) -> None:
    """Fail where four times the text takes much more than four times as long."""
    for size in (SIZE // 8, SIZE):
        more = spent(run, text(4 * size))
        if more <= QUICK:
            continue
        less = spent(run, text(size))
        if more <= STEEP * less:
            continue
        # both in turns, because what else the machine does slows both down
        tries = [(spent(run, text(size)), spent(run, text(4 * size))) for _ in range(TRIES)]
        less, more = sorted(tries, key=lambda one: one[1] / one[0])[TRIES // 2]
        assert more <= max(STEEP * less, QUICK), f"{4 * size} of {text(40)!r}: {less:.4f} s became {more:.4f} s"


# Patterns


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern of the bridge, and the methods by which it is used."""

    name: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


@cache
def sources() -> dict[str, ast.Module]:
    """Return the modules with patterns that see text of strangers."""
    names = [module.name for module in pkgutil.walk_packages(bridge.__path__, "bridge.")]
    kept = [name for name in names if not any(part in name for part in ELSEWHERE)]
    modules = {name: import_module(name) for name in kept}
    files = {name: module.__file__ for name, module in modules.items() if has_patterns(module)}
    return {name: ast.parse(Path(file).read_text("utf-8")) for name, file in files.items() if file}


def has_patterns(module: ModuleType) -> bool:
    """Tell whether a module has patterns, its own or others'; only those have to be read."""
    return any(isinstance(value, re.Pattern) for value in vars(module).values())


def patterns() -> Iterator[Found]:
    """Yield the patterns that stand in modules, each where it was made."""
    for module, tree in sources().items():
        known = vars(import_module(module))
        for node in tree.body:
            for target in node.targets if isinstance(node, ast.Assign) else ():
                pattern = known.get(target.id) if isinstance(target, ast.Name) else None
                if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
                    yield Found(f"{module}.{ast.unparse(target)}", pattern, frozenset(uses()[id(pattern)]))


@cache
def uses() -> dict[int, set[str]]:
    """Return the methods that are called on each pattern, by its id; one that is handed on may be searched for."""
    found = defaultdict[int, set[str]](set)
    for module, tree in sources().items():
        known = {
            name: id(value) for name, value in vars(import_module(module)).items() if isinstance(value, re.Pattern)
        }
        for name, method in loads(tree) if known else ():
            if name in known:
                found[known[name]].add(method if method in METHODS else "search")
    return found


def loads(tree: ast.Module) -> set[tuple[str, str]]:
    """Return which names a module uses, and which of their attributes; no attribute: the thing itself."""
    nodes = list(ast.walk(tree))
    owners = {id(node.value): node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return {(node.id, owners.get(id(node), "")) for node in names if owners.get(id(node)) != "pattern"}


def samples(parsed: Any) -> Iterator[str]:
    """Yield texts that match a parsed pattern, a few for each choice in it."""
    texts = [""]
    for kind, value in parsed:
        parts = list(islice(_samples_of(kind, value), 6))
        texts = [text + part for text in texts for part in parts][:24]
    yield from texts


def _samples_of(kind: Any, value: Any) -> Iterator[str]:
    match kind:
        case kinds.LITERAL:
            yield chr(value)
        case kinds.ANY | kinds.NOT_LITERAL:
            yield "x" if value != ord("x") else "y"
        case kinds.IN:
            yield _one_of(value)
        case kinds.BRANCH:
            for branch in value[1]:
                yield from islice(samples(branch), 2)
        case kinds.SUBPATTERN | kinds.ATOMIC_GROUP:
            yield from samples(value[-1] if isinstance(value, tuple) else value)
        case kinds.MAX_REPEAT | kinds.MIN_REPEAT | kinds.POSSESSIVE_REPEAT:
            least, _, inner = value
            yield from (text * max(1, min(least, 8)) for text in samples(inner))
        case _:
            yield ""


CATEGORIES = {
    kinds.CATEGORY_SPACE: " ",
    kinds.CATEGORY_DIGIT: "1",
    kinds.CATEGORY_WORD: "w",
    kinds.CATEGORY_NOT_SPACE: "x",
    kinds.CATEGORY_NOT_WORD: "-",
    kinds.CATEGORY_NOT_DIGIT: "x",
}


def _one_of(members: Any) -> str:
    """Return a character of a set."""
    excluded = {value for kind, value in members if kind is kinds.LITERAL}
    for kind, value in members:
        match kind:
            case kinds.NEGATE:
                return next(char for char in "xyz-=0" if ord(char) not in excluded)
            case kinds.LITERAL:
                return chr(value)
            case kinds.RANGE:
                return chr(value[0])
            case kinds.CATEGORY:
                return CATEGORIES[value]
    return "x"


def hostile(pattern: re.Pattern[str]) -> Iterator[Callable[[int], str]]:
    """Yield ways to build text that keeps beginning to match: beginnings repeated, and drawn out."""
    whole = list(islice(samples(parser.parse(pattern.pattern, pattern.flags)), 24))
    beginnings = dict.fromkeys(text[:end] for text in whole for end in range(min(len(text), 60) + 1))
    units = list(dict.fromkeys([*" \n\t\r", "\u2028", *"aw10", *"".join(whole)]))[:30]
    for beginning in list(beginnings)[:120]:
        if beginning:
            yield times(beginning)
            yield times(beginning + "\n")
        for unit in units:
            yield times(unit, beginning, "\0")
    for text in whole:
        yield times(text)


def ways(found: Found) -> Iterator[Callable[[str], object]]:
    """Yield how to run a pattern over text as it is used."""
    pattern = found.pattern
    if found.methods - {"match", "fullmatch"}:
        yield lambda text: sum(1 for _ in pattern.finditer(text))
    if "match" in found.methods:
        yield pattern.match
    if "fullmatch" in found.methods:
        yield pattern.fullmatch


@pytest.mark.parametrize("found", named(list(patterns())))
def test_patterns_take_time_as_the_text_grows(found: Found) -> None:
    for run in ways(found):
        for text in hostile(found.pattern):
            if spent(run, text(SIZE // 4)) > SUSPECT and spent(run, text(SIZE)) > QUICK / 4:
                assert_even(run, text)


def test_the_patterns_are_found_with_their_uses() -> None:
    found = {one.name: one.methods for one in patterns()}
    assert len(found) > 40
    assert found["bridge.tool_calls.quote_repair.STEP"] == {"search"}
    assert found["bridge.chat.tokens.estimate.WIDE"] == {"sub", "match"}
    assert found["bridge.storage.file_store.ID"] == {"fullmatch"}


@pytest.mark.parametrize("pattern", [r"\s+x", r"^\s*(=+)", r"(a+)b", r"a.*?b.*?c", r"<a[^>]*>x"])
def test_a_pattern_that_grows_with_the_square_is_caught(pattern: str) -> None:
    with pytest.raises(AssertionError):
        test_patterns_take_time_as_the_text_grows(
            Found("", re.compile(pattern, re.MULTILINE | re.DOTALL), frozenset({"search"}))
        )
