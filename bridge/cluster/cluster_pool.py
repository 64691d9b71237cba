"""The pool of all nodes as seen from one of them: a `ChatBackend` and an `AccountControl` in front of its own pool.

The queue of the node that has an account is the only authority over it. A chat goes to this node's pool or, over the
relay, to another node's; as long as it is certain that nothing was sent, it may go on to the next node.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from bridge.chat.operator_visit import Visit
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import ChatEvent, ChatRequest, Model
from bridge.cluster.account_operations import RemoteAccounts
from bridge.cluster.chat_routes import Route, routes
from bridge.cluster.chat_search import ChatSearch, wait_of
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.node_directory import NodeInfo, accounts_of
from bridge.cluster.node_questions import NodesToAsk
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.relayed_chats import RelayedChats
from bridge.cluster.running_chats import RunningChats
from bridge.cluster.shared_turns import SharedTurns
from bridge.cluster.shared_usage import RedisUsage
from bridge.cluster.wire import model_of
from bridge.errors import AccountConflict, RequestError
from bridge.pool.pool import Pool
from bridge.settings import PoolSettings

PATIENCE = 4
"""Steps within which every node learns that an account has moved."""
AVOIDED = 3.0
"""Seconds for which a lost node gets no chats."""


class ClusterPool(RemoteAccounts):
    """The backend of a node's endpoint and dashboard."""

    def __init__(
        self,
        pool: Pool,
        node: ClusterNode,
        client: RelayClient,
        settings: PoolSettings,
        usage: RedisUsage,
        turns: SharedTurns,
        nodes: NodesToAsk,
    ) -> None:
        super().__init__(pool, node, client)
        self.usage = usage
        self.turns = turns
        self.nodes = nodes
        self._settings = settings
        self.patience = PATIENCE * node.step_time
        self._running_chats, self._drained_at = RunningChats(), 0.0
        self.relayed = RelayedChats(client)
        self._lost: dict[str, float] = {}
        pool.served.elsewhere = self._models_elsewhere

    @property
    def queue_limit(self) -> float:
        """Return how many seconds a chat may wait for an account."""
        return self._settings.queue_limit

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat on any node that can; see `ChatBackend.chat`."""
        begun, limit = time.monotonic(), wait_of(request, self.queue_limit)
        with self._running_chats.one():
            async with self.turns.turn(request, limit):
                request = replace(request, start_within=max(limit - (time.monotonic() - begun), 0.0))
                # the account of a client's own login is on this node
                chat = self.pool.chat(request) if request.tokens else self._searched(request)
                async with aclosing(chat) as events:
                    async for event in events:
                        yield event

    async def _searched(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat on the first node that can; its key's turn has come."""
        search = ChatSearch(self, request, await self._home_of(request))
        while (route := await search.next_route()) is not None:
            chat = self._chat_at(route, search.request_at(route))
            with search.tried(route):
                async with aclosing(chat) as events:
                    async for event in events:
                        search.has_begun = True
                        yield event
                return

    async def _home_of(self, request: ChatRequest) -> str | None:
        """Return the account that has the conversation of the chat, if it has one already."""
        names = {account.name for account in self.accounts()} | self.node.view.names
        allowed = [name for name in names if request.caller.may_use(name)]
        try:
            place = await self.pool.conversations.find(request, allowed)
        except RequestError:  # unknown to this node; another one may know it
            return None
        return None if place is None else place.account

    def _chat_at(self, route: Route, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        if route.node is None:
            return self.pool.chat(request)
        return self.relayed.chat(route.node, request)

    def routes(self, request: ChatRequest) -> list[Route]:
        """Return where the chat could go now, the best first."""
        queue = self.pool.queue
        waiting = sum(lease.is_waiting for lease in queue.chats())
        others = [node for node in self.others() if not node.is_draining and self._is_there(node)]
        own = [] if self.node.is_draining else self.pool.own()
        return routes(request, others, own, queue.busy(), waiting)

    def route_to(self, account: str) -> Route | None:
        """Return the route to the node that has an account; see `Nodes`."""
        node = self.node_of(account)
        if node is not None:
            return Route(node, is_free=False, load=0) if self._is_there(node) and not node.is_draining else None
        has_it = self.pool.worker(account) is not None and not self.node.is_draining
        return Route(None, is_free=False, load=0) if has_it else None

    def avoid(self, node: NodeInfo) -> None:
        """Skip a node for `AVOIDED` seconds after it was lost."""
        self._lost[node.id] = time.monotonic() + AVOIDED

    def _is_there(self, node: NodeInfo) -> bool:
        return self._lost.get(node.id, 0.0) <= time.monotonic()

    def moving(self, request: ChatRequest) -> set[str]:
        """Return the accounts that the chat may use and that no node has open and will keep."""
        stay = set() if self.node.is_draining else {slot.worker.name for slot in self.pool.own()}
        for node in self.others():
            if not node.is_draining and self._is_there(node):
                stay |= {str(one["name"]) for one in node.accounts if "site" in one}
        return {name for name in self.node.view.names - stay if request.caller.may_use(name)}

    def news(self) -> object:
        """Return an object that is replaced each time the nodes' reports are read."""
        return self.node.view.nodes

    async def drain(self, limit: float) -> None:
        """Give the accounts to other nodes, each after its chat, which has `limit` seconds to end.

        Meanwhile other nodes answer this node's clients.
        """
        self._drained_at = time.monotonic() + limit
        self.node.drain()
        await self.pool.drain(limit)
        await self.node.given_back()

    async def ended_elsewhere(self) -> None:
        """Wait for this node's chats on other nodes until the limit of `drain`, then abort them."""
        if not await self._running_chats.ended(max(self._drained_at - time.monotonic(), 0.0)):
            self.client.abort()

    def hurry(self) -> bool:
        """Stop waiting for the running chats; see `ChatQueue.hurry`."""
        return any([self.pool.hurry(), self._running_chats.hurry()])

    def models(self) -> Sequence[Model]:
        """Return the models that are listed; see `ChatBackend`."""
        return self.pool.models()

    def model(self, name: str) -> Model:
        """Return the model of that name; see `ChatBackend`."""
        return self.pool.model(name)

    def first_model(self) -> Model:
        """Return the first model; see `ChatBackend`."""
        return self.pool.first_model()

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return what this node's accounts may still send; see `ChatBackend`."""
        return self.pool.rate_limit(request)

    def place_in_queue(self, request: ChatRequest) -> int | None:
        """Return the place of a chat that waits here or on another node; see `ChatBackend`."""
        elsewhere = [
            place for chat, place in self.relayed.places.items() if chat.startswith(request.id) and place is not None
        ]
        return min(elsewhere, default=None) or self.pool.place_in_queue(request)

    async def is_live(self, token: str) -> bool:
        """Tell whether a client's login still counts; see `ChatBackend`."""
        return await self.pool.is_live(token)

    def unready(self) -> str | None:
        """Return why the cluster can take no chat now; see `ChatBackend`."""
        reason = self.pool.unready()
        if reason is None or self.pool.queue.is_draining:
            return reason
        if any(account.takes_chats for node in self.others() for account in accounts_of(node)):
            return None
        return reason

    def _models_elsewhere(self) -> list[list[Model]]:
        return [[model_of(base) for base in bases] for bases in self.node.view.models.values()]

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[Visit]:
        """Hold an account of this node back from chats; see `AccountControl`."""
        if (node := self.node_of(name)) is not None:
            raise AccountConflict(f"The account {name} is on the node {node.node}; open its live view there.")
        async with self.pool.hold(name) as visit:
            yield visit
