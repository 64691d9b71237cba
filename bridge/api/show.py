"""What a client gets to see of an answer, by the model's `show`: the same pieces streamed and whole.

Thinking goes into a field of its own, into the text as a `<details>` block, or nowhere; the sources of a
search follow the text, unless the answer is silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from bridge.api.markdown import Fence, Rewriter, source_list, tame_html, without_marks
from bridge.chat import (
    ChatEvent,
    Finish,
    FinishReason,
    Model,
    Opened,
    Searched,
    Source,
    Text,
    Thinking,
    Title,
    Withdrawn,
)

FOLD_OPEN = "<details>\n<summary>Thinking</summary>\n\n"
FOLD_CLOSED = "\n\n</details>\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event adds to the answer."""

    text: str = ""
    thinking: str = ""


class Presenter:
    """Turns the events of one answer into the pieces to show."""

    def __init__(self, model: Model) -> None:
        self._show = model.show
        self._marks = without_marks() if model.search and model.show == "silent" else None
        self._fold: Rewriter | None = None
        self._fence = Fence()
        self._sources: list[Source] = []
        self._answered = False
        self._withdrawn = False

    def piece(self, event: ChatEvent) -> Piece:
        """Return what `event` adds."""
        match event:
            case Thinking(text):
                return self._think(text)
            case Text(text):
                return Piece(self._say(text))
            case Withdrawn(text):
                return Piece(self._withdraw(text))
            case Searched(sources=sources):
                self._sources.extend(sources)
                return Piece()
            case Finish():
                return Piece(self._end())
            case Opened() | Title():
                return Piece()
        assert_never(event)

    def reason(self, finish: Finish) -> FinishReason:
        """Return why the answer ended."""
        return "content_filter" if self._withdrawn else finish.reason

    def _think(self, text: str) -> Piece:
        if not text or self._show == "silent":
            return Piece()
        if self._show == "separate":
            return Piece(thinking=text)
        lead = ""
        if self._fold is None:
            lead = self._paragraph() + FOLD_OPEN
            self._fold = tame_html()
        return Piece(lead + self._fenced(self._fold.feed(text)))

    def _say(self, text: str) -> str:
        if not text:
            return ""
        lead = self._unfold()
        self._answered = True
        return lead + self._fenced(self._marks.feed(text) if self._marks else text)

    def _withdraw(self, text: str) -> str:
        """Show the site's text where nothing stands yet; what was sent cannot be taken back."""
        self._withdrawn = True
        self._sources.clear()
        return "" if self._answered else self._say(text)

    def _end(self) -> str:
        tail = self._unfold() + (self._marks.rest() if self._marks else "")
        listed = source_list(self._sources) if self._answered and self._show != "silent" else ""
        return tail + self._paragraph() + listed if listed else tail

    def _unfold(self) -> str:
        if self._fold is None:
            return ""
        rest = self._fenced(self._fold.rest())
        self._fold = None
        return rest + self._fence.closing() + FOLD_CLOSED

    def _paragraph(self) -> str:
        """Return what separates a new block from the answer so far."""
        return f"{self._fence.closing()}\n\n" if self._answered else ""

    def _fenced(self, text: str) -> str:
        self._fence.feed(text)
        return text


def present(model: Model, events: Sequence[ChatEvent]) -> tuple[Piece, FinishReason]:
    """Return a whole answer; of one that the site took back, only what came in its place."""
    taken_back = [index for index, event in enumerate(events) if isinstance(event, Withdrawn)]
    presenter = Presenter(model)
    reason: FinishReason = "stop"
    pieces = []
    for event in events[taken_back[-1] if taken_back else 0 :]:
        pieces.append(presenter.piece(event))
        if isinstance(event, Finish):
            reason = presenter.reason(event)
    return Piece("".join(piece.text for piece in pieces), "".join(piece.thinking for piece in pieces)), reason
