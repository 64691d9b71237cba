"""Handlers of stored responses and of those that run in the background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from bridge.api.access.guard import owner_of
from bridge.api.http_errors import dump
from bridge.api.responses.responses_input import Item
from bridge.api.responses.responses_kept import KeptResponses
from bridge.api.responses.responses_lists import listed, page
from bridge.api.responses.responses_object import ID
from bridge.api.responses.responses_surface import ResponsesSurface, as_frames
from bridge.api.route_table import Operation
from bridge.api.stream_writer import StreamWriter
from bridge.errors import RequestError
from bridge.settings import ServerSettings

PATH = "/v1/responses/{id}"
SSE = "text/event-stream"
LONGEST_NUMBER = 9
"""Most digits of an event's number."""


class ResponseRoutes:
    """Handlers of single responses."""

    def __init__(self, kept: KeptResponses, server: ServerSettings) -> None:
        self._kept, self._server = kept, server

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", PATH, "Return a stored response, whole or as its events", self.one, stream=SSE),
            Operation("DELETE", PATH, "Delete a stored response", self.delete),
            Operation("POST", f"{PATH}/cancel", "Stop a response that runs in the background", self.cancel),
            Operation("GET", f"{PATH}/input_items", "List the input of a stored response", self.input_items),
        )

    async def one(self, request: web.Request) -> web.StreamResponse:
        """Return a response; with `stream=true` its events, those of a running one until its end."""
        owner, id_ = owner_of(request), request.match_info["id"]
        if request.query.get("stream", "").lower() not in ("true", "1"):
            return _json((await self._kept.find(owner, id_))["response"])
        events = await self._kept.events(owner, id_, _after(request))
        stream = StreamWriter(request, ResponsesSurface.stream_type, ResponsesSurface.keep_alive, {})
        return await stream.write_all(as_frames(events), self._server)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a response."""
        id_ = request.match_info["id"]
        await self._kept.delete(owner_of(request), id_)
        return _json({"id": id_, "object": "response", "deleted": True})

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop the generation of a response; return one that has ended unchanged."""
        return _json(await self._kept.cancel(owner_of(request), request.match_info["id"]))

    async def input_items(self, request: web.Request) -> web.Response:
        """List the input items of a response, the last one first."""
        found = await self._kept.find(owner_of(request), request.match_info["id"])
        name = found["response"]["id"].removeprefix(ID)
        items = [_named(item, f"msg_{name}_in{number}") for number, item in enumerate(found["input"])]
        return _json(page(items, request.query))


def _after(request: web.Request) -> int:
    """Return the number of the last event that the client has."""
    given = request.query.get("starting_after")
    if given is None:
        return -1
    if not (given.isascii() and given.isdecimal() and len(given) <= LONGEST_NUMBER):
        raise RequestError("starting_after must be the sequence_number of an event.", param="starting_after")
    return int(given)


def _named(item: Item, id_: str) -> Item:
    given = item.get("id")
    return listed(item, given if isinstance(given, str) and given else id_)


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
