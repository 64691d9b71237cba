"""What becomes of an answer's text on its way to the client: nothing, calls of tools, or JSON.

`feed` and `finish` give out what is certain. At the end there may be a `retry_prompt`, for the model to try again;
without one, `release` gives out what was held back.
"""

from __future__ import annotations

from typing import Protocol

from bridge.chat.types import Text
from bridge.errors import JsonInvalid
from bridge.tool_calls.answer_filter import FilteredEvent
from bridge.tool_calls.json_mode import JsonForm, retry_prompt
from bridge.tool_calls.json_repair import Unreadable


class TextFilter(Protocol):
    """Takes the text of one answer."""

    def feed(self, text: str) -> list[FilteredEvent]:
        """Take the next piece."""
        ...

    def finish(self) -> list[FilteredEvent]:
        """Take the end of the text."""
        ...

    def retry_prompt(self) -> str | None:
        """Return what the model should hear, if the answer cannot be used."""
        ...

    def release(self) -> list[FilteredEvent]:
        """Return what was held back; raise a `BridgeError` where it must not be given out."""
        ...

    @property
    def is_call(self) -> bool:
        """Whether the answer has called a tool."""
        ...

    @property
    def unreadable_note(self) -> str:
        """What the client is told of a call that cannot be read; empty where there is none."""
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
        """Find no fault."""

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
        said = self._sift(self._inner.finish())
        if self._inner.retry_prompt() is None:
            said += self._sift(self._inner.release())
        try:
            self._json = self._form.read("".join(self._held))
        except Unreadable as unreadable:
            self._why = str(unreadable)
        return said

    def retry_prompt(self) -> str | None:
        """Return what is wrong with the call, or with the JSON."""
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
