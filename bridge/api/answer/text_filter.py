"""The filters that turn an answer's text into what the client asked for: plain text, tool calls, or JSON.

The order of calls: `feed` for each piece, `finish` once, then `retry_prompt`. If that returns a prompt and the model is
asked again, the filter is discarded; otherwise `release` returns what was held back.
"""

from __future__ import annotations

from typing import Protocol

from bridge.chat.types import Text
from bridge.errors import JsonInvalid
from bridge.tool_calls.answer_filter import FilteredEvent
from bridge.tool_calls.json_mode import JsonForm, retry_prompt
from bridge.tool_calls.json_repair import Unreadable


class TextFilter(Protocol):
    """A filter for the text of one answer; what it returns is final."""

    def feed(self, text: str) -> list[FilteredEvent]:
        """Add the next piece and return what is final."""
        ...

    def finish(self) -> list[FilteredEvent]:
        """End the text and return what is final."""
        ...

    def retry_prompt(self) -> str | None:
        """Return the prompt that asks the model to write its answer again; None if the answer is usable."""
        ...

    def release(self) -> list[FilteredEvent]:
        """Return what was held back; raise `JsonInvalid` if the client asked for JSON and the text is not."""
        ...

    @property
    def is_call(self) -> bool:
        """Whether the answer has called a tool."""
        ...

    @property
    def unreadable_note(self) -> str:
        """The note that the client gets after an unreadable call; empty without one."""
        ...

    @property
    def is_cut_off(self) -> bool:
        """Whether the answer breaks off inside a call."""
        ...


class PlainTextFilter:
    """Returns the text unchanged."""

    is_call = is_cut_off = False
    unreadable_note = ""

    def feed(self, text: str) -> list[FilteredEvent]:
        """Return the text."""
        return [Text(text)] if text else []

    def finish(self) -> list[FilteredEvent]:
        """Return nothing."""
        return []

    def retry_prompt(self) -> None:
        """Return None, because any text is usable."""

    def release(self) -> list[FilteredEvent]:
        """Return nothing."""
        return []


class JsonFilter:
    """Requires the text that `inner` returns to be JSON; tool calls pass."""

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
        """Add the next piece, and hold back its text."""
        return self._sift(self._inner.feed(text))

    def finish(self) -> list[FilteredEvent]:
        """End the text, and parse it."""
        # If the inner filter has a retry prompt, the text that it holds back is a broken call and not part of the JSON.
        said = self._sift(self._inner.finish())
        if self._inner.retry_prompt() is None:
            said += self._sift(self._inner.release())
        try:
            self._json = self._form.read("".join(self._held))
        except Unreadable as unreadable:
            self._why = str(unreadable)
        return said

    def retry_prompt(self) -> str | None:
        """Return the prompt about an unreadable call, or else about the JSON; None if a tool was called."""
        if self.is_call:
            return None
        return self._inner.retry_prompt() or (None if self._why is None else retry_prompt(self._why))

    def release(self) -> list[FilteredEvent]:
        """Return the JSON."""
        if self.is_call:
            return []
        if self._why is not None:
            raise JsonInvalid(f"The model did not write JSON of the requested form. {self._why}", sent=True)
        return [Text(self._json)]

    def _sift(self, said: list[FilteredEvent]) -> list[FilteredEvent]:
        self._held += [event.text for event in said if isinstance(event, Text)]
        return [event for event in said if not isinstance(event, Text)]
