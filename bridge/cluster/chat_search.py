"""Tries one chat on node after node until one answers, for as long as it is certain that nothing was sent.

Other nodes' reports are up to a step old, and accounts move. So an error is final only if no account that the chat may
use is about to move to a node, and every node has had time to report its accounts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bridge.chat.types import ChatRequest
from bridge.cluster.chat_routes import TRY_FOR, Route
from bridge.cluster.node_directory import NodeInfo
from bridge.errors import (
    BridgeError,
    ClusterUnavailable,
    NoAccount,
    NodeLost,
    PermissionDenied,
    PoolError,
    PoolTimeout,
    UnknownConversation,
)
from bridge.pool.error_policy import AnotherTry, rule_of

LOOK_AGAIN = 0.1
"""Seconds between two checks for an account that has moved."""


class Nodes(Protocol):
    """The view of the nodes that a search needs; `ClusterPool` implements it."""

    patience: float
    """Seconds within which every node learns that an account has moved."""

    @property
    def queue_limit(self) -> float:
        """Return how many seconds a chat may wait for an account."""
        ...

    def routes(self, request: ChatRequest) -> Sequence[Route]:
        """Return where the chat could go now, the best first."""
        ...

    def route_to(self, account: str) -> Route | None:
        """Return the route to the node that has an account; a chat waits there for its full time."""
        ...

    def avoid(self, node: NodeInfo) -> None:
        """Skip a node for a while after it was lost."""
        ...

    def moving(self, request: ChatRequest) -> set[str]:
        """Return the accounts that the chat may use and that are about to move to a node."""
        ...

    def news(self) -> object:
        """Return an object that is replaced each time the nodes' reports are read."""
        ...


class ChatSearch:
    """The nodes that one chat has tried, and its deadline; `home` is the account with its conversation."""

    def __init__(self, nodes: Nodes, request: ChatRequest, home: str | None) -> None:
        self._nodes = nodes
        self._request = request
        self._home = home
        self._is_named = home is not None and request.conversation is not None
        self._deadline = time.monotonic() + wait_of(request, nodes.queue_limit)
        self._tried: set[str] = set()
        self._briefly: set[str] = set()
        """Nodes that the chat has left after `TRY_FOR`; it may still wait there for its full time."""
        self._news = nodes.news()
        self._failure: BridgeError | None = None
        self._patient_until = 0.0
        self.has_begun = False

    async def next_route(self) -> Route | None:
        """Wait for and return the next node to try; raise the last failure when there is none."""
        while True:
            if (route := self._best()) is not None:
                return route
            now = time.monotonic()
            if now >= self._deadline or not (self._is_moving() or now < self._patient_until):
                if self._failure is not None:
                    raise self._failure
                return Route(None, is_free=False, load=0)  # this node's own pool raises the reason
            await asyncio.sleep(LOOK_AGAIN)
            if (news := self._nodes.news()) is not self._news:
                self._news = news
                self._tried.clear()
                self._briefly.clear()

    def _best(self) -> Route | None:
        found = [route for route in self._routes() if _name(route) not in self._tried]
        fresh = [route for route in found if _name(route) not in self._briefly]
        if fresh:
            return fresh[0]
        return replace(min(found, key=lambda route: route.load), is_free=False) if found else None

    def _routes(self) -> Sequence[Route]:
        """Return the routes: to the account with the conversation first, or alone if the client names it."""
        if self._home is not None and (route := self._nodes.route_to(self._home)) is not None:
            if not self._is_named:
                self._home = None
            return [route]
        return [] if self._is_named else self._nodes.routes(self._request)

    def _is_moving(self) -> bool:
        moving = self._nodes.moving(self._request)
        return self._home in moving if self._is_named else bool(moving)

    def request_at(self, route: Route) -> ChatRequest:
        """Return the chat with the time that it may wait there."""
        left = max(self._deadline - time.monotonic(), 0.0)
        is_brief = _is_brief(route) and left > TRY_FOR
        return replace(self._request, start_within=TRY_FOR if is_brief else left, is_brief=is_brief)

    def tried(self, route: Route) -> _Attempt:
        """Record the outcome of an attempt; suppress an error after which another node may try."""
        return _Attempt(self, route)

    def may_go_on(self, route: Route, error: BridgeError) -> bool:
        """Tell whether the chat may go to another node, and record the failure of this one."""
        if self.has_begun or error.sent or not _may_be_better(error):
            return False
        if isinstance(error, NodeLost) and route.node is not None:
            self._nodes.avoid(route.node)
        is_answer = isinstance(error, UnknownConversation | PermissionDenied)  # final, unless the account is moving
        if _may_have_moved(route, error) and not (is_answer and self._patient_until):
            self._patient_until = time.monotonic() + self._nodes.patience
        was_brief = isinstance(error, PoolTimeout) and _is_brief(route)
        is_known = _name(route) in self._tried
        (self._briefly if was_brief else self._tried).add(_name(route))
        self._failure = error
        return not is_known


class _Attempt:
    """One attempt on a node."""

    def __init__(self, search: ChatSearch, route: Route) -> None:
        self._search = search
        self._route = route

    def __enter__(self) -> None:
        """Start the attempt."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Suppress an error after which another node may try."""
        return isinstance(error, BridgeError) and self._search.may_go_on(self._route, error)


def wait_of(request: ChatRequest, most: float) -> float:
    """Return how many seconds a chat may wait for an account."""
    return most if request.start_within is None else min(request.start_within, most)


def _may_be_better(error: BridgeError) -> bool:
    """Tell whether another node may succeed after `error`, before which nothing was sent."""
    elsewhere = rule_of(error).again in (AnotherTry.ELSEWHERE, AnotherTry.ANYWHERE, AnotherTry.RELOADED)
    return elsewhere or isinstance(error, PoolError | ClusterUnavailable | UnknownConversation | PermissionDenied)


def _may_have_moved(route: Route, error: BridgeError) -> bool:
    """Tell whether a node may have refused the chat because its account has moved to another one."""
    if isinstance(error, ClusterUnavailable):
        return True
    has_none = isinstance(error, NoAccount) and error.until is None
    return route.seems_able and (has_none or isinstance(error, UnknownConversation | PermissionDenied))


def _is_brief(route: Route) -> bool:
    """Tell whether a chat waits there only briefly: an account seemed free, but another chat may have it by now."""
    return route.is_free and route.node is not None


def _name(route: Route) -> str:
    return "" if route.node is None else route.node.id
