"""Reads the simplest answers of site files: server-sent events that hold JSON documents, and text that only grows."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Text, Thinking
from bridge.sites.contract import Decoder
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.conditions import holds
from bridge.sites.site_file.json_paths import JsonPath, as_id
from bridge.sites.site_file.schema import SiteFile
from bridge.sse import SSEDecoder


class PlainDecoder(Decoder):
    """Applies the rules that emit text, thinking, a conversation's or message's id, and the end."""

    def __init__(self, site: SiteFile) -> None:
        self._rules = site.answer.rules
        self._parser = SSEDecoder()
        self._ids: dict[str, str] = {}
        self._is_open = False

    def begin(self, response: PageResponse) -> None:
        """Start a response."""
        self._parser = SSEDecoder()

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Return the events of the frames that the bytes complete."""
        events = [event for frame in self._parser.feed(data) for event in self._read(parse_json(frame.data))]
        if events and not self._is_open:
            self._is_open = True
            return [Opened(self._ids.get("conversation"), self._ids.get("message")), *events]
        return events

    def end(self) -> Sequence[ChatEvent]:
        """Return nothing more: the end of the answer is a frame."""
        return ()

    def _read(self, document: object) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        for rule in self._rules:
            if not holds(rule.when, document):
                continue
            value = JsonPath(rule.value).first(document) if rule.value else None
            match rule.emit:
                case "finish":
                    events.append(Finish())
                case "conversation" | "message" if value is not None:
                    self._ids[rule.emit] = as_id(value)
                case "text" if isinstance(value, str) and value:
                    events.append(Text(value))
                case "thinking" if isinstance(value, str) and value:
                    events.append(Thinking(value))
        return events
