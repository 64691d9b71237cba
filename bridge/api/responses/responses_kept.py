"""Responses that are kept: what goes on from them, and what is served of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from bridge.api.access.guard import owner_of
from bridge.api.http_errors import dump
from bridge.api.responses.responses_body import ResponsesRequest, read
from bridge.api.responses.responses_input import Item, references
from bridge.api.responses.responses_object import ID
from bridge.api.route_table import Operation
from bridge.errors import NotThere
from bridge.settings import ApiSettings
from bridge.storage.response_store import Document, ResponseStore

PATH = "/v1/responses/{id}"


class KeptResponses:
    """The responses in `store`; without one nothing is kept."""

    def __init__(self, store: ResponseStore | None) -> None:
        self._store = store

    def operations(self) -> Sequence[Operation]:
        """Return what is served."""
        return (
            Operation("GET", PATH, "Return a kept response", self.one),
            Operation("DELETE", PATH, "Delete a kept response", self.delete),
            Operation("GET", f"{PATH}/input_items", "List the input of a kept response", self.input_items),
        )

    async def recall(self, request: ResponsesRequest, owner: str | None, settings: ApiSettings) -> ResponsesRequest:
        """Return the request with the items before it, and with what keeps its response."""
        dialect = request.dialect
        if dialect.call is not None:
            earlier = await self._earlier(dialect.previous, owner)
            items = await self._resolved(dialect.items, owner)
            body = dialect.call.body if isinstance(dialect.call.body, dict) else {}
            call = replace(dialect.call, body={**body, "input": items})
            request = await asyncio.to_thread(read, call, settings, earlier)
        if self._store is None or owner is None or not request.dialect.echo["store"]:
            return request
        store, given = self._store, list(request.dialect.items)

        def keep(response: dict[str, Any]) -> None:
            store.keep(owner, {"response": response, "input": given})

        return replace(request, dialect=replace(request.dialect, keep=keep))

    async def one(self, request: web.Request) -> web.Response:
        """Return a response."""
        return _json((await self._find(request))["response"])

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a response."""
        found = await self._find(request)
        id_, owner = found["response"]["id"], owner_of(request)
        if self._store is not None and owner is not None:
            await self._store.delete(owner, id_)
        return _json({"id": id_, "object": "response", "deleted": True})

    async def input_items(self, request: web.Request) -> web.Response:
        """List the items of a response's own input, the last one first."""
        found = await self._find(request)
        name = found["response"]["id"].removeprefix(ID)
        items = [_listed(item, f"{name}_in{number}") for number, item in enumerate(found["input"])]
        if request.query.get("order") != "asc":
            items.reverse()
        first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
        return _json({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": False})

    async def _find(self, request: web.Request) -> Document:
        id_, owner = request.match_info["id"], owner_of(request)
        found = None
        if self._store is not None and owner is not None:
            found = await self._store.find(owner, id_)
        if found is None:
            raise NotThere(f"There is no response {id_[:80]!r} here.", param="id")
        return found

    async def _earlier(self, previous: str | None, owner: str | None) -> list[Item]:
        """Return the items of a response, and of all that it goes on from."""
        if previous is None:
            return []
        chain = None
        if self._store is not None and owner is not None:
            chain = await self._store.chain(owner, previous)
        if chain is None:
            message = f"There is no response {previous[:80]!r} here, or one before it is not kept any more."
            raise NotThere(message, param="previous_response_id")
        return [item for one in chain for item in (*one["input"], *one["response"]["output"])]

    async def _resolved(self, items: Sequence[Item], owner: str | None) -> list[Item]:
        """Return the items with those in place that others only name; reasoning that is gone is not needed."""
        found = list(items)
        for index, name in references(items):
            item = await self._item(name, owner)
            if item is None and not name.startswith("rs_"):
                raise NotThere(f"There is no item {name[:80]!r} here; send it in full.", param=f"input[{index}].id")
            found[index] = item or {"type": "reasoning"}
        return found

    async def _item(self, name: str, owner: str | None) -> Item | None:
        """Return an item of a kept response, whose id stands in that of the item."""
        parts = name.split("_")
        if self._store is None or owner is None or len(parts) < 2:
            return None
        document = await self._store.find(owner, f"{ID}{parts[1]}")
        output: list[Item] = document["response"]["output"] if document else []
        return next((item for item in output if item["id"] == name), None)


def _listed(item: Item, id_: str) -> dict[str, Any]:
    """Return an item of an input as it is listed: with an id, and its content as parts."""
    made = {**item, "type": item.get("type") or "message"}
    if isinstance(content := made.get("content"), str):
        made["content"] = [{"type": "input_text", "text": content}]
    return {**made, "id": item.get("id") or f"msg_{id_}"}


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
