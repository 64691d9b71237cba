"""The JSON of the dashboard's state: times in UTC, no secrets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.chat.cluster_control import ClusterControl, NodeStatus
from bridge.chat.types import Account
from bridge.monitor.chat_list import EndedChat, OpenChat
from bridge.monitor.log_tail import Line
from bridge.telemetry import DriftSeen, WorkerState


def when(moment: datetime | None) -> str | None:
    """Return a moment as an ISO 8601 text in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


def describe(account: Account, chat: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return an account; `chat` is its chat in the form of `running`."""
    error = account.last_error
    return {
        "name": account.name,
        **({"node": account.node} if account.node else {}),
        "site": account.site,
        "url": account.url,
        "state": account.state,
        "reason": account.reason,
        "until": when(account.until),
        "busy": account.is_busy,
        "paused": account.is_paused,
        "held": account.is_held,
        "chat": chat and _current(chat),
        "sends": {
            "hour": account.sends_hour,
            "day": account.sends_day,
            "hour_limit": account.hour_limit,
            "day_limit": account.day_limit,
        },
        "last_error": error and {"at": when(error.at), "code": error.code, "message": error.message},
        "last_seen": when(account.last_seen),
        "page_chats": account.page_chats,
        "thumbnail": account.state is WorkerState.READY,
    }


def accounts(found: Iterable[Account], running: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the accounts with their running chats."""
    chats = {chat.get("account"): chat for chat in running}
    return [describe(account, chats.get(account.name)) for account in found]


def cluster(control: ClusterControl) -> dict[str, Any]:
    """Return the nodes, and the accounts that no node drives."""
    nodes = control.nodes()
    own = next((status.name for status in nodes if status.is_own), None)
    return {"node": own, "nodes": [node(status) for status in nodes], "unplaced": list(control.unplaced())}


def node(status: NodeStatus) -> dict[str, Any]:
    """Return a node of the cluster."""
    return {
        "name": status.name,
        "address": status.address,
        "version": status.version,
        "accounts": status.accounts,
        "capacity": status.capacity,
        "ready": status.ready,
        "busy": status.busy,
        "waiting": status.waiting,
        "leaving": status.leaving or None,
        "clock_ahead": status.clock_ahead,
        "own": status.is_own,
    }


def queue(chats: Iterable[OpenChat], places: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the waiting chats, in the order in which they will get accounts."""
    waiting = [{**queued(chat), "position": places.get(chat.id)} for chat in chats]
    return sorted(waiting, key=lambda chat: chat["position"] or math.inf)


def queued(chat: OpenChat) -> dict[str, Any]:
    """Return the fields of a waiting chat, which a running one has, too."""
    return {"id": chat.id, "model": chat.model, "key": chat.key, "since": when(chat.since)}


def running(chat: OpenChat) -> dict[str, Any]:
    """Return a chat that has an account."""
    return {
        **queued(chat),
        "account": chat.account,
        "step": chat.step,
        "tokens": chat.tokens,
        "marks": dict(chat.marks),
    }


def ended(chat: EndedChat, kept: Mapping[str, bool]) -> dict[str, Any]:
    """Return an ended chat; `kept` tells which files of this start's chats are kept."""
    fact = chat.fact
    kept = kept if chat.kept is None else chat.kept
    return {
        "id": fact.chat,
        "model": fact.model,
        "key": fact.key,
        "account": fact.account,
        "result": fact.result,
        "reason": fact.reason,
        "at": when(chat.at),
        "marks": dict(fact.marks),
        "prompt_chars": fact.prompt_chars,
        "answer_chars": fact.answer_chars,
        "tokens": fact.tokens,
        **{name: is_kept and bool(fact.account) for name, is_kept in kept.items()},
        "bundle": bool(fact.bundle),
    }


def drift(fact: DriftSeen, at: datetime) -> dict[str, Any]:
    """Return an entry of drift."""
    return {"site": fact.site, "shape": fact.shape, "count": fact.count, "at": when(at)}


def line(entry: Line) -> dict[str, Any]:
    """Return an entry of the log."""
    return {"at": entry.at.astimezone(UTC).isoformat(timespec="milliseconds"), "level": entry.level, "text": entry.text}


def _current(chat: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: chat.get(name) for name in ("id", "model", "step", "tokens")}, "started": chat.get("since")}
