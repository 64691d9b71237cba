"""The score of a streamed response, which is its list of steps; stream faults rewrite it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.demo.model import Composition, Token
from bridge.demo.patches import Json

LAST_CONTENT = "response/fragments/-1/content"


@dataclass(frozen=True, slots=True)
class Open:
    """A step that sends the headers."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that are sent unchanged."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """A named event; without data it carries the time."""

    name: str
    data: Json = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of the message; one that does not apply to it is only sent."""

    path: str
    op: str
    value: Json
    applies: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole current message, with one more token or with other fragments."""

    token: Token | None = None
    fragments: tuple[Json, ...] | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """One token that is appended to the last fragment when it is due."""

    token: Token


@dataclass(frozen=True, slots=True)
class Silence:
    """A pause of some seconds, with or without heartbeats."""

    seconds: float
    heartbeats: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut of the connection; a hard cut may also lose sent bytes."""

    hard: bool = False


@dataclass(frozen=True, slots=True)
class Lose:
    """A cut of the connection, after which the answer is finished without a reader."""


@dataclass(frozen=True, slots=True)
class Unattended:
    """A mark that the answer continues after its reader has left."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome that the turn records at its end."""

    name: str


Sent = Event | Raw | Patch | Snapshot | Say
Step = Sent | Open | Silence | Cut | Lose | Unattended | Outcome
Score = list[Step]


class _Fragments:
    """A counter of one message's fragments; the prompt has number 1."""

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self._stage = 1

    def make(self, kind: str, **fields: Json) -> dict[str, Json]:
        self.last_id += 1
        return {"id": self.last_id, "type": kind, **fields, "stage_id": self._stage}

    def next_stage(self) -> None:
        self._stage += 1


def ready(request_id: int, response_id: int, model_type: str) -> Score:
    """Return the first steps of a stream."""
    ids = {"request_message_id": request_id, "response_message_id": response_id, "model_type": model_type}
    return [Open(), Event("ready", ids), Event("update_session")]


def ending(status: str = "FINISHED", title: str | None = None) -> Score:
    """Return the last steps of a stream: the status, and the title of a new conversation."""
    score: Score = [Patch("response/status", "SET", status), Event("update_session")]
    if title is not None:
        score.append(Event("title", {"content": title}))
    return [*score, Event("close", {"click_behavior": "none", "auto_resume": False})]


def body(composition: Composition, message: dict[str, Json], rate: float) -> Score:
    """Return the steps of an answer; put its first fragment into the message itself."""
    fragments = _Fragments(last_id=1)
    first, *later = _movements(composition, fragments, rate)
    message["fragments"] = first.opening
    score: Score = [Snapshot(first.tokens[0] if first.tokens else None)]
    score += [Say(token) for token in first.tokens[1:]]
    score += first.closing
    for movement in later:
        score.append(movement.append())
        score += [Say(token) for token in movement.tokens]
        score += movement.closing
    return [*score, *_tail(composition, fragments)]


@dataclass(frozen=True, slots=True)
class _Movement:
    """New fragments, the tokens of the last one, and the patches that close them."""

    opening: list[dict[str, Json]]
    tokens: tuple[Token, ...] = ()
    closing: tuple[Patch, ...] = ()
    batched: bool = False

    def append(self) -> Patch:
        if not self.batched:
            return Patch("response/fragments", "APPEND", self.opening)
        appended = {"p": "fragments", "o": "APPEND", "v": self.opening}
        return Patch("response", "BATCH", [appended, {"p": "has_pending_fragment", "o": "SET", "v": False}])


def _movements(composition: Composition, fragments: _Fragments, rate: float) -> Iterator[_Movement]:
    thinking, results = composition.thinking, composition.results
    if thinking is not None and results is not None:
        yield _think(fragments, thinking, rate, pending=True)
        yield _tool_search(fragments, results)
        fragments.next_stage()
        yield _think(fragments, composition.afterthought, rate)
    elif thinking is not None:
        yield _think(fragments, thinking, rate)
    elif results is not None:
        yield _search(fragments, results)
        fragments.next_stage()
    response = fragments.make("RESPONSE", content="", references=[])
    yield _Movement([response], composition.answer, batched=results is not None)


def _think(fragments: _Fragments, tokens: tuple[Token, ...], rate: float, pending: bool = False) -> _Movement:
    fragment = fragments.make("THINK", content="", elapsed_secs=None, references=[])
    elapsed = Patch("response/fragments/-1/elapsed_secs", "SET", len(tokens) / rate if rate else 0.001)
    waits = Patch("response/has_pending_fragment", "SET", True)
    return _Movement([fragment], tokens, (elapsed, waits) if pending else (elapsed,))


def _search(fragments: _Fragments, results: tuple[Mapping[str, Any], ...]) -> _Movement:
    queries = [{"query": str(results[0].get("title", ""))}] if results else []
    fragment = fragments.make("SEARCH", status="WIP", content=None, queries=queries, results=[])
    found = Patch("response/fragments/-1/results", "SET", _found(results))
    done = [{"p": "status", "v": "FINISHED"}, {"p": "content", "v": f"搜索到 {len(results)} 个网页"}]
    return _Movement([fragment], (), (found, Patch("response/fragments/-1", "BATCH", done)))


def _tool_search(fragments: _Fragments, results: tuple[Mapping[str, Any], ...]) -> _Movement:
    """Return the fragments of a search that opens each page."""
    queries = [{"query": str(r.get("title", ""))} for r in results[:1]]
    search = fragments.make("TOOL_SEARCH", status="WIP", content=None, queries=queries, results=[])
    origin = {"id": search["id"], "type": "TOOL_SEARCH"}
    found = _found(results, cited=False)
    opened = [fragments.make("TOOL_OPEN", status="WIP", result=page, reference=origin) for page in found]
    count, at = len(opened), f"response/fragments/-{len(opened) + 1}"
    done = [{"p": "status", "v": "FINISHED"}, {"p": "content", "v": f"搜索到 {count} 个网页"}]
    closing = [Patch(f"{at}/results", "SET", found), Patch(at, "BATCH", done)]
    closing += [Patch(f"response/fragments/-{n}/status", "SET", "FINISHED") for n in range(count, 0, -1)]
    return _Movement([search, *opened], (), tuple(closing), batched=True)


def _found(results: tuple[Mapping[str, Any], ...], cited: bool = True) -> list[dict[str, Json]]:
    blank = {"snippet": "", "published_at": None, "site_icon": None, "site_name": None, "query_indexes": [0]}
    return [{**blank, **result, "cite_index": index if cited else None} for index, result in enumerate(results, 1)]


def _tail(composition: Composition, fragments: _Fragments) -> Score:
    advice = "This response is AI-generated, for reference only."
    tip = fragments.make("TIP", content=advice, style="WARNING", hide_on_wip=True)
    used = len(composition.answer) + len(composition.thinking or ())
    almost = [{"p": "accumulated_token_usage", "v": used}, {"p": "quasi_status", "v": "FINISHED"}]
    return [Patch("response/fragments", "APPEND", [tip]), Patch("response", "BATCH", almost)]
