"""The live views of accounts that other nodes drive: what a viewer sends and gets goes by a WebSocket between nodes.

The node that has the page keeps all limits of a view. A viewer is sent no frame before it has drawn an earlier one, and
is read only as fast as the other node reads, so nothing piles up here.
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
"""Seconds between two looks at whether a node has the account by now."""
NO_NODE = "No node has this account now. Its page is shown as soon as one has."


class RemoteViews:
    """Finds the way to the pages of other nodes; see `view_registry.ElsewhereViews`."""

    def __init__(self, accounts: RemoteAccounts) -> None:
        self._accounts = accounts

    def knows(self, name: str) -> bool:
        """Tell whether an account is one of the cluster's."""
        return self._accounts.node.view.knows(name)

    def view(self, name: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel] | None:
        """Return the way to the view of an account that is elsewhere; None where it is here, or nobody knows it."""
        if self._accounts.pool.worker(name) is not None:
            return None
        if (node := self._accounts.node_of(name)) is not None:
            return self._connected(node, name, viewer)
        return _nowhere(name, lambda: self._is_nowhere(name)) if self.knows(name) else None

    async def until_moved(self, name: str, fence: int) -> None:
        """Wait until this node has an account under that fence no more, then raise `ViewerMoved`."""
        leases = self._accounts.node.leases
        while (lease := leases.of(name)) is not None and lease.fence == fence:
            await asyncio.sleep(LOOK_EVERY)
        raise ViewerMoved("The account is moving to another node.")

    def _is_nowhere(self, name: str) -> bool:
        accounts = self._accounts
        return accounts.pool.worker(name) is None and accounts.node_of(name) is None and self.knows(name)

    @asynccontextmanager
    async def _connected(self, node: NodeInfo, name: str, viewer: str) -> AsyncGenerator[ViewerChannel]:
        """Connect to the node that has the page; the viewer is known there by this node's name, too."""
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
        """Return what comes from the other node."""
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: bytes | str = message.data
            return data
        if self._socket.close_code == WSCloseCode.POLICY_VIOLATION:
            raise ViewerRefused(str(message.extra or ""))
        has_reason = message.type is WSMsgType.CLOSE and message.extra
        raise ViewerMoved(str(message.extra) if has_reason else f"The node {self._node} does not answer any more.")

    async def receive(self, message: str) -> None:
        """Send a message on."""
        await self._sent(self._socket.send_str(message))

    async def receive_file(self, piece: bytes) -> None:
        """Send a piece of a file on."""
        await self._sent(self._socket.send_bytes(piece))

    async def _sent(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(SEND_LIMIT):
                await sending
        except (ConnectionError, TimeoutError) as error:
            raise ViewerMoved(f"The node {self._node} does not answer any more.") from error


class _Nowhere:
    """The view of an account that no node has: says so, until one has it; see `ViewerChannel`."""

    def __init__(self, name: str, is_nowhere: Callable[[], bool]) -> None:
        self._name = name
        self._is_nowhere = is_nowhere
        self._has_said = False

    async def next(self) -> bytes | str:
        """Return the state once, then wait."""
        if not self._has_said:
            self._has_said = True
            about = {"kind": "account", "name": self._name, "state": "unplaced", "reason": NO_NODE}
            rest = {"page": "closed", "tabs": [], "address": "", "viewers": 1, "controls": "none", "ask": None}
            return json.dumps({"type": "state", "about": about, **rest})
        while self._is_nowhere():
            await asyncio.sleep(LOOK_EVERY)
        raise ViewerMoved("")

    async def receive(self, message: str) -> None:
        """Take a message: there is no page that it could be for."""

    async def receive_file(self, piece: bytes) -> None:
        """Take a piece of a file, which no page has asked for."""


@asynccontextmanager
async def _nowhere(name: str, is_nowhere: Callable[[], bool]) -> AsyncGenerator[ViewerChannel]:
    yield _Nowhere(name, is_nowhere)
