"""The output items of a response, each with its stream events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Protocol

from bridge.api.answer.citations import Citation
from bridge.api.responses.responses_object import Item, output_text, summary_text
from bridge.api.responses.responses_tools import ToolNames, read_custom
from bridge.chat.types import Searched
from bridge.tool_calls.answer_filter import ToolCall

Event = dict[str, Any]
ItemEvent = Callable[..., Event]
"""Creates an event from a type and fields, with the place of its item."""


class OpenItem(Protocol):
    """An item that is being written; the events of `open` come first, those of `close` last."""

    id: str

    def open(self, event: ItemEvent) -> Iterator[Event]:
        """Yield the first events."""
        ...

    def close(self, event: ItemEvent, status: str) -> Iterator[Event]:
        """Yield the last events, except the one with the whole item."""
        ...

    def item(self, status: str) -> Item:
        """Return the item in its current state."""
        ...


class MessageItem:
    """The text of an answer; `start` is its offset in the answer's whole text."""

    def __init__(self, id: str, start: int) -> None:  # noqa: A002
        self.id, self._start = id, start
        self._pieces: list[str] = []
        self._annotations: list[dict[str, Any]] = []

    def open(self, event: ItemEvent) -> Iterator[Event]:
        """Yield the events of the beginning."""
        yield event("response.output_item.added", item={**self.item("in_progress"), "content": []})
        yield event("response.content_part.added", content_index=0, part=output_text())

    def add(self, event: ItemEvent, text: str, cited: Sequence[Citation]) -> Iterator[Event]:
        """Yield the events of a piece of text and of its citations."""
        self._pieces.append(text)
        yield event("response.output_text.delta", content_index=0, delta=text, logprobs=[])
        for citation in cited:
            annotation = _annotation(citation, self._start)
            number = len(self._annotations)
            self._annotations.append(annotation)
            yield event(
                "response.output_text.annotation.added",
                content_index=0,
                annotation_index=number,
                annotation=annotation,
            )

    def close(self, event: ItemEvent, status: str) -> Iterator[Event]:
        """Yield the events of the end."""
        part = self.item(status)["content"][0]
        yield event("response.output_text.done", content_index=0, text=part["text"], logprobs=[])
        yield event("response.content_part.done", content_index=0, part=part)

    def item(self, status: str) -> Item:
        """Return the message."""
        content = [output_text("".join(self._pieces), self._annotations)]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


class ReasoningItem:
    """The model's thinking, as the reasoning summary."""

    def __init__(self, id: str, *, encrypted: bool) -> None:  # noqa: A002
        self.id, self._encrypted = id, encrypted
        self._pieces: list[str] = []

    def open(self, event: ItemEvent) -> Iterator[Event]:
        """Yield the events of the beginning."""
        yield event("response.output_item.added", item={"id": self.id, "type": "reasoning", "summary": []})
        yield event("response.reasoning_summary_part.added", summary_index=0, part=summary_text())

    def add(self, event: ItemEvent, text: str) -> Iterator[Event]:
        """Yield the event of a piece."""
        self._pieces.append(text)
        yield event("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    def close(self, event: ItemEvent, status: str) -> Iterator[Event]:
        """Yield the events of the end."""
        text = "".join(self._pieces)
        yield event("response.reasoning_summary_text.done", summary_index=0, text=text)
        yield event("response.reasoning_summary_part.done", summary_index=0, part=summary_text(text))

    def item(self, status: str) -> Item:
        """Return the reasoning; its encrypted content is only a digest, because it is not needed again."""
        text = "".join(self._pieces)
        item: Item = {"id": self.id, "type": "reasoning", "summary": [summary_text(text)]}
        if self._encrypted:
            item["encrypted_content"] = sha256(f"{self.id} {text}".encode("utf-8", "replace")).hexdigest()
        return item


class SearchItem:
    """A search of the site, whose queries and results may come in several pieces."""

    def __init__(self, id: str, *, sources: bool) -> None:  # noqa: A002
        self.id, self._has_sources = id, sources
        self._queries: dict[str, None] = {}
        self._urls: dict[str, None] = {}

    def add(self, searched: Searched) -> None:
        """Add queries and results."""
        self._queries |= dict.fromkeys(searched.queries)
        self._urls |= dict.fromkeys(source.url for source in searched.sources)

    def open(self, event: ItemEvent) -> Iterator[Event]:
        """Yield the events of the beginning."""
        yield event("response.output_item.added", item=self.item("in_progress"))
        yield event("response.web_search_call.in_progress")
        yield event("response.web_search_call.searching")

    def close(self, event: ItemEvent, status: str) -> Iterator[Event]:
        """Yield the event of the end."""
        yield event("response.web_search_call.completed")

    def item(self, status: str) -> Item:
        """Return the search."""
        queries = list(self._queries)
        action: dict[str, Any] = {"type": "search", "query": queries[0] if queries else "", "queries": queries}
        if self._has_sources:
            action["sources"] = [{"type": "url", "url": url} for url in self._urls]
        is_done = status != "in_progress"
        return {
            "id": self.id,
            "type": "web_search_call",
            "status": "completed" if is_done else status,
            "action": action,
        }


class CallItem:
    """A tool call, which is complete from the start."""

    def __init__(self, id: str, call: ToolCall, names: ToolNames) -> None:  # noqa: A002
        offered = names.find(call.call.name)
        self._is_custom = offered is not None and offered.kind == "custom"
        self._kind = "custom_tool_call" if self._is_custom else "function_call"
        self._field = "input" if self._is_custom else "arguments"
        self._text = read_custom(call.call) if self._is_custom else call.call.arguments
        self.id = id
        self._head: Item = {"id": id, "type": self._kind, "call_id": call.id}
        self._name: Item = {"name": offered.name if offered else call.call.name}
        if offered is not None and offered.namespace:
            self._name["namespace"] = offered.namespace

    def open(self, event: ItemEvent) -> Iterator[Event]:
        """Yield the events of the beginning, and the text of the call."""
        yield event("response.output_item.added", item={**self.item("in_progress"), self._field: ""})
        yield event(f"response.{self._kind}_{self._field}.delta", delta=self._text)

    def close(self, event: ItemEvent, status: str) -> Iterator[Event]:
        """Yield the event of the end."""
        name = {} if self._is_custom else {"name": self._name["name"]}
        yield event(f"response.{self._kind}_{self._field}.done", **name, **{self._field: self._text})

    def item(self, status: str) -> Item:
        """Return the call."""
        return {**self._head, "status": status, **self._name, self._field: self._text}


def _annotation(citation: Citation, start: int) -> dict[str, Any]:
    source = citation.source
    place = {"start_index": citation.start - start, "end_index": citation.end - start}
    return {"type": "url_citation", **place, "url": source.url, "title": source.title}
