"""The content blocks of an answer in Anthropic's dialect, as stream events; a whole answer is built from them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from bridge.api.answer.citations import Citation
from bridge.api.answer.presenter import Fragment
from bridge.chat.types import Searched, Source
from bridge.tool_calls.answer_filter import ToolCall

Event = dict[str, Any]
"""A stream event."""
LONGEST_CITED = 150
"""Most characters of a source that a citation quotes."""


class ContentWriter:
    """Writes the pieces of one answer as blocks: consecutive pieces of one kind form one block."""

    def __init__(self, id: str, *, shows_thinking: bool, shows_search: bool) -> None:  # noqa: A002
        self._id = id
        self._shows_thinking, self._shows_search = shows_thinking, shows_search
        self._index = -1
        self._open = ""
        """The type of the open block, or empty."""
        self._thought = sha256()
        self._queries: dict[str, None] = {}
        self._found: dict[int, Source] = {}
        self._listed: set[int] = set()
        self.searches = 0
        """Number of searches in the blocks."""

    def searched(self, event: Searched) -> None:
        """Note the results of a search; their blocks come before the next piece."""
        if self._shows_search:
            self._queries.update(dict.fromkeys(event.queries))
            new = (source for source in event.sources if source.number not in self._listed)
            self._found.update((source.number, source) for source in new)

    def write(self, piece: Fragment, cited: Sequence[Citation] = ()) -> list[Event]:
        """Return the events of the next piece of the answer; `cited` are its citations."""
        if not (piece.text or piece.thinking or piece.call):
            return []
        events = self._searches() if self._found else []
        if piece.thinking:
            return events + self._think(piece.thinking)
        if piece.call:
            return events + self._call(piece.call)
        events += self._begin("text", text="", citations=[]) if self._open != "text" else []
        return [*events, self._delta("text_delta", text=piece.text), *map(self._cite, cited)]

    def finish(self) -> list[Event]:
        """Return the last events."""
        return (self._searches() if self._queries or self._found else []) + self._end()

    def _think(self, thinking: str) -> list[Event]:
        events = self._begin("thinking", thinking="", signature="") if self._open != "thinking" else []
        self._thought.update(thinking.encode("utf-8", "replace"))
        return [*events, self._delta("thinking_delta", thinking=thinking)] if self._shows_thinking else events

    def _call(self, call: ToolCall) -> list[Event]:
        id_ = call.id.replace("call_", "toolu_", 1)
        begin = self._begin("tool_use", id=id_, name=call.call.name, input={})
        return [*begin, self._delta("input_json_delta", partial_json=call.call.arguments), *self._end()]

    def _cite(self, citation: Citation) -> Event:
        source = citation.source
        cited = {"type": "web_search_result_location", "url": source.url, "title": source.title, "encrypted_index": ""}
        return self._delta("citations_delta", citation={**cited, "cited_text": source.snippet[:LONGEST_CITED]})

    def _searches(self) -> list[Event]:
        """Return the blocks of the queries and results since the last ones."""
        self.searches += 1
        id_ = f"srvtoolu_{self._id}{self.searches}"
        results = [_result(source) for source in self._found.values()]
        asked = {"query": ", ".join(self._queries)}
        self._listed |= self._found.keys()
        self._queries, self._found = {}, {}
        events = self._begin("server_tool_use", id=id_, name="web_search", input={})
        events += [self._delta("input_json_delta", partial_json=json.dumps(asked, ensure_ascii=False))]
        return events + self._begin("web_search_tool_result", tool_use_id=id_, content=results) + self._end()

    def _begin(self, kind: str, **block: object) -> list[Event]:
        events = self._end()
        self._index += 1
        self._open = kind
        begin = {"type": "content_block_start", "index": self._index, "content_block": {"type": kind, **block}}
        return [*events, begin]

    def _delta(self, kind: str, **delta: object) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, **delta}}

    def _end(self) -> list[Event]:
        if not self._open:
            return []
        events = [self._delta("signature_delta", signature=self._signature())] if self._open == "thinking" else []
        self._open = ""
        return [*events, {"type": "content_block_stop", "index": self._index}]

    def _signature(self) -> str:
        """Return the signature that clients expect beside thinking; it is not checked when it comes back."""
        thought, self._thought = self._thought, sha256()
        return base64.b64encode(b"bridge" + thought.digest()).decode()


def blocks_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return the blocks of a whole answer from its stream events."""
    blocks: list[dict[str, Any]] = []
    for event in events:
        match event:
            case {"type": "content_block_start", "content_block": block}:
                blocks.append({**block, **({"citations": []} if "citations" in block else {})})
            case {"type": "content_block_delta", "delta": delta}:
                _add(delta, blocks[-1])
    return blocks


def _add(delta: dict[str, Any], block: dict[str, Any]) -> None:
    match delta:
        case {"type": "text_delta", "text": text}:
            block["text"] += text
        case {"type": "thinking_delta", "thinking": thinking}:
            block["thinking"] += thinking
        case {"type": "signature_delta", "signature": signature}:
            block["signature"] = signature
        case {"type": "input_json_delta", "partial_json": given}:
            block["input"] = json.loads(given)
        case {"type": "citations_delta", "citation": citation}:
            block["citations"].append(citation)


def _result(source: Source) -> dict[str, Any]:
    found = {"url": source.url, "title": source.title, "encrypted_content": "", "page_age": None}
    return {"type": "web_search_result", **found}
