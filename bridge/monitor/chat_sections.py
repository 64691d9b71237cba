"""The dashboard's sections about chats, as JSON: those of this bridge, in a cluster those of all nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from bridge.monitor import state_json
from bridge.monitor.chat_list import Chats, EndedChat
from bridge.monitor.other_chats import ENDED, OtherChats, Rows


class ChatSections:
    """The chats of `chats`, in a cluster also those of `others`; `kept` tells which files of a chat are kept."""

    def __init__(self, chats: Chats, kept: Mapping[str, bool]) -> None:
        self.places: Callable[[], Mapping[str, int]] = dict
        """Returns the place in the queue of each waiting chat, by its id."""
        self.others: OtherChats | None = None
        self._chats = chats
        self._kept = kept

    async def look(self) -> None:
        """Ask the other nodes for their chats once."""
        if self.others is not None:
            await self.others.look()

    def running(self) -> Rows:
        """Return the chats that have an account."""
        own = [{**state_json.running(chat), **self._node} for chat in self._chats.running]
        return own if self.others is None else own + self.others.running

    def queue(self) -> Rows:
        """Return the waiting chats, those of each node in the order in which they will get accounts."""
        own = [{**chat, **self._node} for chat in state_json.queue(self._chats.waiting, self.places())]
        return own if self.others is None else own + self.others.queue

    def recent(self, limit: int) -> Rows:
        """Return the last ended chats, the newest first."""
        rows = self._rows(limit)
        return [row["chat"] for row in rows] if self.others is None else self.others.recent(rows, limit)

    def ended(self, chat: EndedChat) -> dict[str, Any]:
        """Return a chat of this bridge that has ended."""
        return {**state_json.ended(chat, self._kept), **self._node}

    @property
    def today(self) -> int:
        """Return how many chats have ended today."""
        return self._chats.today + (0 if self.others is None else self.others.today)

    def for_others(self, after: float) -> Mapping[str, Any]:
        """Return this node's chats for another node; see `other_chats.Own`."""
        ended = [row for row in self._rows(ENDED) if row["at"] > after]
        running = [state_json.running(chat) for chat in self._chats.running]
        queue = state_json.queue(self._chats.waiting, self.places())
        return {"running": running, "queue": queue, "today": self._chats.today, "ended": ended[::-1]}

    @property
    def _node(self) -> Mapping[str, str]:
        return {} if self.others is None else {"node": self.others.nodes.name}

    def _rows(self, limit: int) -> Rows:
        return [{"at": one.at.timestamp(), "chat": self.ended(one)} for one in islice(self._chats.recent(), limit)]
