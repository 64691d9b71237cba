"""Turns the changes of the message tree into the events of one answer.

One answer may come in several responses, each beginning with all text so far: a `TextFlow` emits only what is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from bridge.chat.types import ChatEvent, Finish, FinishReason, Opened, Rewritten, Text, Thinking, Title, Withdrawn
from bridge.sites.bibliography import Bibliography
from bridge.sites.deepseek.known_names import FRAGMENT_FIELDS, MESSAGE_FIELDS, SILENT_TYPES
from bridge.sites.deepseek.message_tree import Change, MessageTree, text_of
from bridge.sites.deepseek.sources import Marks, Page, read_found, referred_page
from bridge.sites.deepseek.text_flow import TextFlow
from bridge.sites.drift import Drift
from bridge.sites.outbox import Outbox

Kind = Literal["thinking", "answer", "template"]

_KINDS: Mapping[str, Kind] = {
    "THINK": "thinking",
    "RESPONSE": "answer",
    "ANSWER": "answer",
    "TEMPLATE_RESPONSE": "template",
}
_FLAT_KINDS: Mapping[str, Kind] = {"thinking_content": "thinking", "content": "answer"}
_FOUND_FIELDS = frozenset({"queries", "results", "result"})


class _Piece(NamedTuple):
    kind: Kind
    text: str
    owner: Mapping[str, Any]


class Answer:
    """The answer of one turn so far, over all its responses."""

    def __init__(self, drift: Drift) -> None:
        self._drift = drift
        self._tree = MessageTree(drift)
        self._thinking = TextFlow()
        self._text = TextFlow()
        self._sources = Bibliography()
        self._marks = Marks(self._sources, self._page_of)
        self._pieces: list[_Piece] = []
        self._searches: dict[int, Mapping[str, Any]] = {}
        self._reread = False
        self._growing: tuple[Kind, Mapping[str, Any]] | None = None
        self._repeated: list[_Piece] = []  # the answer's pieces since it was last read from the beginning
        self._withdrawn = False
        self._opened = False
        self._out = Outbox()
        self.number: str | None = None
        """The id of the answer's message, once known."""

    @property
    def message(self) -> Mapping[str, Any]:
        """Return the message with all patches applied; empty before the first snapshot."""
        root = self._tree.root
        response = root.get("response") if isinstance(root, dict) else None
        return response if isinstance(response, dict) else {}

    @property
    def status(self) -> str:
        """Return the site's status of the answer: WIP, INCOMPLETE, FINISHED, CONTENT_FILTER, ..."""
        return text_of(self.message.get("status")) or "WIP"

    @property
    def text(self) -> str:
        """Return the answer so far, as the site writes it."""
        return str(self._text)

    @property
    def thinking(self) -> str:
        """Return the reasoning so far."""
        return str(self._thinking)

    def restart(self) -> None:
        """Begin another response of the same answer."""
        self._tree = MessageTree(self._drift)
        self._growing = None

    def apply(self, frame: Mapping[str, Any]) -> None:
        """Apply one frame of the stream."""
        words, piece = self._tree.growing, frame.get("v")
        if words is not None and self._growing and len(frame) == 1 and isinstance(piece, str):
            words.pieces.append(piece)
            self._emit(_Piece(self._growing[0], piece, self._growing[1]))
            return
        self._growing = None
        for change in self._tree.apply(frame):
            self._handle(change)
        self._settle()

    def title(self, text: str) -> None:
        """Emit the title of the conversation."""
        self._open()
        self._out.add(Title(text))

    def finish(self, reason: FinishReason) -> None:
        """Emit the text held back as a possible mark, then `Finish`."""
        self._open()
        self._out.write(Text, self._marks.flush())
        self._out.add(Finish(reason))

    def events(self) -> list[ChatEvent]:
        """Return the events emitted since the last call."""
        return self._out.empty()

    # Changes

    def _handle(self, change: Change) -> None:
        match change.path:
            case () | ("response",):
                self._reread = True
            case ("response", "fragments", *rest):
                self._handle_fragments(change, rest)
            case ("response", field, *_) if field in MESSAGE_FIELDS:
                self._handle_field(change, field)
            case path:
                self._drift.note("path", *path)

    def _handle_field(self, change: Change, field: str) -> None:
        if field == "search_results":
            self._note_search(self.message)
        elif kind := _FLAT_KINDS.get(field):
            self._handle_text(change, kind, self.message)

    def _handle_fragments(self, change: Change, rest: list[str]) -> None:
        match rest, change.added:
            case [], list() as added:
                for fragment in added:
                    self._read_fragment(fragment)
            case (([] | [_] | [_, "type"]), _):
                self._reread = True
            case [_, "content"], _:
                self._handle_content(change, change.trail[3])
            case [_, field, *_], _ if field in _FOUND_FIELDS:
                self._note_search(change.trail[3])
            case [_, field, *_], _ if field in FRAGMENT_FIELDS:
                pass
            case _:
                self._drift.note("path", *change.path)

    def _handle_content(self, change: Change, fragment: Mapping[str, Any]) -> None:
        if kind := _KINDS.get(text_of(fragment.get("type"))):
            self._handle_text(change, kind, fragment)

    def _handle_text(self, change: Change, kind: Kind, owner: Mapping[str, Any]) -> None:
        if isinstance(change.added, str):
            self._pieces.append(_Piece(kind, change.added, owner))
            self._growing = (kind, owner)
        else:
            self._reread = True

    def _note_search(self, found: Mapping[str, Any]) -> None:
        self._searches[id(found)] = found

    # The tree

    def _read_message(self) -> None:
        """Read the whole message again: after a snapshot, or after a value was replaced."""
        self._pieces = []
        self._thinking.restart()
        self._restart_text()
        message = self.message
        if not message:
            self._drift.note("snapshot")
        for field, kind in _FLAT_KINDS.items():
            if text := text_of(message.get(field)):
                self._pieces.append(_Piece(kind, text, message))
        self._note_search(message)
        fragments = message.get("fragments")
        for fragment in fragments if isinstance(fragments, list) else ():
            self._read_fragment(fragment)
        self._drop_withdrawn()

    def _read_fragment(self, fragment: Any) -> None:
        if not isinstance(fragment, dict):
            self._drift.note("fragment")
            return
        kind = _KINDS.get(name := text_of(fragment.get("type")))
        if kind:
            self._pieces.append(_Piece(kind, text_of(fragment.get("content")), fragment))
        elif name not in SILENT_TYPES:
            self._drift.note("fragment", name)
        self._note_search(fragment)

    def _drop_withdrawn(self) -> None:
        """Drop the answer if a template replaces it; the text that a content filter puts there counts as a template."""
        text = "".join(piece.text for piece in self._pieces if piece.kind == "answer")
        template = any(piece.kind == "template" for piece in self._pieces)
        filtered = self.status == "CONTENT_FILTER" and not self._withdrawn and not text.startswith(self.text)
        if template or filtered:
            self._pieces = [piece for piece in self._pieces if piece.kind != "answer"]
        if filtered and not template:
            self._pieces.append(_Piece("template", text, {}))

    # Events

    def _settle(self) -> None:
        """Emit what a frame changed, after all of it is applied."""
        if self._reread:
            self._reread = False
            self._read_message()
        if self.message:
            self._open()
        for found in self._searches.values():
            read_found(self._sources, found)
        self._emit_sources()
        for piece in self._pieces:
            self._emit(piece)
        self._searches, self._pieces = {}, []

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            number = self.message.get("message_id")
            self._out.add(Opened(message=self.number or (None if number is None else str(number))))

    def _emit(self, piece: _Piece) -> None:
        match piece.kind:
            case "thinking":
                self._out.write(Thinking, self._new(self._thinking, piece.text))
            case "template" if not self._withdrawn:
                self._withdrawn = True
                self._text = TextFlow(piece.text)
                self._marks.flush()
                self._out.add(Withdrawn(piece.text))
            case "answer" if self._withdrawn:
                pass
            case _:
                self._emit_text(piece)

    def _restart_text(self) -> None:
        self._text.restart()
        self._repeated = []

    def _emit_text(self, piece: _Piece) -> None:
        self._repeated.append(piece)
        new, is_expected = self._text.take(piece.text)
        if not is_expected:
            self._rewrite()
            return
        text = self._marks.take(new, piece.owner)
        if text != new:
            self._emit_sources()
        self._out.write(Text, text)

    def _rewrite(self) -> None:
        """Emit the whole answer again: it no longer begins with the text already emitted."""
        self._drift.note("text differs")
        self._marks.flush()
        text = "".join([self._marks.take(piece.text, piece.owner) for piece in self._repeated])
        self._emit_sources()
        self._out.add(Rewritten(text))

    def _page_of(self, owner: Mapping[str, Any], number: int) -> Page | None:
        return referred_page(owner.get("references"), self.message.get("fragments"), number)

    def _emit_sources(self) -> None:
        if news := self._sources.news():
            self._out.add(news)

    def _new(self, flow: TextFlow, text: str) -> str:
        new, expected = flow.take(text)
        if not expected:
            self._drift.note("text differs")
        return new
