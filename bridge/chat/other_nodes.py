"""What a bridge asks the other nodes of its cluster, and what it answers them; no I/O.

What a node keeps stays there: a response, a conversation, a file, a chat. Its id names that node (`made_ids`), so that
any other one knows whom to ask. A `subject` names what is asked about; `said` are values of JSON.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Protocol

from bridge.errors import NodeLost

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers another node; a `BridgeError` that it raises is raised there."""
Read = Callable[[Mapping[str, Any]], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Opens what another node wants to read."""


class OtherNode(Protocol):
    """One of the other nodes; each call raises `NodeLost` where it does not answer."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def glance(self) -> float:
        """Return the seconds that it has for an answer without which the others' are good as well."""
        ...

    async def ask(self, subject: str, **said: Any) -> dict[str, Any]:
        """Return what the node answers, or raise the `BridgeError` that it does."""
        ...

    def read(self, subject: str, **said: Any) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open something of the node, whose bytes come as they are read."""
        ...


class OtherNodes(Protocol):
    """The other nodes that there are now."""

    @property
    def name(self) -> str:
        """Return the name of this node."""
        ...

    def all(self) -> Sequence[OtherNode]:
        """Return all of them."""
        ...

    async def away(self) -> Sequence[str]:
        """Return the names of the nodes that have been there of late, and do not run now."""
        ...

    def maker(self, id: str) -> OtherNode | None:  # noqa: A002
        """Return the node that has made that id; None where it is this one, or none of those that run now."""
        ...

    async def check_maker(self, id: str) -> None:  # noqa: A002
        """Raise `NodeLost` where a node has made that id that does not run now."""
        ...

    def answer(self, subject: str, answer: Answer) -> None:
        """Have other nodes answered that ask about `subject`."""
        ...

    def serve(self, subject: str, read: Read) -> None:
        """Have other nodes read of `subject`."""
        ...


async def answer_soon(node: OtherNode, subject: str, **said: Any) -> dict[str, Any]:
    """Return what a node answers, whose answer the others' do without; raise `NodeLost` where none comes soon."""
    try:
        async with asyncio.timeout(node.glance):
            return await node.ask(subject, **said)
    except TimeoutError as error:
        raise NodeLost(f"The node {node.name} did not answer within {node.glance:g} seconds.") from error


@contextmanager
def understood(node: str) -> Iterator[None]:
    """Raise `NodeLost` where what is read inside is not in the answer of the node of that name."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise NodeLost(f"What the node {node} answers cannot be read; it may have another version.") from error


def finite(value: Any) -> float:
    """Return a number that a node answers; raise a `ValueError` for one that is none."""
    if not math.isfinite(number := float(value)):
        raise ValueError("no number")
    return number


def chat_row(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat as a node lists it: plain values, and as `marks` the times of its steps; raise a `ValueError`."""
    marks = {name: finite(at) for name, at in (said.get("marks") or {}).items()}
    plain = {name: value for name, value in said.items() if name != "marks"}
    if not all(value is None or isinstance(value, str | int) or finite(value) == value for value in plain.values()):
        raise ValueError("no chat")
    return {**plain, **({"marks": marks} if "marks" in said else {})}
