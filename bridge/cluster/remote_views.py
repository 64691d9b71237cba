"""Live views of accounts on other nodes, relayed over a WebSocket between the nodes.

The node that has the page enforces all limits of a view. It sends a viewer no frame before the viewer has drawn an
earlier one, and this node reads a viewer only as fast as the other node reads, so nothing piles up here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType

from bridge.chat.viewer_channel import ViewerChannel, ViewerMoved, ViewerRefused
from bridge.cluster.account_operations import RemoteAccounts
from bridge.cluster.node_directory import NodeInfo
from bridge.errors import NodeLost, NotThere

SEND_LIMIT = 30.0
"""Seconds that the other node has to take a message."""
LOOK_EVERY = 0.25
"""Seconds between two checks whether a node has the account."""
NO_NODE = "No node has this account now. Its page is shown as soon as one has."


class RemoteViews:
    """The live views of pages on other nodes; see `view_registry.ElsewhereViews`."""

    def __init__(self, accounts: RemoteAccounts) -> None:
        self._accounts = accounts

    def knows(self, name: str) -> bool:
        """Tell whether the cluster has an account of that name."""
        return self._accounts.node.view.knows(name)

    def view(self, name: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel] | None:
        """Return a channel to the view of an account that is elsewhere; None if it is here or unknown."""
        if self._accounts.pool.worker(name) is not None:
            return None
        if (node := self._accounts.node_of(name)) is not None:
            return self._connected(node, name, viewer)
        return _nowhere(name, lambda: self._is_nowhere(name)) if self.knows(name) else None

    async def until_moved(self, name: str, fence: int) -> None:
        """Wait until this node no longer holds an account under that fence, then raise `ViewerMoved`."""
        leases = self._accounts.node.leases
        while (lease := leases.of(name)) is not None and lease.fence == fence:
            await asyncio.sleep(LOOK_EVERY)
        raise ViewerMoved("The account is moving to another node.")

    def _is_nowhere(self, name: str) -> bool:
        accounts = self._accounts
        return accounts.pool.worker(name) is None and accounts.node_of(name) is None and self.knows(name)

    @asynccontextmanager
    async def _connected(self, node: NodeInfo, name: str, viewer: str) -> AsyncGenerator[ViewerChannel]:
        """Connect to the node that has the page; the viewer's name there is prefixed with this node's."""
        own, fence = self._accounts.node.name, self._accounts.fence_of(node, name)
        asked = {"name": name, "fence": str(fence), "viewer": f"{own}:{viewer}"}
        try:
            socket = await self._accounts.client.socket(node, "/internal/view", asked)
        except NotThere as error:
            raise ViewerRefused(error.message) from error
        except NodeLost as error:
            raise ViewerMoved(error.message) from error
        try:
            yield _RemoteViewer(socket, node.node)
        finally:
            await socket.close()


class _RemoteViewer:
    """The connection to a view on another node; see `ViewerChannel`."""

    def __init__(self, socket: ClientWebSocketResponse, node: str) -> None:
        self._socket = socket
        self._node = node

    async def next(self) -> bytes | str:
        """Return the next message from the other node."""
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: bytes | str = message.data
            return data
        if self._socket.close_code == WSCloseCode.POLICY_VIOLATION:
            raise ViewerRefused(str(message.extra or ""))
        has_reason = message.type is WSMsgType.CLOSE and message.extra
        raise ViewerMoved(str(message.extra) if has_reason else f"The node {self._node} no longer answers.")

    async def receive(self, message: str) -> None:
        """Forward a message."""
        await self._sent(self._socket.send_str(message))

    async def receive_file(self, piece: bytes) -> None:
        """Forward a piece of a file."""
        await self._sent(self._socket.send_bytes(piece))

    async def _sent(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(SEND_LIMIT):
                await sending
        except (ConnectionError, TimeoutError) as error:
            raise ViewerMoved(f"The node {self._node} no longer answers.") from error


class _Nowhere:
    """The view of an account that no node has: shows that state until one has it; see `ViewerChannel`."""

    def __init__(self, name: str, is_nowhere: Callable[[], bool]) -> None:
        self._name = name
        self._is_nowhere = is_nowhere
        self._has_said = False

    async def next(self) -> bytes | str:
        """Return the state once, then wait until a node has the account and raise `ViewerMoved`."""
        if not self._has_said:
            self._has_said = True
            about = {"kind": "account", "name": self._name, "state": "unplaced", "reason": NO_NODE}
            rest = {"page": "closed", "tabs": [], "address": "", "viewers": 1, "controls": "none", "ask": None}
            return json.dumps({"type": "state", "about": about, **rest})
        while self._is_nowhere():
            await asyncio.sleep(LOOK_EVERY)
        raise ViewerMoved("")

    async def receive(self, message: str) -> None:
        """Ignore a message, as there is no page."""

    async def receive_file(self, piece: bytes) -> None:
        """Ignore a piece of a file, as there is no page."""


@asynccontextmanager
async def _nowhere(name: str, is_nowhere: Callable[[], bool]) -> AsyncGenerator[ViewerChannel]:
    yield _Nowhere(name, is_nowhere)
