"""Conversations: lists of items that are stored for a key and that responses continue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from aiohttp import web
from loguru import logger
from pydantic import Field, StrictStr

from bridge.api.access.guard import owner_of
from bridge.api.body_fields import validated
from bridge.api.http_errors import dump
from bridge.api.request_body import BodyReader
from bridge.api.request_model import Lenient
from bridge.api.responses.responses_elsewhere import Elsewhere, a_conversation, asked
from bridge.api.responses.responses_input import KEPT, Item, as_items, check_items, kind_of
from bridge.api.responses.responses_lists import as_list, page, with_ids
from bridge.api.route_table import Operation
from bridge.chat.made_ids import new_id
from bridge.errors import BridgeError, NotThere, RequestError
from bridge.storage.response_store import Document, ResponseStore
from bridge.tasks import Tasks

PATH = "/v1/conversations"
ONE = f"{PATH}/{{id}}"
ITEMS = f"{ONE}/items"
ITEM = f"{ITEMS}/{{item}}"
ID = "conv_"
ADD_LIMIT = 2.0
"""Seconds for which an answer waits until another node has added it to its conversation."""
MOST_ITEMS = 10_000
"""Most items of a conversation."""
MOST_OF_ANSWER = 100
"""Upper bound of the items that an answer adds to its conversation."""
FULL = f"A conversation may have at most {MOST_ITEMS} items; delete some, or begin another conversation."
NOT_KEPT = "This bridge stores no conversations (responses.keep is false); send the whole history as input."

Metadata = Annotated[
    dict[Annotated[StrictStr, Field(max_length=64)], Annotated[StrictStr, Field(max_length=512)]],
    Field(max_length=16),
]


class NewConversation(Lenient):
    """A new conversation."""

    items: list[Any] | None = None
    metadata: Metadata | None = None


class ConversationMetadata(Lenient):
    """New metadata, which replace the old."""

    metadata: Metadata | None


class NewItems(Lenient):
    """Items to add to a conversation."""

    items: Annotated[list[Any], Field(min_length=1)]


class Conversations:
    """The conversations in `store` and on other nodes; without a store there are none."""

    def __init__(
        self, store: ResponseStore | None, elsewhere: Elsewhere, tasks: Tasks | None = None, mark: str = ""
    ) -> None:
        self._store = store
        self._elsewhere, self._mark = elsewhere, mark
        self._tasks = tasks or Tasks()
        self._adding: set[asyncio.Task[None]] = set()
        """Running tasks that add items to conversations on other nodes."""

    async def items(self, owner: str | None, id: str, more: int) -> list[Item]:  # noqa: A002
        """Return the items of a conversation; raise a `RequestError` if `more` items and an answer do not fit."""
        found: list[Item] = (await self.find(owner, id, "conversation"))["items"]
        if len(found) + more + MOST_OF_ANSWER > MOST_ITEMS:
            raise RequestError(FULL, param="conversation")
        return found

    def add_later(self, owner: str, id: str, items: Sequence[Item]) -> None:  # noqa: A002
        """Add items without waiting for the disk; no effect if the conversation is gone."""
        kept = [item for item in items if kind_of(item) in KEPT]
        if self._elsewhere.maker(owner, id) is not None:
            adding = self._tasks.start(self._add(owner, id, kept))
            self._adding.add(adding)
            adding.add_done_callback(self._adding.discard)
        elif self._store is not None:
            self._store.change_later(owner, id, partial(_added, kept))

    async def settled(self) -> None:
        """Wait until other nodes have added their items, because the next request may go to any node."""
        if self._adding:
            await asyncio.wait(set(self._adding), timeout=ADD_LIMIT)

    async def _add(self, owner: str, id_: str, items: Sequence[Item]) -> None:
        try:
            await self.change(owner, id_, "add", items)
        except BridgeError as error:
            logger.warning("Cannot add the last turn to a conversation on another node: {}", error.message)

    async def change(self, owner: str | None, id: str, change: str, given: Any) -> Document:  # noqa: A002
        """Apply one of `CHANGES` to a conversation, and return it; raise `NotThere` if `owner` has no such one."""
        if (node := self._elsewhere.maker(owner, id)) is not None:
            return await asked(node, "change", owner, id, a_conversation, change=change, given=given)
        changed = None
        if self._store is not None and owner is not None and id.startswith(ID):
            changed = await self._store.change(owner, id, partial(CHANGES[change], given))
        if changed is None:
            await self._elsewhere.check(owner, id)
            raise _unknown(id, "id")
        return changed

    async def delete(self, owner: str | None, id: str) -> None:  # noqa: A002
        """Delete a conversation; raise `NotThere` if `owner` has none with that id."""
        if (node := self._elsewhere.maker(owner, id)) is not None:
            await asked(node, "forget", owner, id, dict)
            return
        await self.find(owner, id)
        if self._store is not None and owner is not None:
            await self._store.delete(owner, id)

    def begin(self, owner: str | None, items: Sequence[Item], metadata: Mapping[str, str]) -> Document:
        """Create a conversation of items with ids, and return it."""
        if self._store is None or not self._store.is_enabled or owner is None:
            raise RequestError(NOT_KEPT)
        id_ = f"{ID}{new_id(self._mark).hex}"
        conversation = {"id": id_, "object": "conversation", "created_at": int(time.time()), "metadata": dict(metadata)}
        made: Document = {"conversation": conversation, "items": list(items)}
        self._store.keep(owner, made, id_)
        return made

    async def find(self, owner: str | None, id: str, param: str = "id") -> Document:  # noqa: A002
        """Return a conversation; raise `NotThere` if `owner` has none with that id."""
        if (node := self._elsewhere.maker(owner, id)) is not None:
            return await asked(node, "conversation", owner, id, a_conversation)
        found = None
        if self._store is not None and owner is not None and id.startswith(ID):
            found = await self._store.find(owner, id)
        if found is None:
            await self._elsewhere.check(owner, id)
            raise _unknown(id, param)
        return found


class ConversationRoutes:
    """Handlers of conversations."""

    def __init__(self, conversations: Conversations, bodies: BodyReader) -> None:
        self._conversations, self._bodies = conversations, bodies

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("POST", PATH, "Create a conversation", self.begin, NewConversation),
            Operation("GET", ONE, "Describe a conversation", self.one),
            Operation("POST", ONE, "Change the metadata of a conversation", self.mark, ConversationMetadata),
            Operation("DELETE", ONE, "Delete a conversation", self.delete),
            Operation("GET", ITEMS, "List the items of a conversation", self.items),
            Operation("POST", ITEMS, "Add items to a conversation", self.add, NewItems),
            Operation("GET", ITEM, "Return one item of a conversation", self.item),
            Operation("DELETE", ITEM, "Delete one item of a conversation", self.delete_item),
        )

    async def begin(self, request: web.Request) -> web.Response:
        """Create a conversation."""
        asked = NewConversation()
        if request.can_read_body:
            asked = await self._bodies.read(request, partial(validated, NewConversation))
        items = await asyncio.to_thread(lambda: with_ids(_checked(asked.items or [])))
        return _json(self._conversations.begin(owner_of(request), items, asked.metadata or {})["conversation"])

    async def one(self, request: web.Request) -> web.Response:
        """Describe a conversation."""
        return _json((await self._conversations.find(owner_of(request), _id(request)))["conversation"])

    async def mark(self, request: web.Request) -> web.Response:
        """Replace the metadata."""
        asked = await self._bodies.read(request, partial(validated, ConversationMetadata))
        return await self._change(request, "mark", asked.metadata or {})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a conversation with its items, but not its responses."""
        await self._conversations.delete(owner_of(request), _id(request))
        return _json({"id": _id(request), "object": "conversation.deleted", "deleted": True})

    async def items(self, request: web.Request) -> web.Response:
        """List the items, the last one first."""
        found = await self._conversations.find(owner_of(request), _id(request))
        return _json(page(found["items"], request.query))

    async def add(self, request: web.Request) -> web.Response:
        """Add items, and return them in their stored form."""
        asked = await self._bodies.read(request, partial(validated, NewItems))
        items = await asyncio.to_thread(_checked, asked.items)
        changed = await self._conversations.change(owner_of(request), _id(request), "add", items)
        return _json(as_list(changed["items"][-len(items) :]))

    async def item(self, request: web.Request) -> web.Response:
        """Return one item."""
        found = await self._conversations.find(owner_of(request), _id(request))
        return _json(_item(found, request.match_info["item"]))

    async def delete_item(self, request: web.Request) -> web.Response:
        """Delete one item, and return the conversation."""
        return await self._change(request, "remove", request.match_info["item"])

    async def _change(self, request: web.Request, change: str, given: object) -> web.Response:
        changed = await self._conversations.change(owner_of(request), _id(request), change, given)
        return _json(changed["conversation"])


