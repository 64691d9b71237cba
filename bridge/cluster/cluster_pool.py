"""The pool of all nodes, as one of them offers it: a `ChatBackend` and an `AccountControl` in front of its own pool.

The queue of the node that has an account is the one authority over it. A chat goes to this node's pool or, by the
relay, to another one's; as long as it is certain that nothing was sent it may go to the next node.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from bridge.chat.operator_visit import Visit
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import ChatEvent, ChatRequest, Model
from bridge.cluster.account_operations import RemoteAccounts
from bridge.cluster.chat_routes import TRY_FOR, Route, accounts_of, routes
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.node_questions import NodesToAsk
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.shared_turns import SharedTurns
from bridge.cluster.shared_usage import RedisUsage
from bridge.cluster.wire import model_of
from bridge.errors import (
    AccountConflict,
    BridgeError,
    ClusterUnavailable,
    NoAccount,
    NodeLost,
    PoolError,
    PoolTimeout,
    RequestError,
    UnknownConversation,
)
from bridge.pool.error_policy import AnotherTry, rule_of
from bridge.pool.pool import Pool

LOOK_AGAIN = 0.1
"""Seconds between two looks at whether an account has come to some node."""
PATIENCE = 4
"""Steps of the nodes within which each of them knows of an account that has moved."""
AVOIDED = 3.0
"""Seconds for which a node that was lost gets no chats."""


class ClusterPool(RemoteAccounts):
    """What the endpoint and the dashboard of a node see."""

    def __init__(
        self,
        pool: Pool,
        node: ClusterNode,
        client: RelayClient,
        queue_limit: float,
        usage: RedisUsage,
        turns: SharedTurns,
        nodes: NodesToAsk,
    ) -> None:
        super().__init__(pool, node, client)
        self.usage = usage
        self.turns = turns
        self.nodes = nodes
        self._queue_limit = queue_limit
        self._places: dict[str, int | None] = {}
        self._lost: dict[str, float] = {}
        pool.served.elsewhere = self._models_elsewhere

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat on whichever node can; see `ChatBackend.chat`."""
        begun, limit = time.monotonic(), _wait_of(request, self._queue_limit)
        async with self.turns.turn(request.caller, request.id, limit):
            left = max(limit - (time.monotonic() - begun), 0.0)
            async with aclosing(self._searched(replace(request, start_within=left))) as events:
                async for event in events:
                    yield event

    async def _searched(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat whose key may have it now."""
        search = _Search(self, request, await self._home_of(request))
        while (route := await search.next_route()) is not None:
            chat = self._chat_at(route, replace(request, start_within=search.limit(route)))
            with search.tried(route):
                async with aclosing(chat) as events:
                    async for event in events:
                        search.has_begun = True
                        yield event
                return

    async def _home_of(self, request: ChatRequest) -> str | None:
        """Return the account that has the conversation of the chat, if it has one already."""
        if request.tokens:
            return None
        allowed = [account.name for account in self.accounts() if request.caller.may_use(account.name)]
        try:
            place = await self.pool.conversations.find(request, allowed)
        except RequestError:  # this node does not know it yet, or not any more; another one may
            return None
        return None if place is None else place.account

    def _chat_at(self, route: Route, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        if route.node is None:
            return self.pool.chat(request)
        return self._relayed(route, request)

    async def _relayed(self, route: Route, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        assert route.node is not None  # noqa: S101 - a chat of this node's is not relayed
        try:
            chat = self.client.chat(route.node, request, lambda place: self._places.update({request.id: place}))
            async with aclosing(chat) as events:
                async for event in events:
                    yield event
        finally:
            self._places.pop(request.id, None)

    def routes(self, request: ChatRequest) -> list[Route]:
        """Return where the chat could go now, the best first."""
        queue, now = self.pool.queue, time.monotonic()
        waiting = sum(lease.is_waiting for lease in queue.chats())
        others = [] if request.tokens else [node for node in self.others() if self._lost.get(node.id, 0.0) <= now]
        own = [] if queue.is_draining else self.pool.own()
        return routes(request, others, own, queue.busy(), waiting)

    def route_to(self, account: str) -> Route | None:
        """Return the way to the node that has an account; it waits there as long as for any."""
        node = self.node_of(account)
        if node is not None:
            return None if self._lost.get(node.id, 0.0) > time.monotonic() else Route(node, is_free=False, load=0)
        return Route(None, is_free=False, load=0) if self.pool.worker(account) is not None else None

    def avoid(self, route: Route) -> None:
        """Leave out a node that was lost just now."""
        if route.node is not None:
            self._lost[route.node.id] = time.monotonic() + AVOIDED

    @property
    def is_moving(self) -> bool:
        """Tell whether accounts are about to come to a node: free ones, those of a lost node, those being opened."""
        others = self.others()
        has_lost = any(node.id in self._lost and node.accounts for node in others)
        return bool(self.node.free) or has_lost or any("site" not in one for node in others for one in node.accounts)

    @property
    def queue_limit(self) -> float:
        """Return how many seconds a chat may wait for an account."""
        return self._queue_limit

    def models(self) -> Sequence[Model]:
        """Return the models that are listed; see `ChatBackend`."""
        return self.pool.models()

    def model(self, name: str) -> Model:
        """Return what a name means; see `ChatBackend`."""
        return self.pool.model(name)

    def first_model(self) -> Model:
        """Return the first model; see `ChatBackend`."""
        return self.pool.first_model()

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return what this node's accounts may still send; see `ChatBackend`."""
        return self.pool.rate_limit(request)

    def place_in_queue(self, request: ChatRequest) -> int | None:
        """Return the place of a chat that waits here or on another node; see `ChatBackend`."""
        elsewhere = [place for chat, place in self._places.items() if chat.startswith(request.id) and place is not None]
        return min(elsewhere, default=None) or self.pool.place_in_queue(request)

    async def is_live(self, token: str) -> bool:
        """Tell whether a client's login still counts; see `ChatBackend`."""
        return await self.pool.is_live(token)

    def unready(self) -> str | None:
        """Return why no chat could be taken now; see `ChatBackend`."""
        reason = self.pool.unready()
        if reason is None or self.pool.queue.is_draining:
            return reason
        if any(account.takes_chats for node in self.others() for account in accounts_of(node)):
            return None
        return reason

    def _models_elsewhere(self) -> list[list[Model]]:
        return [[model_of(base) for base in bases] for node in self.others() for bases in node.models.values()]

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[Visit]:
        """Keep chats away from an account of this node; see `AccountControl`."""
        if (node := self.node_of(name)) is not None:
            raise AccountConflict(f"The account {name} is on the node {node.node}; open its live view there.")
        async with self.pool.hold(name) as visit:
            yield visit


class _Search:
    """The nodes that one chat has tried, and how long it may go on."""

    def __init__(self, pool: ClusterPool, request: ChatRequest, home: str | None) -> None:
        self._pool = pool
        self._home = home
        self._request = request
        self._deadline = time.monotonic() + _wait_of(request, pool.queue_limit)
        self._tried: set[str] = set()
        self._briefly: set[str] = set()
        """Nodes where an account only seemed free; the chat may wait there, too."""
        self._failure: BridgeError | None = None
        self._patient_until = 0.0
        self.has_begun = False

    async def next_route(self) -> Route | None:
        """Return where to try next, once there is such a place; raise why there is none."""
        if self._home is not None and (route := self._pool.route_to(self._home)) is not None:
            self._home = None
            return route
        while True:
            found = [route for route in self._pool.routes(self._request) if _name(route) not in self._tried]
            fresh = [route for route in found if _name(route) not in self._briefly]
            if fresh:
                return fresh[0]
            if found:
                return replace(min(found, key=lambda route: route.load), is_free=False)
            now = time.monotonic()
            if now >= self._deadline or not (self._pool.is_moving or now < self._patient_until):
                if self._failure is not None:
                    raise self._failure
                return Route(None, is_free=False, load=0)  # this node's own pool says why it cannot be answered
            await asyncio.sleep(LOOK_AGAIN)
            self._tried.clear()
            self._briefly.clear()

    def limit(self, route: Route) -> float:
        """Return for how many seconds the chat may wait there."""
        left = max(self._deadline - time.monotonic(), 0.0)
        return min(TRY_FOR, left) if route.is_free and route.node is not None else left

    def tried(self, route: Route) -> _Attempt:
        """Note what becomes of a try; an error after which another node may try is swallowed."""
        return _Attempt(self, route)

    def may_go_on(self, route: Route, error: BridgeError) -> bool:
        """Tell whether the chat may go to another node, and note that it was at this one."""
        if self.has_begun or error.sent or not _may_be_better(error):
            return False
        if isinstance(error, NodeLost):
            self._pool.avoid(route)
        if isinstance(error, ClusterUnavailable | NoAccount) and error.retry_after is None:
            self._patient_until = time.monotonic() + self._pool.node.seconds_of_steps(PATIENCE)
        was_brief = isinstance(error, PoolTimeout) and route.is_free and route.node is not None
        is_known = _name(route) in self._tried
        (self._briefly if was_brief else self._tried).add(_name(route))
        self._failure = error
        return not is_known


class _Attempt:
    """One try on a node."""

    def __init__(self, search: _Search, route: Route) -> None:
        self._search = search
        self._route = route

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Swallow an error after which another node may try."""
        return isinstance(error, BridgeError) and self._search.may_go_on(self._route, error)


def _wait_of(request: ChatRequest, most: float) -> float:
    """Return for how many seconds a chat may wait for an account."""
    return most if request.start_within is None else min(request.start_within, most)


def _may_be_better(error: BridgeError) -> bool:
    """Tell whether another node may answer what failed with `error`, of which nothing was sent."""
    elsewhere = rule_of(error).again in (AnotherTry.ELSEWHERE, AnotherTry.ANYWHERE, AnotherTry.RELOADED)
    return elsewhere or isinstance(error, PoolError | ClusterUnavailable | UnknownConversation)


def _name(route: Route) -> str:
    return "" if route.node is None else route.node.id
