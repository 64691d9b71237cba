"""What an operator does with an account, on whichever node it is: an `AccountControl`, and its other side.

The call names the fence under which the account was seen; a node that has it under another one refuses.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridge.chat.account_control import Archive
from bridge.chat.other_nodes import understood
from bridge.chat.types import Account
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.leased_accounts import KEEPS_NAME
from bridge.cluster.node_control import NodeControl
from bridge.cluster.node_directory import NodeInfo, accounts_of
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.relay_server import RelayServer
from bridge.cluster.wire import account_as_json, account_of
from bridge.errors import AccountConflict, LeaseLost, NodeLost, RequestError
from bridge.pool.pool import Pool


class RemoteAccounts:
    """The accounts of all nodes, and what can be done with each where it is."""

    def __init__(self, pool: Pool, node: ClusterNode, client: RelayClient) -> None:
        self.pool = pool
        self.node = node
        self.client = client
        self.control = NodeControl(node)
        self.operations: AccountOperations
        """What the other nodes may have done here."""
        self.server: RelayServer

    def others(self) -> list[NodeInfo]:
        """Return the other nodes, as they were a second ago."""
        return [info for info in self.node.view.nodes if info.id != self.node.id and info.address]

    def node_of(self, name: str) -> NodeInfo | None:
        """Return the other node that has an account, if this one has not."""
        if self.pool.worker(name) is not None:
            return None
        return next((node for node in self.others() if any(one["name"] == name for one in node.accounts)), None)

    def accounts(self) -> Sequence[Account]:
        """Return how the accounts of all nodes stand, by their names: on each node in the same order."""
        own = [replace(account, node=self.node.name) for account in self.pool.accounts()]
        known = {account.name for account in own}
        elsewhere = [replace(one, node=node.node) for node in self.others() for one in accounts_of(node)]
        others = (account for account in elsewhere if account.name not in known)
        return sorted([*own, *others], key=lambda account: account.name)

    async def check(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("check", name, self.pool.check)

    async def pause(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("pause", name, self.pool.pause)

    async def resume(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("resume", name, self.pool.resume)

    async def reopen(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("reopen", name, self.pool.reopen)

    async def wake(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("wake", name, self.pool.wake)

    async def sleep(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("sleep", name, self.pool.sleep)

    async def renew(self, name: str) -> Account:
        """See `AccountControl`."""
        return await self._done("renew", name, self.pool.renew)

    async def add(self, name: str) -> Account:
        """Open the stored profile of that name; where another node has the account, that one takes up the new login."""
        if self.node_of(name) is not None:
            await self.node.sync.publish_one(name)
        return await self._done("add", name, self.pool.add)

    async def remove(self, name: str) -> None:
        """See `AccountControl`."""
        if (node := self.node_of(name)) is not None:
            await self.called(node, "remove", name)
        elif self.pool.worker(name) is None and self.node.view.knows(name):
            await self.node.remove_unplaced(name)
        else:
            await self.pool.remove(name)

    async def rename(self, name: str, to: str) -> Account:
        """Refuse it: the name is what the nodes agree by."""
        raise AccountConflict(KEEPS_NAME.format(name=name, to=to), param="to")

    async def bundle(self, name: str) -> Archive:
        """See `AccountControl`."""
        if (node := self.node_of(name)) is None:
            return await self.pool.bundle(name)
        return await self.client.fetch(node, action="bundle", name=name, fence=self.fence_of(node, name))

    async def thumbnail(self, name: str) -> bytes | None:
        """See `AccountControl`."""
        if (node := self.node_of(name)) is None:
            return await self.pool.thumbnail(name)
        said = await self.called(node, "thumbnail", name)
        with understood(node.node):
            return None if said["data"] is None else base64.b64decode(said["data"], validate=True)

    def cancel(self, chat: str) -> bool:
        """End a chat that an account of this node has; the other nodes are asked for theirs."""
        return self.pool.cancel(chat)

    async def _done(self, action: str, name: str, here: Callable[[str], Awaitable[Account]]) -> Account:
        if (node := self.node_of(name)) is None:
            return replace(await here(name), node=self.node.name)
        said = await self.called(node, action, name)
        with understood(node.node):
            return replace(account_of(said["account"]), node=node.node)

    async def called(self, node: NodeInfo, action: str, name: str) -> Mapping[str, Any]:
        """Have a node do something with an account of its own; return what came of it."""
        return await self.client.operate(node, action=action, name=name, fence=self.fence_of(node, name))

    @staticmethod
    def fence_of(node: NodeInfo, name: str) -> int:
        """Return the number under which a node has an account."""
        return next((int(one.get("fence", 0)) for one in node.accounts if one["name"] == name), 0)


class AccountOperations:
    """Does on this node's accounts what another node asks for."""

    def __init__(self, pool: Pool, node: ClusterNode) -> None:
        self._pool = pool
        self._node = node
        self.more: dict[str, Callable[[str], Awaitable[dict[str, Any]]]] = {}
        """What others do here with an account, by the name of the action."""
        self._actions: Mapping[str, Callable[[str], Awaitable[Account]]] = {
            "check": pool.check,
            "pause": pool.pause,
            "resume": pool.resume,
            "reopen": pool.reopen,
            "wake": pool.wake,
            "sleep": pool.sleep,
            "renew": pool.renew,
        }

    async def __call__(self, said: Mapping[str, Any]) -> dict[str, Any] | Archive:
        """Return what came of it."""
        if said.get("to") != self._node.id:
            raise NodeLost("The node was restarted since.")
        action, name = str(said.get("action")), str(said.get("name"))
        lease = self._node.leases.of(name)
        if lease is None or lease.fence != said.get("fence"):
            raise LeaseLost(f"The account {name} has moved to another node just now.")
        return await self._do(action, name)

    async def _do(self, action: str, name: str) -> dict[str, Any] | Archive:
        match action:
            case "remove":
                await self._pool.remove(name)
                return {}
            case "bundle":
                return await self._pool.bundle(name)
            case "add":  # the node that asks has published a new login
                await self._node.sync.refresh()
                return {"account": account_as_json(await self._pool.add(name))}
            case "thumbnail":
                data = await self._pool.thumbnail(name)
                return {"data": data and base64.b64encode(data).decode()}
            case _ if action in self._actions:
                return {"account": account_as_json(await self._actions[action](name))}
            case _ if action in self.more:
                return await self.more[action](name)
        raise RequestError(f"No node knows how to {action!r}.", param="action")
