"""What an operator does with an account, on whichever node it is: an `AccountControl`, and its other side.

The call names the fence under which the account was seen; a node that has it under another one refuses.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.chat.types import Account
from bridge.cluster.chat_routes import accounts_of
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.node_control import NodeControl
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.wire import account_as_json, account_of
from bridge.errors import LeaseLost, NodeLost, RequestError
from bridge.pool.pool import Pool


class RemoteAccounts:
    """The accounts of all nodes, and what can be done with each where it is."""

    def __init__(self, pool: Pool, node: ClusterNode, client: RelayClient) -> None:
        self.pool = pool
        self.node = node
        self.client = client
        self.control = NodeControl(node)

    def others(self) -> list[NodeInfo]:
        """Return the other nodes, as they were a second ago."""
        return [info for info in self.node.view.nodes if info.id != self.node.id and info.address]

    def node_of(self, name: str) -> NodeInfo | None:
        """Return the other node that has an account, if this one has not."""
        if self.pool.worker(name) is not None:
            return None
        return next((node for node in self.others() if any(one["name"] == name for one in node.accounts)), None)

    def accounts(self) -> Sequence[Account]:
        """Return how the accounts of all nodes stand; those of this node first."""
        own = [replace(account, node=self.node.name) for account in self.pool.accounts()]
        known = {account.name for account in own}
        elsewhere = [replace(one, node=node.node) for node in self.others() for one in accounts_of(node)]
        return [*own, *(account for account in elsewhere if account.name not in known)]

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
            await self.node.publish(name)
        return await self._done("reopen", name, self.pool.add)

    async def remove(self, name: str) -> None:
        """See `AccountControl`."""
        if (node := self.node_of(name)) is None:
            await self.pool.remove(name)
        else:
            await self._called(node, "remove", name)

    async def rename(self, name: str, to: str) -> Account:
        """Refused by the node that has the account: its name is what the nodes agree by."""
        return await self.pool.rename(name, to)

    async def bundle(self, name: str) -> Path:
        """Return the folder of a bundle, which is on the node that has the account."""
        if (node := self.node_of(name)) is None:
            return await self.pool.bundle(name)
        return Path(str((await self._called(node, "bundle", name))["path"]))

    async def thumbnail(self, name: str) -> bytes | None:
        """See `AccountControl`."""
        if (node := self.node_of(name)) is None:
            return await self.pool.thumbnail(name)
        data = (await self._called(node, "thumbnail", name)).get("data")
        return None if data is None else base64.b64decode(data)

    def cancel(self, chat: str) -> bool:
        """End a chat of this node; one that another node answers ends when its client leaves."""
        return self.pool.cancel(chat)

    async def _done(self, action: str, name: str, here: Callable[[str], Awaitable[Account]]) -> Account:
        if (node := self.node_of(name)) is None:
            return replace(await here(name), node=self.node.name)
        return replace(account_of((await self._called(node, action, name))["account"]), node=node.node)

    async def _called(self, node: NodeInfo, action: str, name: str) -> Mapping[str, Any]:
        fence = next((one.get("fence", 0) for one in node.accounts if one["name"] == name), 0)
        return await self.client.operate(node, action=action, name=name, fence=fence)


class AccountOperations:
    """Does on this node's accounts what another node asks for."""

    def __init__(self, pool: Pool, node: ClusterNode) -> None:
        self._pool = pool
        self._node = node
        self._actions: Mapping[str, Callable[[str], Awaitable[Account]]] = {
            "check": pool.check,
            "pause": pool.pause,
            "resume": pool.resume,
            "reopen": pool.reopen,
            "wake": pool.wake,
            "sleep": pool.sleep,
            "renew": pool.renew,
        }

    async def __call__(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what came of it."""
        if said.get("to") != self._node.id:
            raise NodeLost("The node was started anew since.")
        action, name = str(said.get("action")), str(said.get("name"))
        lease = self._node.leases.of(name)
        if lease is None or lease.fence != said.get("fence"):
            raise LeaseLost(f"The account {name} has moved to another node just now.")
        return await self._do(action, name)

    async def _do(self, action: str, name: str) -> dict[str, Any]:
        match action:
            case "remove":
                await self._pool.remove(name)
                return {}
            case "bundle":
                return {"path": str(await self._pool.bundle(name))}
            case "thumbnail":
                data = await self._pool.thumbnail(name)
                return {"data": data and base64.b64encode(data).decode()}
            case _ if action in self._actions:
                return {"account": account_as_json(await self._actions[action](name))}
        raise RequestError(f"No node knows how to {action!r}.", param="action")
