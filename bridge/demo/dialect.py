"""Tool calls in the dialect of the real site's model, with varying spelling.

<｜｜DSML｜｜ calls>
<｜｜DSML｜｜ invoke name="read">
<｜｜DSML｜｜ parameter name="path" string="true">a.txt</｜｜DSML｜｜ parameter>
</｜｜DSML｜｜ invoke>
</｜｜DSML｜｜ calls>
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

_BARS = ("｜｜", "｜｜", "｜｜", "｜", "|", "||", "‖", " ｜｜ ")
_GAPS = (" ", " ", " ", "", "\n")
_ENVELOPES = ("calls", "calls", "tool_calls", "function_calls", "tool_use", "")
_QUOTES = (('"', '"'), ('"', '"'), ("'", "'"), ("“", "”"))
_BREAKS = ("\n", "\n", " ", "")
_LEADS = ("", "", "I will look at it.\n\n", "\n\n")


def written(calls: Iterable[Mapping[str, Any]], random: Random) -> str:
    """Return calls, each with `name` and `arguments`, in a random spelling of the dialect."""
    speller = _Speller(random)
    body = speller.break_.join(speller.call(call["name"], call["arguments"]) for call in calls)
    envelope = random.choice(_ENVELOPES)
    end = random.choice((True, True, False))
    if envelope:
        body = speller.break_.join([speller.tag(envelope), body, *([speller.tag(f"/{envelope}")] if end else [])])
    return random.choice(_LEADS) + body


class _Speller:
    """One spelling of the tags, for one answer."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._bars, self._gap = random.choice(_BARS), random.choice(_GAPS)
        self._open, self._close = random.choice(_QUOTES)
        self.break_ = random.choice(_BREAKS)

    def tag(self, name: str, /, **attributes: str) -> str:
        """Return a tag; a slash before the name makes it an end tag."""
        slash = "/" if name.startswith("/") else ""
        rest = "".join(f" {key}={self._open}{value}{self._close}" for key, value in attributes.items())
        return f"<{slash}{self._bars}DSML{self._bars}{self._gap}{name.removeprefix('/')}{rest}>"

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return one call, with one tag per argument or all arguments as JSON."""
        inner = self._random.choice((self._tags, self._tags, self._json))(arguments)
        return self.break_.join([self.tag("invoke", name=name), *inner, self.tag("/invoke")])

    def _tags(self, arguments: Mapping[str, Any]) -> list[str]:
        return [self._argument(name, value) for name, value in arguments.items()]

    def _json(self, arguments: Mapping[str, Any]) -> list[str]:
        return [json.dumps(arguments, ensure_ascii=False)]

    def _argument(self, name: str, value: Any) -> str:
        is_text = isinstance(value, str)
        text = value if is_text else json.dumps(value, ensure_ascii=False)
        if is_text and "]]>" not in text and self._random.random() < 1 / 4:
            return f"{self.tag('parameter', name=name)}<![CDATA[{text}]]>{self.tag('/parameter')}"
        return f"{self.tag('parameter', name=name, string=str(is_text).lower())}{text}{self.tag('/parameter')}"
