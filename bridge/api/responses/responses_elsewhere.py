"""Requests to other nodes of the cluster about the responses and conversations that they store.

A response stays on the node that created it, which its id names. So a chain of responses may span several nodes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from bridge.api.responses.responses_items import Event
from bridge.chat.other_nodes import Answer, OtherNode, OtherNodes, understood
from bridge.errors import BridgeError
from bridge.storage.response_store import LONGEST_CHAIN, Document

SUBJECT = "responses"
Part = Callable[[str, str], Awaitable[list[Document]]]
T = TypeVar("T")


class Elsewhere:
    """The other nodes that store responses; without `nodes` there are none."""

    def __init__(self, nodes: OtherNodes | None = None) -> None:
        self._nodes = nodes

    def maker(self, owner: str | None, id: str) -> OtherNode | None:  # noqa: A002
        """Return the node that stores the document with that id; None for this node or an unknown one."""
        return self._nodes.maker(id) if self._nodes is not None and owner is not None else None

    async def check(self, owner: str | None, id: str) -> None:  # noqa: A002
        """Raise `NodeLost` if the node that stores the document with that id is away."""
        if self._nodes is not None and owner is not None:
            await self._nodes.check_maker(id)

    def answer(self, answer: Answer) -> None:
        """Register the handler for other nodes' requests."""
        if self._nodes is not None:
            self._nodes.answer(SUBJECT, answer)

    async def chain(self, owner: str, id: str, here: Part) -> list[Document] | None:  # noqa: A002
        """Return a response and all before it, the oldest first, from all nodes; None if one is missing.

        `here` returns the consecutive ones on this node.
        """
        found: list[Document] = []
        wanted: str | None = id
        while wanted is not None:
            node = self.maker(owner, wanted)
            part = await (here(owner, wanted) if node is None else _part(node, owner, wanted))
            if not part or len(found) + len(part) > LONGEST_CHAIN:
                await self.check(owner, wanted)
                return None
            found = [*part, *found]
            wanted = part[0]["response"]["previous_response_id"]
        return found


async def _part(node: OtherNode, owner: str, id_: str) -> list[Document]:
    return await asked(node, "chain", owner, id_, lambda said: [*map(a_response, _list(said["chain"]))])


async def asked(
    node: OtherNode,
    do: str,
    owner: str | None,
    id: str,  # noqa: A002
    read: Callable[[dict[str, Any]], T],
    **more: Any,
) -> T:
    """Return `read(answer)` for a node's answer about a document of `owner`; raise a `BridgeError`."""
    said = await node.ask(SUBJECT, do=do, owner=owner, id=id, **more)
    with understood(node.name):
        return read(said)


def a_response(said: Document) -> Document:
    """Return the document of a response; raise an error that `understood` converts if it is malformed."""
    response = said["response"]
    _texts(response, "id", "status")
    if response["previous_response_id"] is not None:
        _texts(response, "previous_response_id")
    for items in (said["input"], response["output"], said.get("before", [])):
        [*map(dict, _list(items))]
    return said


def a_conversation(said: Document) -> Document:
    """Return the document of a conversation; like `a_response`."""
    _texts(said["conversation"], "id")
    for item in _list(said["items"]):
        _texts(item, "id")
    return said


def an_item(said: Document) -> Document | None:
    """Return the item in an answer, or None."""
    return None if said["item"] is None else dict(said["item"])


def _events(said: Document) -> tuple[Sequence[Event], bool]:
    for event in _list(said["events"]):
        _texts(event, "type")
    return said["events"], bool(said["is_over"])


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _texts(document: Mapping[str, Any], *names: str) -> None:
    if not all(isinstance(document[name], str) for name in names):
        raise TypeError("no text")


async def followed(node: OtherNode, owner: str | None, id: str, after: int) -> AsyncIterator[Sequence[Event]]:  # noqa: A002
    """Return the events of a response on another node after the one numbered `after`, to its end."""
    first = await asked(
        node, "events", owner, id, _events, after=after
    )  # before the stream begins, so that an error has its own status
    return _rest(node, owner, id, after, first)


async def _rest(
    node: OtherNode, owner: str | None, id_: str, after: int, part: tuple[Sequence[Event], bool]
) -> AsyncIterator[Sequence[Event]]:
    while True:
        events, is_over = part
        if events:
            after += len(events)
            yield events
        if is_over:
            return
        try:
            part = await asked(node, "events", owner, id_, _events, after=after)
        except BridgeError as error:
            body = {"code": error.code, "message": error.message, "param": None}
            yield [{"type": "error", "sequence_number": after + 1, **body}]
            return
