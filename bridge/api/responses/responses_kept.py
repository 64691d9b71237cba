"""Stored and running responses, and the earlier items that requests continue from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bridge.api.responses.responses_background import STOPPED, BackgroundResponse, BackgroundResponses
from bridge.api.responses.responses_body import ResponseRequest, ResponsesRequest, read
from bridge.api.responses.responses_compaction import open_compaction, seal_compaction
from bridge.api.responses.responses_conversations import Conversations
from bridge.api.responses.responses_elsewhere import Elsewhere, a_response, an_item, asked, followed
from bridge.api.responses.responses_input import Item, compactions, references
from bridge.api.responses.responses_items import Event
from bridge.api.responses.responses_object import ID, failed
from bridge.api.responses.responses_replay import pack, rebuild, unpack
from bridge.api.responses.responses_writer import ResponseWriter
from bridge.api.surface import Run
from bridge.errors import NotThere, PreviousResponseNotFound, RequestError
from bridge.settings import ApiSettings
from bridge.storage.response_store import Document, ResponseStore
from bridge.tasks import Tasks

NOT_KEPT = "A response in the background must be stored, but this bridge stores no responses (responses.keep is false)."
SOON = 5.0
"""Seconds for which a request of another node waits for the next events of a response."""
UNFINISHED = ("queued", "in_progress")


class KeptResponses:
    """The responses in `store`, those that run in `tasks`, and those on other nodes; without a store none is kept.

    `mark` is the prefix of ids that this node creates.
    """

    def __init__(
        self,
        store: ResponseStore | None,
        tasks: Tasks | None = None,
        elsewhere: Elsewhere | None = None,
        mark: str = "",
    ) -> None:
        self.store = store
        self.elsewhere = elsewhere or Elsewhere()
        self.conversations = Conversations(store, self.elsewhere, tasks, mark)
        self._background = BackgroundResponses(tasks or Tasks())

    async def recall(self, request: ResponsesRequest, owner: str | None, settings: ApiSettings) -> ResponsesRequest:
        """Return the request with its earlier items, and with the function that stores its response."""
        dialect, earlier = request.dialect, list[Item]()
        if dialect.call is not None:
            earlier = await self._earlier(dialect, owner)
            items = await self._resolved(dialect.items, earlier, owner)
            body = dialect.call.body if isinstance(dialect.call.body, dict) else {}
            call = replace(dialect.call, body={**body, "input": items})
            request = await asyncio.to_thread(read, call, settings, await self._resolved(earlier, (), owner))
        is_kept = self._keeps(owner) and bool(dialect.echo["store"])
        if dialect.echo["background"] and not is_kept:
            raise RequestError(NOT_KEPT, param="background")
        echo = {**request.dialect.echo, "store": is_kept}
        dialect = replace(request.dialect, owner=owner, echo=echo)
        before = earlier if dialect.conversation is not None else ()
        return replace(request, dialect=replace(dialect, keep=self._keeper(dialect, before)))

    def start(self, request: ResponsesRequest, writer: ResponseWriter, run: Run) -> BackgroundResponse:
        """Start a response in the background."""
        owner, dialect, store = request.dialect.owner or "", request.dialect, self.store
        assert store is not None  # noqa: S101 - `recall` refuses background responses that are not stored

        def keep(running: BackgroundResponse) -> None:
            _keep_running(store, owner, running, dialect)

        return self._background.start(owner, writer, dialect.items, run, keep)

    def running(self, owner: str | None, id: str) -> BackgroundResponse | None:  # noqa: A002
        """Return a response that runs in the background, or None."""
        return self._background.find(owner, id) if owner is not None else None

    async def find(self, owner: str | None, id: str) -> Document:  # noqa: A002
        """Return a running or stored response with its input; raise `NotThere` if `owner` has none with that id."""
        if (node := self.elsewhere.maker(owner, id)) is not None:
            return await asked(node, "find", owner, id, a_response)
        if (running := self.running(owner, id)) is not None:
            return {"response": running.response, "input": list(running.items)}
        found = None
        if self.store is not None and owner is not None and id.startswith(ID):
            found = await self.store.find(owner, id)
        if found is None or "response" not in found:
            await self.elsewhere.check(owner, id)
            raise NotThere(f"There is no response {id[:80]!r} here.", param="id")
        if found["response"]["status"] in UNFINISHED:  # the bridge was killed before it could store the end
            found = {**found, "response": failed(found["response"], (), STOPPED)}
        return found

    async def events(self, owner: str | None, id: str, after: int) -> AsyncIterator[Sequence[Event]]:  # noqa: A002
        """Return the events of a response after the one numbered `after`; those of a running one until its end."""
        if (node := self.elsewhere.maker(owner, id)) is not None:
            return await followed(node, owner, id, after)
        if (running := self.running(owner, id)) is not None:
            return running.log.follow(after)
        return _once((await self._kept_events(owner, id))[after + 1 :])

    async def next_events(self, owner: str | None, id: str, after: int) -> tuple[list[Event], bool]:  # noqa: A002
        """Wait up to `SOON` for events after the one numbered `after`; return them, and whether they are the last."""
        if (running := self.running(owner, id)) is not None:
            return await running.log.next(after, SOON)
        return [*(await self._kept_events(owner, id))[after + 1 :]], True

    async def _kept_events(self, owner: str | None, id: str) -> Sequence[Event]:  # noqa: A002
        found = await self.find(owner, id)
        kept = await self.store.find(owner, _events_id(id)) if self.store is not None and owner is not None else None
        response = found["response"]
        return rebuild(response) if kept is None else await asyncio.to_thread(unpack, kept["events"], response)

    async def cancel(self, owner: str | None, id: str) -> dict[str, Any]:  # noqa: A002
        """Stop a response that runs in the background, and return it; return one that has ended unchanged."""
        if (node := self.elsewhere.maker(owner, id)) is not None:
            return await asked(node, "cancel", owner, id, dict)
        if (running := self.running(owner, id)) is not None:
            await running.cancel()
            return running.response
        response: dict[str, Any] = (await self.find(owner, id))["response"]
        if not response["background"]:
            message = "This response is complete; only a response with background: true can be cancelled."
            raise RequestError(message, param="id")
        return response

    async def delete(self, owner: str | None, id: str) -> None:  # noqa: A002
        """Delete a response; stop a running one first."""
        if (node := self.elsewhere.maker(owner, id)) is not None:
            await asked(node, "delete", owner, id, dict)
            return
        await self.find(owner, id)
        if (running := self.running(owner, id)) is not None:
            await running.cancel()
        if self.store is not None and owner is not None:
            await self.store.delete(owner, id)
            await self.store.delete(owner, _events_id(id))

    def check_compacts(self, owner: str | None) -> tuple[ResponseStore, str]:
        """Return the store and the owner for sealing a history; raise a `RequestError` without a key."""
        if self.store is None or owner is None:
            raise RequestError("A compaction belongs to an API key; send one.")
        return self.store, owner

    def compact(self, owner: str | None, said: Sequence[str], summary: str) -> Item:
        """Return the item that replaces a history."""
        return seal_compaction(*self.check_compacts(owner), said, summary)

    def _keeps(self, owner: str | None) -> bool:
        return self.store is not None and self.store.is_enabled and owner is not None

    def _keeper(self, dialect: ResponseRequest, before: Sequence[Item]) -> Callable[[dict[str, Any]], None] | None:
        """Return a function that adds the response at its end to the store and to its conversation."""
        owner, items, conversation = dialect.owner, list(dialect.items), dialect.conversation
        if owner is None or self.store is None:
            return None
        store, is_kept = self.store, dialect.echo["store"]

        def keep(response: dict[str, Any]) -> None:
            if is_kept:
                store.keep(owner, _document(response, items, before))
            if conversation is not None:
                self.conversations.add_later(owner, conversation, [*items, *response["output"]])

        return keep

    async def _earlier(self, dialect: ResponseRequest, owner: str | None) -> list[Item]:
        """Return the items of the conversation, or of the previous response and all before it."""
        if dialect.conversation is not None:
            return await self.conversations.items(owner, dialect.conversation, len(dialect.items))
        if (previous := dialect.previous) is None:
            return []
        chain = None
        if self.store is not None and owner is not None:
            chain = await self.elsewhere.chain(owner, previous, self.part_of_chain)
        if chain is None:
            message = f"There is no response {previous[:80]!r} here, or one before it is not kept any more."
            raise PreviousResponseNotFound(message, param="previous_response_id")
        kept = (item for one in chain for item in (*one.get("before", ()), *one["input"], *one["response"]["output"]))
        return list(kept)

    async def part_of_chain(self, owner: str, id: str) -> list[Document]:  # noqa: A002
        """Return a response and those before it that this node stores, the oldest first."""
        if (running := self.running(owner, id)) is not None:
            message = f"The response {running.response['id']} still runs; wait for its end, or cancel it."
            raise RequestError(message, param="previous_response_id")
        return [] if self.store is None else await self.store.chain(owner, id)

    async def _resolved(self, items: Sequence[Item], known: Iterable[Item], owner: str | None) -> list[Item]:
        """Return the items with references and compactions replaced; a missing reasoning item is ignored."""
        found: list[Item] = list(items)
        at_hand = {item["id"]: item for item in known if isinstance(item.get("id"), str)}
        for index, name in references(items):
            item = at_hand.get(name) or await self.item(name, owner)
            if item is None and not name.startswith("rs_"):
                await self.elsewhere.check(owner, name.partition("_")[2])
                raise NotThere(f"There is no item {name[:80]!r} here; send it in full.", param=f"input[{index}].id")
            found[index] = item or {"type": "reasoning"}
        sealed = [*compactions(found)]
        for index, text in reversed(sealed):
            found[index : index + 1] = open_compaction(self.store, owner, text, f"input[{index}].encrypted_content")
        return found

    async def item(self, name: str, owner: str | None) -> Item | None:
        """Return an item of a stored response, whose id is part of the item's; None if there is none."""
        parts = name.split("_")
        if self.store is None or owner is None or len(parts) < 2:
            return None
        if (node := self.elsewhere.maker(owner, parts[1])) is not None:
            return await asked(node, "item", owner, name, an_item)
        document = await self.store.find(owner, f"{ID}{parts[1]}")
        output: list[Item] = document["response"]["output"] if document and "response" in document else []
        return next((item for item in output if item["id"] == name), None)


async def _once(events: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    yield events


def _keep_running(store: ResponseStore, owner: str, running: BackgroundResponse, dialect: ResponseRequest) -> None:
    response = running.response
    if response["status"] not in ("completed", "incomplete"):  # those the writer stores
        store.keep(owner, _document(response, dialect.items, ()))
    if response["status"] not in UNFINISHED:
        store.keep(owner, {"events": pack(running.log.events)}, _events_id(response["id"]))


def _document(response: dict[str, Any], items: Sequence[Item], before: Sequence[Item]) -> Document:
    """Return the document to store; `before` are the conversation's earlier items, which may change or be deleted."""
    return {"response": response, "input": list(items), **({"before": list(before)} if before else {})}


def _events_id(id_: str) -> str:
    return f"{id_}/events"
