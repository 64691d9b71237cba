"""Builds one answer by the rules of a site file: matches of rules in, chat events out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote as percent_encoded

from bridge.chat.types import ChatEvent, Finish, FinishReason, Opened, Rewritten, Text, Thinking, Title, Withdrawn
from bridge.errors import SiteError
from bridge.sites.bibliography import Bibliography
from bridge.sites.drift import Drift
from bridge.sites.http_refusals import quote
from bridge.sites.outbox import Outbox
from bridge.sites.site_file.json_paths import JsonPath, as_id
from bridge.sites.site_file.refusal_rules import words_of
from bridge.sites.site_file.rules import Match
from bridge.sites.site_file.text_marks import TextMarks
from bridge.sites.site_file.text_parts import Mode, TextParts
from bridge.sites.site_file.wire_schema import Answer, Emit, Kind

_MOST_CONTAINERS = 1000
_LONGEST_URL = 8192
_UNSAFE = re.compile(r"[^!#$%&'*+,./:;=?@\[\]_~A-Za-z0-9-]")
"""Characters that would end an address within a link, or break its line."""


class AnswerState:
    """The answer so far.

    `said` and `thought` tell whether anything but white space was emitted. `reason` is set once a rule has ended the
    answer; the caller decides when to call `finish`.
    """

    def __init__(self, answer: Answer, drift: Drift) -> None:
        self._drift = drift
        self._sources = Bibliography()
        marks = TextMarks(answer.strip, answer.citation, self._cite)
        self._text = TextParts(marks, answer.holds)
        self._thinking = TextParts(TextMarks(answer.strip_thinking, None, self._cite), is_fixed=False)
        self._out = Outbox()
        self._ids: dict[str, str] = {}
        self._title = ""
        self._current: tuple[Kind, str] = ("text", "")
        self._containers: dict[str, Kind] = {}
        self._is_open = self._is_withdrawn = False
        self.said = self.thought = False
        self.reason: FinishReason | None = None
        self._handlers: Mapping[Emit, Callable[[Match], None]] = {
            "text": self._add_text,
            "thinking": self._add_text,
            "current": self._add_text,
            "message": self._set_id,
            "conversation": self._set_id,
            "title": self._set_title,
            "source": self._add_sources,
            "search": self._add_queries,
            "image": lambda match: self.show_images(match.values),
            "withdrawn": self._withdraw,
            "channel": self._set_channel,
            "finish": self._set_reason,
            "error": _raise_error,
            "ignore": _ignore,
        }

    @property
    def length(self) -> int:
        """Return how many characters the answer has so far."""
        return self._text.length

    def apply(self, match: Match) -> None:
        """Apply a rule's match in a frame; raise a `SiteError` if the rule reports an error of the site."""
        self._handlers[match.rule.emit](match)

    def show_images(self, addresses: Sequence[Any]) -> None:
        """Emit images as Markdown links, each on its own line."""
        for address in addresses:
            if link := image_link(address):
                lead = "\n\n" if self._text.length else ""
                self._write("text", lead + link, "delta", "images")
            else:
                self._drift.note("image")

    def release(self) -> None:
        """Emit the text held back, because the answer is complete."""
        self._emit("thinking", self._thinking.finish().text)
        if self._is_withdrawn:
            return
        emitted = self._text.finish()
        if emitted.is_rewrite:
            self._add(Rewritten(emitted.text))
        else:
            self._emit("text", emitted.text)

    def finish(self, reason: FinishReason) -> None:
        """Emit the end of the answer."""
        self._add(Finish(reason))

    def events(self) -> list[ChatEvent]:
        """Return the events emitted since the last call."""
        return self._out.empty()

    # Matches

    def _add_text(self, match: Match) -> None:
        compiled, _, values = match
        rule = compiled.rule
        value = values[0] if len(values) == 1 and type(values[0]) is str else _joined(values, rule.join)
        if rule.emit == "current":
            kind, key = self._current
        else:
            kind = "thinking" if rule.emit == "thinking" else "text"
            key = rule.part if compiled.key is None else _id_at(compiled.key, match) or rule.part
            if self._containers:
                kind = self._containers.get(_id_at(compiled.parent, match), kind)
            self._current = kind, key
        self._write(kind, value, rule.mode, key)

    def _set_channel(self, match: Match) -> None:
        kind: Kind = match.rule.rule.channel or "text"
        if match.rule.key is None:
            self._current = kind, match.rule.rule.part
        elif (key := _id_at(match.rule.key, match)) and len(self._containers) < _MOST_CONTAINERS:
            self._containers[key] = kind

    def _set_id(self, match: Match) -> None:
        if found := as_id(match.values[0]):
            self._ids.setdefault(match.rule.rule.emit, found)

    def _set_title(self, match: Match) -> None:
        title = _text(match.values[0])
        if title and title != self._title:
            self._title = title
            self._add(Title(title))

    def _add_sources(self, match: Match) -> None:
        fields = match.rule.fields
        for page in match.values:
            found = {name: path.first(page) for name, path in fields.items()}
            url = found.get("url")
            name = _name(found.get("name"))
            if isinstance(url, str) and url:
                source = self._sources.add(url, _text(found.get("title")), _text(found.get("snippet")), name)
                self._sources.name(source.number if name is None else name, source)
        self._emit_sources()

    def _add_queries(self, match: Match) -> None:
        for query in match.values:
            self._sources.add_query(_text(query))
        self._emit_sources()

    def _withdraw(self, match: Match) -> None:
        if not self._is_withdrawn:
            self._is_withdrawn = self.said = True
            self._add(Withdrawn(_joined(match.values, match.rule.rule.join)))

    def _set_reason(self, match: Match) -> None:
        self.reason = self.reason or match.rule.rule.reason

    # Events

    def _write(self, kind: Kind, value: str, mode: Mode, key: str) -> None:
        if kind == "thinking":
            changes = self._thinking.changes
            self._emit("thinking", self._thinking.take(value, mode, key).text)
            if self._thinking.changes > changes:
                self._drift.note("thinking differs")
        elif kind == "text" and not self._is_withdrawn:
            emitted = self._text.take(value, mode, key)
            if emitted.is_rewrite:
                self._drift.note("text differs")
                self._add(Rewritten(emitted.text))
            elif emitted.text:
                if self._thinking.is_holding:
                    self._emit("thinking", self._thinking.release())
                self._emit("text", emitted.text)

    def _emit(self, kind: Kind, text: str) -> None:
        if not text:
            return
        if not self._is_open:
            self._open()
        if kind == "thinking":
            self.thought = self.thought or not text.isspace()
            self._out.write(Thinking, text)
        else:
            self.said = self.said or not text.isspace()
            self._out.write(Text, text)

    def _add(self, event: ChatEvent) -> None:
        self._open()
        self._out.add(event)

    def _open(self) -> None:
        """Emit `Opened` with the first content: until then the site may still refuse the prompt."""
        if not self._is_open:
            self._is_open = True
            self._out.add(Opened(self._ids.get("conversation"), self._ids.get("message")))

    def _emit_sources(self) -> None:
        if news := self._sources.news():
            self._add(news)

    def _cite(self, name: str) -> str | None:
        source = self._sources.named(_name(name) or "")
        return f"[citation:{source.number}]" if source else None


def _raise_error(match: Match) -> None:
    values = match.rule.value.values(match.item) if match.rule.value else []
    said = _joined(values, " ") or words_of(match.item)
    raise SiteError(f"The site says: {quote(said)}" if said else "The site says that its answer failed.")


def _ignore(_: Match) -> None:
    pass


def image_link(address: Any) -> str:
    """Return an image as Markdown; an empty text if its address is not an http(s) URL."""
    if not isinstance(address, str) or len(address) > _LONGEST_URL or not address.startswith(("https://", "http://")):
        return ""
    return f"![]({_UNSAFE.sub(lambda match: percent_encoded(match[0], safe='', errors='replace'), address)})"


def _joined(values: Sequence[Any], join: str) -> str:
    if len(values) == 1:
        return _text(values[0])
    return join.join(value for value in values if isinstance(value, str))


def _id_at(path: JsonPath | None, match: Match) -> str:
    return "" if path is None else as_id(path.first(match.item))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any) -> int | str | None:
    """Return the name of a source in marks: a number, even if it is written as text, or a word."""
    name = as_id(value)
    return int(name) if name.isdecimal() and name.isascii() and len(name) < 10 else name or None
