"""An operator's actions on accounts of any node: an `AccountControl`, and the handler that serves the other nodes.

A call names the fence under which the caller saw the account; a node that holds it under another one refuses.
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
    """The accounts of all nodes; each action runs on the node that has the account."""

    def __init__(self, pool: Pool, node: ClusterNode, client: RelayClient) -> None:
        self.pool = pool
        self.node = node
        self.client = client
        self.control = NodeControl(node)
        self.operations: AccountOperations
        """The actions that other nodes may call here."""
        self.server: RelayServer

    def others(self) -> list[NodeInfo]:
        """Return the other nodes as of the last step."""
        return [info for info in self.node.view.nodes if info.id != self.node.id and info.address]

    def node_of(self, name: str) -> NodeInfo | None:
        """Return the other node that has an account; None if this one has it, or none does."""
        if self.pool.worker(name) is not None:
            return None
        return next((node for node in self.others() if any(one["name"] == name for one in node.accounts)), None)

    def accounts(self) -> Sequence[Account]:
        """Return the accounts of all nodes sorted by name, so that every node gives the same order."""
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
        """Open the stored profile of that name; if another node has the account, that node takes over the new login."""
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
        """Raise `AccountConflict`: nodes identify an account by its name."""
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
        """Cancel a chat on an account of this node; callers ask the other nodes for theirs."""
        return self.pool.cancel(chat)

    async def _done(self, action: str, name: str, here: Callable[[str], Awaitable[Account]]) -> Account:
        if (node := self.node_of(name)) is None:
            return replace(await here(name), node=self.node.name)
        said = await self.called(node, action, name)
        with understood(node.node):
            return replace(account_of(said["account"]), node=node.node)

    async def called(self, node: NodeInfo, action: str, name: str) -> Mapping[str, Any]:
        """Run an action on an account of another node; return that node's reply."""
        return await self.client.operate(node, action=action, name=name, fence=self.fence_of(node, name))

    @staticmethod
    def fence_of(node: NodeInfo, name: str) -> int:
        """Return the fence under which a node says it holds an account; 0 if it names none."""
        return next((int(one.get("fence", 0)) for one in node.accounts if one["name"] == name), 0)


class AccountOperations:
    """The actions on this node's accounts that other nodes call."""

    def __init__(self, pool: Pool, node: ClusterNode) -> None:
        self._pool = pool
        self._node = node
        self.more: dict[str, Callable[[str], Awaitable[dict[str, Any]]]] = {}
        """Handlers that other modules add, by the name of the action."""
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
        """Run the action that a call names; return its result."""
        if said.get("to") != self._node.id:
            raise NodeLost("The node has been restarted since.")
        action, name = str(said.get("action")), str(said.get("name"))
        lease = self._node.leases.of(name)
        if lease is None or lease.fence != said.get("fence"):
            raise LeaseLost(f"The account {name} has just moved to another node.")
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
        raise RequestError(f"This node knows no action {action!r}.", param="action")
