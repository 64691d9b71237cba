"""Compaction: replaces a history with one item that holds a summary of it.

The model writes the summary. The item is sealed for the client's key and kept by the client, not by the bridge.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from contextlib import suppress
from uuid import uuid4

from bridge.api.responses.responses_input import Item
from bridge.errors import RequestError
from bridge.storage.response_store import ResponseStore

PROMPT = (
    "Write a summary of this conversation for yourself: it will be all that you know of it when it goes on. Keep what"
    " was asked for and why, what was decided, what was done and with which result, names, paths, numbers and code that"
    " are still needed, and what is to be done next. Write only the summary."
)
"""The prompt for the summary."""
HEAD = "This is a summary of the conversation so far:\n\n"
MOST_SAID = 20_000
"""Most characters of the client's last messages that are kept verbatim."""
FAULT = "This compaction item was not created here for this key, or the bridge's profile key has changed."


def seal_compaction(store: ResponseStore, owner: str, said: Iterable[str], summary: str) -> Item:
    """Return the item that replaces a history with the client's messages `said`."""
    text = json.dumps({"owner": owner, "said": _last(said), "summary": summary})
    sealed = base64.b64encode(store.seal(text)).decode()
    return {"id": f"cmp_{uuid4().hex}", "type": "compaction", "encrypted_content": sealed}


def open_compaction(store: ResponseStore | None, owner: str | None, sealed: str, param: str) -> list[Item]:
    """Return the items that a compaction replaces; raise a `RequestError` if it does not belong to `owner`."""
    match _opened(store, sealed):
        case {"owner": str(of), "said": list(said), "summary": str(summary)} if of == owner:
            return [_message(text) for text in (*map(str, said), f"{HEAD}{summary}")]
    raise RequestError(FAULT, param=param)


def _opened(store: ResponseStore | None, sealed: str) -> object:
    with suppress(binascii.Error, ValueError, RecursionError):
        content = base64.b64decode(sealed, validate=True)
        if store is not None and (text := store.open(content)) is not None:
            return json.loads(text)
    return None


def _last(said: Iterable[str]) -> list[str]:
    """Return the last texts that fit into `MOST_SAID` characters."""
    kept: list[str] = []
    room = MOST_SAID
    for text in reversed(list(said)):
        room -= len(text)
        if room < 0:
            break
        kept.insert(0, text)
    return kept


def _message(text: str) -> Item:
    return {"type": "message", "role": "user", "content": text}
