"""The filters that make of an answer's text what the client asked for: the same text, calls of tools, or JSON.

The order of calls: `feed` for each piece, `finish` once, then `retry_prompt`. With a retry prompt the filter is done
with; without one, or where the model is not asked again, `release` returns what was held back.
"""

from __future__ import annotations

from typing import Protocol

from bridge.chat.types import Text
from bridge.errors import JsonInvalid
from bridge.tool_calls.answer_filter import FilteredEvent
from bridge.tool_calls.json_mode import JsonForm, retry_prompt
from bridge.tool_calls.json_repair import Unreadable


class TextFilter(Protocol):
    """Takes the text of one answer; what it returns is certain, and never taken back."""

    def feed(self, text: str) -> list[FilteredEvent]:
        """Take the next piece and return what can be delivered."""
        ...

    def finish(self) -> list[FilteredEvent]:
        """Take the end of the text and return what can be delivered."""
        ...

    def retry_prompt(self) -> str | None:
        """Return the message that asks the model to write its answer again; None where the answer can be used."""
        ...

    def release(self) -> list[FilteredEvent]:
        """Return what was held back; raise a `JsonInvalid` where the client asked for JSON and this is none."""
        ...

    @property
    def is_call(self) -> bool:
        """Whether the answer has called a tool."""
        ...

    @property
    def unreadable_note(self) -> str:
        """The text that the client gets behind a call that cannot be read; empty where there is none."""
        ...

    @property
    def is_cut_off(self) -> bool:
        """Whether the answer breaks off within a call."""
        ...


class PlainTextFilter:
    """Text stays text."""

    is_call = is_cut_off = False
    unreadable_note = ""

    def feed(self, text: str) -> list[FilteredEvent]:
        """Return the text."""
        return [Text(text)] if text else []

    def finish(self) -> list[FilteredEvent]:
        """Return nothing."""
        return []

    def retry_prompt(self) -> None:
        """Return None: any text can be used."""

    def release(self) -> list[FilteredEvent]:
        """Return nothing."""
        return []


class JsonFilter:
    """The text that `inner` lets through must be JSON; calls of tools pass."""

    unreadable_note = ""
    is_cut_off = False

    def __init__(self, form: JsonForm, inner: TextFilter) -> None:
        self._form = form
        self._inner = inner
        self._held: list[str] = []
        self._json = ""
        self._why: str | None = None

    @property
    def is_call(self) -> bool:
        """Whether the answer has called a tool."""
        return self._inner.is_call

    def feed(self, text: str) -> list[FilteredEvent]:
        """Take the next piece; its text is held back."""
        return self._sift(self._inner.feed(text))

    def finish(self) -> list[FilteredEvent]:
        """Take the end of the text, and read it."""
        # Where the inner filter has a retry prompt, what it holds back is a broken call, and no part of the JSON.
        said = self._sift(self._inner.finish())
        if self._inner.retry_prompt() is None:
            said += self._sift(self._inner.release())
        try:
            self._json = self._form.read("".join(self._held))
        except Unreadable as unreadable:
            self._why = str(unreadable)
        return said

    def retry_prompt(self) -> str | None:
        """Return the prompt about a call that cannot be read, or else about the JSON; None where a tool was called."""
        if self.is_call:
            return None
        return self._inner.retry_prompt() or (None if self._why is None else retry_prompt(self._why))

    def release(self) -> list[FilteredEvent]:
        """Return the JSON."""
        if self.is_call:
            return []
        if self._why is not None:
            raise JsonInvalid(f"The model wrote no JSON of the form that was asked for. {self._why}", sent=True)
        return [Text(self._json)]

    def _sift(self, said: list[FilteredEvent]) -> list[FilteredEvent]:
        self._held += [event.text for event in said if isinstance(event, Text)]
        return [event for event in said if not isinstance(event, Text)]
