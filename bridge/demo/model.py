"""The language model of the demo site: the same prompt always gets the same answer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from bridge.demo.dialect import written
from bridge.demo.script import Script

_DEFAULT_RESULTS: tuple[Mapping[str, Any], ...] = (
    {
        "url": "https://example.com/streams",
        "title": "Streams, one token at a time",
        "snippet": "Why an answer is sent while it is written.",
        "site_name": "Example",
    },
    {
        "url": "https://example.org/browsers",
        "title": "A short history of browsers",
        "snippet": "From text to tabs.",
        "site_name": "Example Org",
    },
    {
        "url": "https://example.net/流",
        "title": "什么是流式输出？",
        "snippet": "逐字显示的原理。",
        "site_name": "示例网",
    },
)
_WANTS_SEARCH = re.compile(r"\b(search|news|latest|today|weather)\b|搜索|新闻|天气|最新", re.IGNORECASE)
_MARK = re.compile(r"(\[(?:reference|citation):\d+\])")

_ANSWER = """You wrote: **{quote}**

I am the demo site's own little model. I always answer like this, so you can see that everything arrives:

1. **Markdown**, streamed token by token
2. Other scripts: 你好，世界 · こんにちは · مرحبا · Привет
3. Emoji: 🚀 👩‍💻 🇪🇺 ✅

```python
def greet(name: str) -> str:
    return f"Hello, {{name}}! 👋"
```

Read more on [example.com](https://example.com/)."""

_SEARCHED = """You asked: **{quote}**

I looked it up in three made-up pages. Answers are sent while they are written {a}, browsers have come a \
long way {b}, and 流式输出 is the same idea in Chinese {c}."""

_THINKING = """The user wrote: "{quote}". I should greet them and show what a stream can carry: \
**markdown**, code, 汉字 and emoji. Let me keep it short."""


_MARKED_UP = (
    *("\n\n## Part ", *("",) * 5),
    *("\n\nThere are **two things** to say: ", *("of it ",) * 15, "and `more` of it "),
    *("\n\n1. ", *("*so* ",) * 5, "\n2. ", *("",) * 5, "\n3. ", *("",) * 5),
    *("\n\n```python\ndef each(", *("",) * 3),
    *("\n    for item in (", "", "other, ", '"a word", ') * 4,
    *("\n        return self.count + ", "- ", "* other / ", "# what is left "),
    "\n```\n\nThat was ",
    *("",) * 10,
)
"""Prefixes of the made-up tokens of a Markdown answer, repeated in a cycle."""


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of text; `number` adds a stamp to it, `reference` is the number of the page that it cites."""

    text: str
    number: int | None = None
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """The contents of one answer, before it is encoded."""

    thinking: tuple[Token, ...] | None
    afterthought: tuple[Token, ...]  # more thinking, after the search
    results: tuple[Mapping[str, Any], ...] | None
    answer: tuple[Token, ...]
    title: str


def compose(prompt: str, script: Script, *, thinking: bool, search: bool) -> Composition:
    """Return the answer to a prompt: the script's, or else the model's own."""
    results = _results(prompt, script) if search else None
    thoughts = script.thinking if script.thinking is not None else _THINKING.format(quote=_quote(prompt))
    pause = _pause(thoughts) if results is not None else len(thoughts)
    return Composition(
        thinking=tuple(tokenize(thoughts[:pause], script.token_size)) if thinking else None,
        afterthought=tuple(tokenize(thoughts[pause:], script.token_size)),
        results=results,
        answer=tuple(_answer(prompt, script, results, "reference" if thinking else "citation")),
        title=script.title or _quote(prompt)[:24] or "New chat",
    )


def _pause(thoughts: str) -> int:
    """Return the index at which thinking pauses for a search: after the first space of its second half."""
    return thoughts.find(" ", len(thoughts) // 2) + 1 or len(thoughts)


def tokenize(text: str, size: int) -> Iterator[Token]:
    """Cut a text into tokens; a citation mark is a token of its own."""
    for part in _MARK.split(text):
        if _MARK.fullmatch(part):
            index = int(part.partition(":")[2][:-1])
            yield Token(part, reference=index if "reference" in part else None)
        else:
            yield from (Token(part[i : i + size]) for i in range(0, len(part), size))


def _answer(prompt: str, script: Script, results: tuple[Mapping[str, Any], ...] | None, style: str) -> Iterator[Token]:
    if script.echo:
        return tokenize(prompt, script.token_size)
    if script.tokens is not None:
        leads = itertools.cycle(_MARKED_UP if script.markdown else ("",))
        numbered = zip(range(script.tokens), leads, strict=False)
        return (Token(lead if script.stamp else f"{lead}word{n} ", n if script.stamp else None) for n, lead in numbered)
    if script.text is not None or script.calls is not None:
        text = (script.text or "") + _calls(prompt, script) + "".join(_marks(script.citations, len(results or ())))
        return tokenize(text, script.token_size)
    if results is not None and len(results) >= 3:
        a, b, c = _marks(style, 3)
        return tokenize(_SEARCHED.format(quote=_quote(prompt), a=a, b=b, c=c), script.token_size)
    return tokenize(_ANSWER.format(quote=_quote(prompt)), script.token_size)


def _calls(prompt: str, script: Script) -> str:
    if script.calls is None:
        return ""
    return written(script.calls, Random(prompt if script.seed is None else script.seed))


def _marks(style: str, count: int) -> list[str]:
    first = {"citation": 1, "reference": 0}.get(style)
    return [] if first is None else [f"[{style}:{first + i}]" for i in range(count)]


def _results(prompt: str, script: Script) -> tuple[Mapping[str, Any], ...] | None:
    if script.results is not None:
        return script.results
    scripted = replace(script, rate=None, first_byte=0.0, cut=None, fault="", params={}) != Script()
    return _DEFAULT_RESULTS if not scripted and _WANTS_SEARCH.search(_last_line(prompt)) else None


def _quote(prompt: str) -> str:
    """Return the last line of a prompt, without markup, shortened to 80 characters."""
    plain = re.sub(r"\[\[demo .*\]\]", "", _last_line(prompt))
    line = re.sub(r"[*`\[\]{}]", "", plain).strip()
    return line if len(line) <= 80 else line[:79] + "…"


def _last_line(prompt: str) -> str:
    lines = prompt.strip().splitlines()
    return lines[-1] if lines else ""
