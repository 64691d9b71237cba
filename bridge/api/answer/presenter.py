"""What a client sees of an answer, as the model's `show` says: the same pieces streamed and whole.

Thinking goes into a separate field, into the text as a `<details>` block, or nowhere; the sources of a search follow
the text, unless the answer is silent. In an answer with tools thinking is never put into the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent, EndReason
from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.answer.citations import Citation, CitationFilter, CitedText, Style
from bridge.api.answer.markdown import Fence, Rewriter, source_list, tame_html
from bridge.chat.types import Model, Opened, Rewritten, Searched, Source, Text, Thinking, Title, Withdrawn
from bridge.errors import SiteError
from bridge.tool_calls.answer_filter import ToolCall

CHANGED = "The site has changed text of its answer that was already sent"
FOLD_OPEN = "<details>\n<summary>Thinking</summary>\n\n"
FOLD_CLOSED = "\n\n</details>\n\n"


@dataclass(frozen=True, slots=True)
class PresentationStyle:
    """How an answer is shown, by the model's name, the request and the settings."""

    model: Model
    marks: Style = "link"
    tools: bool = False
    """Whether tool calls may come, so that the text must hold nothing but the answer."""
    plain: bool = False
    """Whether the text is JSON and must stay as it is."""

    @classmethod
    def of(cls, model: Model, answer_format: AnswerFormat, marks: Style) -> PresentationStyle:
        """Return the style of an answer of `model` in a format."""
        return cls(model, marks, tools=answer_format.toolbox is not None, plain=answer_format.json is not None)


@dataclass(frozen=True, slots=True)
class Fragment:
    """The part that one event adds to the answer."""

    text: str = ""
    thinking: str = ""
    call: ToolCall | None = None


class Presenter:
    """Turns the events of one answer into the pieces to show."""

    def __init__(self, look: PresentationStyle) -> None:
        bare = look.tools or look.plain
        self._show = "separate" if bare and look.model.show == "fold" else look.model.show
        self._lists = not look.plain
        self._sources: dict[int, Source] = {}
        style: Style = "none" if self._show == "silent" else look.marks
        self._marks = CitationFilter(style, self._sources) if look.model.search and not look.plain else None
        self._fold: Rewriter | None = None
        self._fence = Fence()
        self._length = 0
        self._answered = False
        self._called = False
        self._withdrawn = False
        self.citations: list[Citation] = []

    @property
    def sources(self) -> Sequence[Source]:
        """Return the sources by number, unless the answer is silent."""
        return [] if self._show == "silent" else [self._sources[number] for number in sorted(self._sources)]

    def piece(self, event: AnswerEvent) -> Fragment:
        """Return what `event` adds; raise a `SiteError` if it makes earlier pieces void."""
        if isinstance(event, Rewritten):
            raise SiteError(f"{CHANGED}; without streaming, the client gets its final text.", sent=True)
        piece = self._piece(event)
        self._length += len(piece.text)
        return piece

    def reason(self, ended: AnswerEnd) -> EndReason:
        """Return why the answer ended."""
        return "content_filter" if self._withdrawn else ended.reason

    def _piece(self, event: AnswerEvent) -> Fragment:
        match event:
            case Thinking(text):
                return self._think(text)
            case Text(text):
                return Fragment(self._say(text))
            case ToolCall():
                self._called = True
                return Fragment(call=event)
            case Withdrawn(text):
                return Fragment(self._withdraw(text))
            case Searched(sources=sources):
                self._sources.update((source.number, source) for source in sources)
                return Fragment()
            case AnswerEnd():
                return Fragment(self._end())
            case Opened() | Title() | Rewritten():
                return Fragment()
        assert_never(event)

    def _think(self, text: str) -> Fragment:
        if not text or self._show == "silent":
            return Fragment()
        if self._show == "separate":
            return Fragment(thinking=text)
        lead = ""
        if self._fold is None:
            lead = self._paragraph() + FOLD_OPEN
            self._fold = tame_html()
        return Fragment(lead + self._fenced(self._fold.feed(text)))

    def _say(self, text: str) -> str:
        if not text:
            return ""
        lead = self._unfold()
        self._answered = True
        return lead + self._fenced(self._marked(self._marks.feed(text), len(lead)) if self._marks else text)

    def _marked(self, pieces: Sequence[CitedText], ahead: int) -> str:
        """Return the text of `pieces`, and note its citations; it begins `ahead` characters after the text so far."""
        start = self._length + ahead
        for piece in pieces:
            self.citations += [Citation(start, start + len(piece.text), source) for source in piece.sources]
            start += len(piece.text)
        return "".join(piece.text for piece in pieces)

    def _withdraw(self, text: str) -> str:
        """Show the site's text if there is no answer text yet; text that was sent cannot be taken back."""
        self._withdrawn = True
        self._sources.clear()
        return "" if self._answered else self._say(text)

    def _end(self) -> str:
        tail = self._unfold()
        tail += self._marked(self._marks.finish(), len(tail)) if self._marks else ""
        wanted = self._lists and self._answered and not self._called and self._show != "silent"
        listed = source_list(self._sources.values()) if wanted else ""
        return tail + self._paragraph() + listed if listed else tail

    def _unfold(self) -> str:
        if self._fold is None:
            return ""
        rest = self._fenced(self._fold.finish())
        self._fold = None
        return rest + self._fence.closing() + FOLD_CLOSED

    def _paragraph(self) -> str:
        """Return what separates a new block from the answer so far."""
        return f"{self._fence.closing()}\n\n" if self._answered else ""

    def _fenced(self, text: str) -> str:
        self._fence.feed(text)
        return text


@dataclass(frozen=True, slots=True)
class PresentedAnswer:
    """A whole answer."""

    text: str
    thinking: str
    calls: tuple[ToolCall, ...]
    citations: tuple[Citation, ...]
    sources: tuple[Source, ...]
    reason: EndReason


def valid_events(events: Sequence[AnswerEvent]) -> Sequence[AnswerEvent]:
    """Return the events of a whole answer without those that a withdrawal or rewriting has made void."""
    counting: list[AnswerEvent] = []
    for event in events:
        match event:
            case Withdrawn():
                counting = [event]
            case Rewritten():
                counting = [one for one in counting if not isinstance(one, Text | ToolCall)]
            case _:
                counting.append(event)
    return counting


def present(look: PresentationStyle, events: Sequence[AnswerEvent]) -> PresentedAnswer:
    """Return the whole answer."""
    presenter = Presenter(look)
    reason: EndReason = "stop"
    pieces = []
    for event in valid_events(events):
        pieces.append(presenter.piece(event))
        if isinstance(event, AnswerEnd):
            reason = presenter.reason(event)
    return PresentedAnswer(
        "".join(piece.text for piece in pieces),
        "".join(piece.thinking for piece in pieces),
        tuple(piece.call for piece in pieces if piece.call is not None),
        tuple(presenter.citations),
        tuple(presenter.sources),
        reason,
    )
