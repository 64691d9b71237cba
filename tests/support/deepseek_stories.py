"""Random messages: their content, and streams in which the site may legally write them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

LETTERS = [
    *"aé ]\n",
    "你",
    "好",
    "，",
    "🐈",
    "👩‍🚀",
    "[",
    "[",
    "[c",
    "[citation:",
    "[ref",
    "[reference:",
    ":]",
    "\\",
    '"',
]
"""Pieces of random texts: possible beginnings of marks but no digits, so only this module writes whole marks."""

UNKNOWN_MARKS = ("[citation:999]", "[reference:999]")


@dataclass(frozen=True, slots=True)
class Think:
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tip:
    text: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search; `cited` says whether its results bring their numbers (SEARCH) or not (TOOL_SEARCH)."""

    cited: bool
    query: str
    pages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Open:
    page: int


@dataclass(frozen=True, slots=True)
class Response:
    """A part of the answer; an integer in it becomes a mark of the next source, in turn."""

    pieces: tuple[str | int, ...]


Fragment = Think | Tip | Search | Open | Response

_texts = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=4).map("".join)
_pages = st.integers(0, 6)
_thinks = st.lists(_texts, max_size=9).map(tuple).map(Think)
_responses = st.lists(_texts | st.integers(0, 12) | st.sampled_from(UNKNOWN_MARKS), max_size=8).map(tuple).map(Response)
_searches = st.builds(Search, st.booleans(), _texts, st.lists(_pages, max_size=4).map(tuple))
fragments = st.lists(_thinks | st.builds(Tip, _texts) | _searches | st.builds(Open, _pages) | _responses, max_size=7)


@dataclass(frozen=True, slots=True)
class Op:
    """One change of the message; the path is absolute, `length` is the number of fragments at that moment."""

    path: tuple[str | int, ...]
    op: str
    value: Any
    length: int = 0


@dataclass(slots=True)
class Story:
    """The changes that build a message, and its content; each group of changes belongs in one frame."""

    groups: list[list[Op]]
    thinking: str
    text: str
    urls: set[str]


