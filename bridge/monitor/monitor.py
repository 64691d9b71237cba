"""Collects the state of the bridge from facts and resource samples, and sends changes to the watchers.

A fact costs a few assignments. Encoding happens at most a few times a second, and only while there is a watcher.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Any, NoReturn

import bridge
from bridge.chat.cluster_control import ClusterControl
from bridge.chat.other_nodes import OtherNodes
from bridge.chat.types import Account
from bridge.monitor import state_json
from bridge.monitor.charts import Charts
from bridge.monitor.chat_list import Chats, EndedChat
from bridge.monitor.chat_sections import ChatSections
from bridge.monitor.drift_list import DriftList
from bridge.monitor.event_feed import EventFeed, Watcher, encoded, frame
from bridge.monitor.log_tail import LogTail
from bridge.monitor.machine_load import Machine
from bridge.monitor.other_chats import OtherChats, Rows
from bridge.monitor.pressure import IDLE, Pressure
from bridge.monitor.resource_usage import ResourceSample, ResourceUsage
from bridge.settings import Settings
from bridge.sse import encode_sse
from bridge.tasks import Tasks
from bridge.telemetry import (
    BrowserLost,
    BrowserStarted,
    ChatEnded,
    ChatProgress,
    ChatQueued,
    ChatStarted,
    DriftSeen,
    Fact,
    WorkerState,
)

TICK = 0.25
"""Seconds between two updates of the watchers."""
SAMPLE = 10.0
"""Seconds between two resource samples."""
SHOWN_CHATS = 100
SHOWN_LINES = 200
MOST_LOST = 20
MOST_PENDING = 500


class Monitor:
    """The state that the dashboard shows; a telemetry sink, and a context manager that samples and updates."""

    def __init__(self, settings: Settings) -> None:
        self.url = ""
        self.is_draining = False
        self.has_live = self.has_history = False
        self.accounts: Callable[[], Sequence[Account]] = tuple
        """Returns the accounts, in a cluster those of all nodes."""
        self.own_accounts: Callable[[], Sequence[Account]] = lambda: self.accounts()
        """Returns the accounts that this bridge drives."""
        self.cluster: ClusterControl | None = None
        self.unready: Callable[[], str | None] = lambda: None
        self.more: dict[str, Callable[[], Any]] = {}
        """Further sections of the state, by name; each function returns JSON."""
        self.chats = Chats()
        self.charts = Charts()
        self.log = LogTail()
        self.feed = EventFeed(self._whole)
        self.tick = TICK
        self._settings = settings
        kept = {"trace": settings.browser.trace is not None, "record": settings.browser.record is not None}
        self.sections = ChatSections(self.chats, kept)
        self._started = datetime.now(UTC)
        self._usage, self._machine = ResourceUsage(), Machine()
        self._process_load: ResourceSample | None = None
        self._machine_load = IDLE
        self._browser: tuple[BrowserStarted, datetime] | None = None
        self._browser_load: ResourceSample | None = None
        self._lost: deque[tuple[datetime, str]] = deque(maxlen=MOST_LOST)
        self._drift = DriftList()
        self._pending: deque[tuple[str, Any]] = deque(maxlen=MOST_PENDING)
        self._sent: dict[str, bytes] = {}
        self._sent_lines = 0
        self._tasks = Tasks()
        self._log_ends = ExitStack()

    def join(self, cluster: ClusterControl, nodes: OtherNodes) -> None:
        """Show the nodes of a cluster and the chats of all of them, and answer the other nodes about this one's."""
        self.cluster = cluster
        self.sections.others = OtherChats(nodes, self.sections.for_others, self._ended_elsewhere)

    async def __aenter__(self) -> Monitor:
        self._log_ends.enter_context(self.log.listening(self._settings.log))
        self._tasks.keep(self._sample)
        self._tasks.keep(self._update)
        if (others := self.sections.others) is not None:
            self._tasks.keep(lambda: others.follow(self.feed.watched))
        return self

    async def close(self) -> None:
        """End the feed of all watchers."""
        self.feed.close()

    async def __aexit__(self, *_: object) -> None:
        self.feed.close()
        await self._tasks.close()
        self._log_ends.close()

    def drain(self) -> None:
        """Show that the bridge is stopping."""
        self.is_draining = True

    def __call__(self, fact: Fact) -> None:
        """Handle a fact."""
        match fact:
            case ChatQueued():
                self.chats.queued(fact)
            case ChatStarted():
                self.chats.started(fact)
            case ChatProgress():
                self.chats.progressed(fact)
            case ChatEnded():
                self.charts.chat(fact)
                self._pending.append(("chat", self.chats.end(fact)))
            case _:
                self._take_rest(fact)

    def add_sample(self) -> None:
        """Send the watchers the figures of the current minute."""
        self._pending.append(("sample", self.charts.point()))

    def pressure(self, *, own: bool = False) -> Pressure:
        """Return the current pressure; with `own`, for the accounts that this bridge drives only."""
        waiting, accounts = self.chats.waiting, self.own_accounts() if own else self.accounts()
        return Pressure(
            [account for account in accounts if not account.is_token_account],
            len(self.chats.running),
            len(waiting),
            self._settings.pool.queue_size,
            (datetime.now(UTC) - waiting[0].since).total_seconds() if waiting else 0.0,
            self.unready(),
            self._process_load,
            self._browser_load,
            self._machine_load,
            self._settings.sleep.max_open,
        )

    def watcher(self, cut: Callable[[], None] = lambda: None) -> AbstractContextManager[Watcher]:
        """Add a watcher within the context; see `EventFeed.watcher`."""
        return self.feed.watcher(cut)

    def state(self) -> dict[str, Any]:
        """Return the whole state."""
        return {
            **self._changing(),
            "recent": self.sections.recent(SHOWN_CHATS),
            "log": [state_json.line(line) for line in self.log.after(self.log.count - SHOWN_LINES)],
        }

    def remember(self, earlier: Sequence[EndedChat]) -> None:
        """Add the chats of earlier starts, given the newest first."""
        self.chats.remember(earlier)
        self._ended_elsewhere(None)

    def ended(self, chat: EndedChat) -> dict[str, Any]:
        """Return a chat of this bridge that has ended, as JSON."""
        return self.sections.ended(chat)

    def described(self) -> list[dict[str, Any]]:
        """Return the accounts as JSON."""
        return state_json.accounts(self.accounts(), self.sections.running())

    def _ended_elsewhere(self, chats: Rows | None) -> None:
        """Show ended chats of other nodes; with None send the whole list of ended chats again."""
        if chats is None:
            self.feed.put(frame("state", {"recent": self.sections.recent(SHOWN_CHATS)}))
        else:
            self._pending.extend(("chat", chat) for chat in chats)

    def _take_rest(self, fact: Fact) -> None:
        """Handle a fact that is not about a chat."""
        match fact:
            case BrowserStarted():
                self._browser = fact, datetime.now(UTC)
            case BrowserLost(reason):
                self._browser = self._browser_load = None
                self._lost.append((datetime.now(UTC), reason))
            case DriftSeen():
                self._drift.add(fact)

    def _changing(self) -> dict[str, Any]:
        """Return the sections that are sent as a whole at each change."""
        accounts = self.accounts()
        running = self.sections.running()
        return {
            "bridge": self._bridge(),
            "browser": self._browser_section(accounts),
            "accounts": state_json.accounts(accounts, running),
            "queue": self.sections.queue(),
            "running": running,
            "drift": [state_json.drift(*found) for found in reversed(self._drift)],
            **self._cluster(),
            **{name: look() for name, look in self.more.items()},
        }

    def _cluster(self) -> Mapping[str, Any]:
        if self.cluster is None or self.sections.others is None:
            return {}
        return {"cluster": {**state_json.cluster(self.cluster), "missing": self.sections.others.missing}}

    @property
    def browser_memory(self) -> float | None:
        """Return the browser's memory in MiB at the last sample; None if no browser runs."""
        return None if self._browser_load is None else self._browser_load.memory_mb

    def _bridge(self) -> Mapping[str, Any]:
        reason = self.unready()
        return {
            "version": bridge.__version__,
            "started": state_json.when(self._started),
            "url": self.url,
            "ready": reason is None,
            "reason": reason,
            "draining": self.is_draining,
            "chats_today": self.sections.today,
            "history": self.has_history,
            "live": self.has_live,
        }

    def _browser_section(self, accounts: Sequence[Account]) -> Mapping[str, Any]:
        started, at = self._browser or (None, None)
        is_starting = any(account.state is WorkerState.STARTING for account in accounts)
        return {
            "state": "running" if started else "starting" if is_starting else "stopped",
            "version": started and started.version,
            "sandbox": started and started.sandbox,
            "elsewhere": started.executable if started and started.sandbox is None else None,
            "started": state_json.when(at),
            "lost": [{"at": state_json.when(moment), "reason": reason} for moment, reason in reversed(self._lost)],
            "memory_mb": self._browser_load and self._browser_load.memory_mb,
            "cpu_percent": self._browser_load and self._browser_load.cpu_percent,
        }

    def _whole(self) -> bytes:
        """Send the pending changes to all watchers, and return a frame with the whole state."""
        self._flush()
        return frame("state", self.state())

    async def _sample(self) -> NoReturn:
        """Take resource samples until cancelled."""
        while True:
            is_elsewhere = self._browser is not None and self._browser[0].sandbox is None
            process, browser = await asyncio.to_thread(self._usage.sample, is_elsewhere=is_elsewhere)
            self._process_load, self._browser_load = process, browser if self._browser else None
            percent = sum(load.cpu_percent for load in (process, self._browser_load) if load)
            self._machine_load = await asyncio.to_thread(self._machine.load, percent)
            self.charts.load(process, self._browser_load)
            self.add_sample()
            await asyncio.sleep(SAMPLE)

    async def _update(self) -> NoReturn:
        """Send changes while there is a watcher."""
        while True:
            await self.feed.watched.wait()
            self._flush()
            await asyncio.sleep(self.tick)

    def _flush(self) -> None:
        """Send all watchers the changes since the last time."""
        now = {name: encoded(section) for name, section in self._changing().items()}
        changed = {name: section for name, section in now.items() if section != self._sent.get(name)}
        self._sent = now
        if changed:
            body = b",".join(b'"%s":%s' % (name.encode(), section) for name, section in changed.items())
            self.feed.put(encode_sse(b"{%s}" % body, "state"))
        for event, data in self._take_pending():
            self.feed.put(frame(event, data))

    def _take_pending(self) -> list[tuple[str, Any]]:
        """Return the events since the last time, those of the log last."""
        pending = list(self._pending)
        self._pending.clear()
        lines = self.log.after(self._sent_lines)
        self._sent_lines = lines[-1].number if lines else self._sent_lines
        events = [(name, self.ended(data) if isinstance(data, EndedChat) else data) for name, data in pending]
        return [*events, *(("log", state_json.line(line)) for line in lines)]
