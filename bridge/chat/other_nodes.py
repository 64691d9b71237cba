"""The interface for questions between the nodes of a cluster; no I/O.

Stored objects stay on their node: responses, conversations, files, chats. The id of each names that node (`made_ids`),
so any other node knows which one to ask. A `subject` names the kind of question; `said` holds JSON values.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Protocol

from bridge.errors import NodeLost

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers another node; a `BridgeError` that it raises is raised on that node."""
Read = Callable[[Mapping[str, Any]], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Opens data for another node to read."""


class OtherNode(Protocol):
    """Another node; each call raises `NodeLost` if it does not answer."""

    @property
    def name(self) -> str:
        """Return the name of the node."""
        ...

    @property
    def glance(self) -> float:
        """Return the seconds that the node has for an optional answer."""
        ...

    async def ask(self, subject: str, **said: Any) -> dict[str, Any]:
        """Return the node's answer, or raise the `BridgeError` that it raised."""
        ...

    def read(self, subject: str, **said: Any) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open data of the node, as a stream of bytes."""
        ...


class OtherNodes(Protocol):
    """The other nodes that are present."""

    @property
    def name(self) -> str:
        """Return the name of this node."""
        ...

    def all(self) -> Sequence[OtherNode]:
        """Return all other nodes."""
        ...

    async def away(self) -> Sequence[str]:
        """Return the names of nodes that ran lately, but do not run now."""
        ...

    def maker(self, id: str) -> OtherNode | None:  # noqa: A002
        """Return the running node that made an id; None if it is this one, or not running."""
        ...

    async def check_maker(self, id: str) -> None:  # noqa: A002
        """Raise `NodeLost` if the node that made an id does not run now."""
        ...

    def answer(self, subject: str, answer: Answer) -> None:
        """Register the answer to other nodes' questions about `subject`."""
        ...

    def serve(self, subject: str, read: Read) -> None:
        """Register the data that other nodes may read as `subject`."""
        ...


async def answer_soon(node: OtherNode, subject: str, **said: Any) -> dict[str, Any]:
    """Return a node's optional answer; raise `NodeLost` if it does not come within `glance` seconds."""
    try:
        async with asyncio.timeout(node.glance):
            return await node.ask(subject, **said)
    except TimeoutError as error:
        raise NodeLost(f"The node {node.name} did not answer within {node.glance:g} seconds.") from error


@contextmanager
def understood(node: str) -> Iterator[None]:
    """Raise `NodeLost` if reading a node's answer inside the context fails."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise NodeLost(f"The answer of the node {node} cannot be read; it may run another version.") from error


def finite(value: Any) -> float:
    """Return a node's number as a float; raise a `ValueError` if it is not finite."""
    if not math.isfinite(number := float(value)):
        raise ValueError("not a finite number")
    return number


def chat_row(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat in a node's list: plain values, and in `marks` the times of its steps; raise a `ValueError`."""
    marks = {name: finite(at) for name, at in (said.get("marks") or {}).items()}
    plain = {name: value for name, value in said.items() if name != "marks"}
    if not all(value is None or isinstance(value, str | int) or finite(value) == value for value in plain.values()):
        raise ValueError("not a chat")
    return {**plain, **({"marks": marks} if "marks" in said else {})}