def _checked(given: list[Any]) -> list[Item]:
    if len(given) > MOST_ITEMS:
        raise RequestError(FULL, param="items")
    items = as_items(given, "items")
    check_items(items, "items")
    return items


def _added(items: Sequence[Item], document: Document) -> Document:
    old: list[Item] = document["items"]
    if len(old) + len(items) > MOST_ITEMS:
        raise RequestError(FULL, param="items")
    return {**document, "items": [*old, *with_ids(items, (item["id"] for item in old))]}


def _marked(metadata: Mapping[str, str], document: Document) -> Document:
    return {**document, "conversation": {**document["conversation"], "metadata": dict(metadata)}}


def _without(id_: str, document: Document) -> Document:
    _item(document, id_)
    return {**document, "items": [item for item in document["items"] if item["id"] != id_]}


CHANGES: Mapping[str, Callable[[Any, Document], Document]] = {"add": _added, "mark": _marked, "remove": _without}
"""The changes of a conversation by name; each takes its argument and the conversation's document."""


def _item(document: Document, id_: str) -> dict[str, Any]:
    found: dict[str, Any] | None = next((item for item in document["items"] if item["id"] == id_), None)
    if found is None:
        raise NotThere(f"There is no item {id_[:80]!r} in this conversation.", param="item_id")
    return found


def _unknown(id_: str, param: str) -> NotThere:
    return NotThere(f"There is no conversation {id_[:80]!r} here.", param=param)


def _id(request: web.Request) -> str:
    return request.match_info["id"]


def _json(body: Mapping[str, Any]) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
