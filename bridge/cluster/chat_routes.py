"""Ranks the nodes for a chat: first those with a free account, then those with the shortest queues; no I/O.

Other nodes' reports are up to a second old. So a node whose account only seemed free keeps the chat for a moment
(`TRY_FOR`), then the next node gets it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.chat.types import Account, ChatRequest
from bridge.cluster.node_directory import NodeInfo, accounts_of, models_of
from bridge.pool.account import Slot, serves

TRY_FOR = 1.0
"""Seconds that a chat waits on another node whose account seemed free."""


@dataclass(frozen=True, slots=True)
class Route:
    """A node that may answer (None is this one), and whether one of its accounts seems free, or able to answer."""

    node: NodeInfo | None
    is_free: bool
    load: float
    seems_able: bool = True


def routes(
    request: ChatRequest,
    nodes: Collection[NodeInfo],
    own: Sequence[Slot],
    busy: Collection[Slot | None],
    waiting: int,
) -> list[Route]:
    """Return the nodes that have a fitting account, the best first; this node comes before equally good ones.

    `own`, `busy` and `waiting` describe this node: its accounts, those in use, and its number of waiting chats.
    """
    fitting = [slot for slot in own if request.caller.may_use(slot.worker.name) and slot.serves(request.model)]
    found = []
    if fitting:
        free = sum((slot.takes_chats and slot not in busy) or slot.can_wake for slot in fitting)
        can_answer = sum(slot.takes_chats or slot.can_wake for slot in fitting)
        found.append(_route(None, free, can_answer, len(fitting), waiting))
    for node in nodes:
        accounts = accounts_for(request, node)
        if accounts:
            free = sum(account.takes_chats and not account.is_busy for account in accounts)
            can_answer = sum(account.takes_chats for account in accounts)
            found.append(_route(node, free, can_answer, len(accounts), node.waiting))
    return sorted(found, key=lambda route: (not route.is_free, route.load, route.node is not None, random.random()))  # noqa: S311


def accounts_for(request: ChatRequest, node: NodeInfo) -> list[Account]:
    """Return the accounts of a node that fit a chat."""
    known = [account for account in accounts_of(node) if request.caller.may_use(account.name)]
    sites = {site for site, bases in models_of(node).items() if serves(bases, request.model)}
    return [account for account in known if account.site in sites]


def _route(node: NodeInfo | None, free: int, can_answer: int, known: int, waiting: int) -> Route:
    """Return a route; its load counts free accounts if there are some, else waiting chats per usable account."""
    is_free = free > waiting
    load = -free if is_free else (waiting + 1) / can_answer if can_answer else 1e6 / known
    return Route(node, is_free, load if node is not None or not is_free else -1e9, can_answer > 0)