class Storyteller:
    """Chooses one legal way in which a random message is written."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._groups: list[list[Op]] = []
        self._later: list[list[Op]] = []
        self._count = 0
        self._thinking = ""
        self._text = ""
        self._urls: set[str] = set()
        self._cites: dict[int, str] = {}
        self._pages_of: dict[int, str] = {}

    def tell(self, fragments: Sequence[Fragment]) -> Story:
        """Write the fragments in order, then the end."""
        for fragment in [*fragments, Response(("ok",))]:
            self._write(fragment)
        self._groups += self._later
        self._groups.append([Op(("response", "quasi_status"), "SET", "FINISHED")])
        self._groups.append([Op(("response", "status"), "SET", "FINISHED")])
        return Story(self._groups, self._thinking, self._text, self._urls)

    def _write(self, fragment: Fragment) -> None:
        match fragment:
            case Think(pieces):
                self._write_text("THINK", pieces)
                self._thinking += "".join(pieces)
                self._do(self._at("elapsed_secs"), "SET", 1.5)
            case Tip(text):
                self._begin("TIP", content=text, style="WARNING")
            case Search():
                self._write_search(fragment)
            case Open(page):
                result = _page(page)
                self._begin("TOOL_OPEN", result=None, status="WIP")
                self._pages_of[self._count] = result["url"]
                self._urls.add(result["url"])
                self._perhaps_later(Op(self._at("result"), "SET", result, self._count))
            case Response(pieces):
                self._groups += self._later
                self._later = []
                self._write_response(pieces)

    def _write_text(self, kind: str, pieces: Sequence[str]) -> None:
        first = self._rng.randrange(len(pieces) + 1)
        text = "".join(pieces[:first])
        self._begin(kind, content=text, references=[])
        for piece in pieces[first:]:
            text += piece
            self._grow(piece, text)

    def _write_search(self, search: Search) -> None:
        results = [_page(page) | {"cite_index": None} for page in search.pages]
        if search.cited:
            for result in results:
                result["cite_index"] = len(self._cites) + self._rng.choice((1, 20))
                result["cite_index"] += 40 * len(self._cites)
                self._cites[result["cite_index"]] = result["url"]
        kind = "SEARCH" if search.cited else "TOOL_SEARCH"
        query: Any = self._rng.choice((search.query, {"query": search.query}))
        self._begin(kind, content=None, queries=[query], results=[], status="WIP")
        self._urls.update(result["url"] for result in results)
        if results:
            self._pages_of[self._count] = results[0]["url"]
        at, length = self._at("results"), self._count
        self._perhaps_later(Op(at, "SET", results, length))
        self._perhaps_later(Op((*at[:-1], "content"), "SET", "搜索到 9 个网页", length))
        self._perhaps_later(Op((*at[:-1], "status"), "SET", "FINISHED", length))

    def _write_response(self, pieces: Sequence[str | int]) -> None:
        self._begin("RESPONSE", content="", references=[])
        text, references = "", 0
        for piece in pieces:
            match piece:
                case str():
                    text += piece
                    self._text += piece
                    self._grow(piece, text)
                case int() if targets := self._targets():
                    kind, number, url = targets[piece % len(targets)]
                    mark = f"[citation:{number}]"
                    if kind == "reference":
                        mark = f"[reference:{references}]"
                        references += 1
                    text += mark
                    self._text += f"<{url}>"
                    self._write_mark(mark, number if kind == "reference" else None)

    def _targets(self) -> list[tuple[str, int, str]]:
        cited = [("citation", number, url) for number, url in self._cites.items()]
        return cited + [("reference", number, url) for number, url in self._pages_of.items()]

    def _write_mark(self, mark: str, reference: int | None) -> None:
        cut = self._rng.randrange(len(mark)) if self._rng.random() < 0.5 else 0
        if cut:
            self._do(self._at("content"), "APPEND", mark[:cut])
        group = [Op(self._at("content"), "APPEND", mark[cut:], self._count)]
        if reference is not None:
            group.append(Op(self._at("references"), "APPEND", [{"id": reference}], self._count))
        if self._rng.random() < 0.3:
            group.reverse()
        self._groups.append(group)

    def _begin(self, kind: str, **fields: Any) -> None:
        self._count += 1
        fragment = {"id": self._count, "type": kind, **fields, "stage_id": 1}
        self._groups.append([Op(("response", "fragments"), "APPEND", [fragment], self._count - 1)])

    def _grow(self, piece: str, whole: str) -> None:
        if self._rng.random() < 0.05:
            self._do(self._at("content"), "SET", whole)
        else:
            self._do(self._at("content"), "APPEND", piece)

    def _at(self, field: str) -> tuple[str | int, ...]:
        return ("response", "fragments", self._count - 1, field)

    def _do(self, path: tuple[str | int, ...], op: str, value: Any) -> None:
        self._groups.append([Op(path, op, value, self._count)])

    def _perhaps_later(self, op: Op) -> None:
        if self._rng.random() < 0.5:
            self._groups.append([op])
        else:
            self._later.append([op])


def _page(number: int) -> dict[str, Any]:
    return {"url": f"https://page.example/{number}", "title": f"Page {number}", "snippet": "…"}


# Writing a story as a stream


def told(story: Story, rng: random.Random) -> list[bytes]:
    """Write a story as the bodies of one, two or three responses, in a random legal way."""
    groups = _relengthened(_merged(story.groups, rng))
    bodies: list[bytes] = []
    start = rng.randrange(len(groups)) if rng.random() < 0.5 else 0
    while rng.random() < 0.3 and len(bodies) < 2:
        stop = rng.randint(start, len(groups) - 1)
        bodies.append(_response(groups, start, stop, rng, last=False))
        start = rng.randrange(len(groups))
    bodies.append(_response(groups, start, len(groups), rng, last=True))
    return bodies


def _merged(groups: list[list[Op]], rng: random.Random) -> list[list[Op]]:
    merged = [list(groups[0])]
    for group in groups[1:]:
        if rng.random() < 0.2:
            merged[-1] += group
        else:
            merged.append(list(group))
    return merged


def _relengthened(groups: list[list[Op]]) -> list[list[Op]]:
    """Set in each change the true number of fragments at that moment; some come later than planned."""
    length = 0
    result = []
    for group in groups:
        result.append([Op(op.path, op.op, op.value, length := length + _adds(before)) for before, op in _pairs(group)])
        length += _adds(group[-1])
    return result


def _pairs(group: list[Op]) -> list[tuple[Op | None, Op]]:
    return list(zip([None, *group[:-1]], group, strict=True))


def _adds(op: Op | None) -> int:
    return len(op.value) if op and op.path == ("response", "fragments") else 0


def _response(groups: list[list[Op]], start: int, stop: int, rng: random.Random, *, last: bool) -> bytes:
    state: Any = {"response": {"message_id": 2, "status": "WIP", "fragments": [], "auto_continue": not last}}
    for group in groups[:start]:
        for op in group:
            _apply(state, op)
    writer = FrameWriter(rng)
    writer.event({"request_message_id": 1, "response_message_id": 2}, "ready")
    writer.event({"v": state})
    for group in groups[start:stop]:
        writer.frame(group)
    if last:
        writer.event({"click_behavior": "none", "auto_resume": False}, "close")
    else:
        writer.frame([Op(("response", "status"), "SET", "INCOMPLETE")])
    return writer.body()


def _apply(state: Any, op: Op) -> None:
    """Apply a change in the simplest possible way."""
    owner = state
    for part in op.path[:-1]:
        owner = owner[part]
    key = op.path[-1]
    value = deepcopy(op.value)
    owner[key] = value if op.op == "SET" else owner[key] + value


class FrameWriter:
    """Writes changes as frames, and sometimes leaves out fields that keep their value."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._body = ""
        self._sticky = {"p": "", "o": "SET"}

    def body(self) -> bytes:
        """Return the whole stream, with one kind of line end."""
        return self._body.replace("\n", self._rng.choice(("\n", "\n", "\r\n", "\r"))).encode()

    def event(self, data: Any, name: str | None = None) -> None:
        """Write one event, and sometimes a heartbeat."""
        if self._rng.random() < 0.1:
            self._body += ": \n\n"
        separators = self._rng.choice(((",", ":"), (", ", ": ")))
        text = json.dumps(data, ensure_ascii=self._rng.random() < 0.2, separators=separators)
        self._body += (f"event: {name}\n" if name else "") + f"data: {text}\n\n"

    def frame(self, group: list[Op]) -> None:
        """Write changes that belong together as one frame."""
        self.event(self._patch(group, 0, self._sticky))

    def _patch(self, group: list[Op], depth: int, sticky: dict[str, str]) -> dict[str, Any]:
        if len(group) == 1 and (depth or self._rng.random() < 0.9):
            return self._short(group[0], depth, group[0].op, group[0].value, len(group[0].path), sticky)
        to = self._rng.randint(max(depth, 1), max(depth, 1, _common(group)))
        inner = {"p": "", "o": "SET"}
        items = [self._patch(part, to, inner) for part in self._parts(group)]
        return self._short(group[0], depth, "BATCH", items, to, sticky)

    def _parts(self, group: list[Op]) -> list[list[Op]]:
        """Split a group into its changes, or sometimes into a BATCH inside the BATCH."""
        if len(group) > 2 and self._rng.random() < 0.5:
            cut = self._rng.randrange(1, len(group))
            return [group[:cut], *([op] for op in group[cut:])]
        return [[op] for op in group]

    def _short(self, first: Op, depth: int, op: str, value: Any, to: int, sticky: dict[str, str]) -> dict[str, Any]:
        path = "/".join(self._part(part, first) for part in first.path[depth:to])
        frame = {"p": path, "o": op, "v": value}
        for key in ("p", "o"):
            if frame[key] == sticky[key] and self._rng.random() < 0.8:
                del frame[key]
        sticky.update(p=path, o=op)
        items = list(frame.items())
        self._rng.shuffle(items)
        return dict(items)

    def _part(self, part: str | int, op: Op) -> str:
        if isinstance(part, int) and self._rng.random() < 0.6:
            return str(part - op.length)
        return str(part)


def _common(group: list[Op]) -> int:
    """Return the number of leading parts that all paths of a group share, without the last part."""
    paths = [op.path for op in group]
    shortest = min(map(len, paths)) - 1
    return next((n for n in range(shortest) if len({path[n] for path in paths}) > 1), shortest)
