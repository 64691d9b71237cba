"""Finds the request, or the message of a WebSocket, that carried a prompt, and the prompt's place in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bridge.browser.page_messages import SOCKET, PageRequest
from bridge.sites.learning.json_leaves import Leaf, leaves
from bridge.sites.learning.letters import letters
from bridge.sites.learning.observation import SeenCall, SeenTurn
from bridge.sites.prompt_text import as_typed
from bridge.sites.site_file.body_codecs import Codec, read_request

CODECS: tuple[Codec, ...] = ("json", "connect", "multipart", "urlencoded", "query")
SOCKET_CODECS: tuple[Codec, ...] = ("socketio", "json")
_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{20,}|(?=[a-f]*\d)[0-9a-f]{8,}|[0-9a-f]{10,}|\d{4,}|(?=[\w-]*\d)[\w-]{12,}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A request that carries the prompt, parsed by a codec."""

    call: SeenCall
    codec: Codec
    leaves: tuple[Leaf, ...]
    prompts: tuple[Leaf, ...]
    """The texts that are exactly the prompt."""
    time: float
    is_exact: bool = True

    def value(self, path: str) -> Any:
        """Return the value at a path, counted from either end; None if there is none."""
        return next((leaf.value for leaf in self.leaves if path in (leaf.path, leaf.from_end)), None)


def carriers(turn: SeenTurn) -> list[Carrier]:
    """Return the requests of a turn that carry its prompt, in order of time."""
    found = [carrier for call in turn.calls for carrier in _of_call(call, turn)]
    return sorted(found, key=lambda carrier: carrier.time)


def _of_call(call: SeenCall, turn: SeenTurn) -> Iterator[Carrier]:
    if call.is_socket:
        for time, data in call.sent:
            if time >= turn.began and (found := _read(call, data, time, SOCKET_CODECS, turn.prompt)):
                yield found
    elif call.time >= turn.began and (found := _read(call, call.body, call.time, CODECS, turn.prompt)):
        yield found


def _read(call: SeenCall, body: bytes, time: float, codecs: Sequence[Codec], prompt: str) -> Carrier | None:
    request = PageRequest(SOCKET if call.is_socket else call.method, call.url, body)
    typed, bare = as_typed(prompt).strip(), letters(prompt)
    for codec in codecs:
        document = read_request(request, codec).document
        if document is None:
            continue
        found = leaves(document)
        texts = [leaf for leaf in found if isinstance(leaf.value, str)]
        if exact := [leaf for leaf in texts if as_typed(leaf.value).strip() == typed]:
            return Carrier(call, codec, tuple(found), tuple(exact), time)
        if near := [leaf for leaf in texts if len(leaf.value) < 2 * len(prompt) + 50 and bare in letters(leaf.value)]:
            return Carrier(call, codec, tuple(found), tuple(near), time, is_exact=False)
    return None


def prompt_paths(found: Sequence[Carrier]) -> tuple[str, ...]:
    """Return the paths at which every request has its prompt."""
    ways = [{path for leaf in one.prompts for path in (leaf.path, leaf.from_end)} for one in found]
    shared = set.intersection(*ways) if ways else set()
    chosen: list[str] = []
    for leaf in found[0].prompts if found else ():
        path = next((path for path in (leaf.path, leaf.from_end) if path in shared), None)
        if path and ("|json" not in path or not chosen):
            chosen.append(path)
    return tuple(dict.fromkeys(chosen))


def is_exact(turn: SeenTurn) -> bool:
    """Tell whether one of the turn's requests had the prompt as it was typed."""
    return any(one.is_exact for one in carriers(turn))


def failed_send(turn: SeenTurn) -> str:
    """Return why the request with the prompt failed; empty if one succeeded, or none was seen."""
    calls = [one.call for one in carriers(turn) if not one.call.is_socket]
    if not calls or any(200 <= call.status < 400 for call in calls):
        return ""
    return f"HTTP {calls[0].status}" if calls[0].status else "no response"


def address_pattern(urls: Iterable[str]) -> str:
    """Return the path of similar addresses, with `*` for segments that differ or are ids."""
    paths = [urlsplit(url).path.split("/") for url in urls]
    if len({len(path) for path in paths}) != 1:
        return "/".join(paths[0])
    columns = zip(*paths, strict=True)
    return "/".join("*" if len(set(one)) > 1 or _ID.fullmatch(one[0]) else one[0] for one in columns)
