"""Adds, renames and removes accounts: as the folder of profiles changes, and as the operator asks.

The folder is looked at every second or so. Whoever closes an account, or gives it another name, first claims it and
closes its page, which may take long, and only then changes list and folder, alone (`_alone`) and as fast as local files
are, and in a cluster a call of Redis. So an account that does not end keeps no other one from being opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Protocol

from loguru import logger

from bridge.errors import AccountConflict, BridgeError, ChatCancelled, RequestError, SetupError, UnknownAccount
from bridge.pool.account import PoolWorker, Slot
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.supervisor import Supervisor
from bridge.storage.conversations import Conversations
from bridge.storage.profiles import check_name
from bridge.tasks import Tasks

LOOK_EVERY = 1.0
"""Seconds between two looks into the folder of profiles."""
CHAT_LIMIT = 15.0
"""Seconds that a chat gets to end before its account is renamed or removed."""
GOES, RENAMED, GONE = "It goes to another node.", "It gets another name.", "It was removed."
REMOVED = "The account that answered was removed."
Step = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Do nothing more."""


class StoredAccounts(Protocol):
    """The stored logins, as accounts are made of them; `ProfileAccounts` is the real one. All but `worker` blocks."""

    def stamps(self) -> Mapping[str, object]:
        """Return the names, each with what changes whenever one that could not be opened may be tried again."""
        ...

    async def claim(self, name: str) -> None:
        """Claim the account for this bridge, as somebody wants it here; raise `SetupError` where that cannot be."""
        ...

    async def worker(self, name: str) -> PoolWorker:
        """Return a worker with the stored login; raise `SetupError` where it cannot be opened."""
        ...

    def remove(self, name: str) -> None:
        """Delete what is stored under that name."""
        ...

    def rename(self, name: str, to: str) -> None:
        """Store it under another name; raise `SetupError` where that cannot be."""
        ...


class Roster:
    """Adds, renames and removes accounts; without `stored` there are those that the pool began with."""

    def __init__(
        self,
        supervisor: Supervisor,
        queue: ChatQueue,
        conversations: Conversations,
        stored: StoredAccounts | None,
        look_every: float,
    ) -> None:
        self._supervisor = supervisor
        self._queue = queue
        self._conversations = conversations
        self._stored = stored
        self._look_every = look_every
        self.gone: BridgeError = ChatCancelled(REMOVED)
        """Ends the chat of an account that is not stored any more."""
        self._unreadable: dict[str, object] = {}
        """The files that could not be opened, as they were then."""
        self._closing: set[Slot] = set()
        """Accounts that are being closed for good."""
        self._watches: dict[Slot, asyncio.Task[None]] = {}
        self._look, self._alone = asyncio.Event(), asyncio.Lock()
        self._tasks = Tasks()

    async def start(self) -> None:
        """Open all accounts, and follow the folder from now on; raises `SetupError` where it cannot be read."""
        for slot in self._supervisor.own:
            self._watch(slot)
        if self._stored is not None:
            await self._follow(self._stored)
            self._tasks.keep(self._look_again)

    async def close(self) -> None:
        """Stop looking; the accounts themselves are closed elsewhere."""
        await self._tasks.close()

    async def add(self, name: str) -> Slot:
        """Open the stored login of that name now."""
        source, added = self._source(), list[Slot]()

        async def change() -> None:
            await source.claim(name)
            async with self._alone:
                if name not in self._known():  # else the folder was looked at just now
                    added.append(self._added(await source.worker(name), is_wanted=True))

        await self._tasks.finish(change())
        return await (self._supervisor.known(added[0], 0) if added else self._supervisor.check(name))

    def look_now(self) -> None:
        """Look at what is stored at once: something has changed there."""
        self._look.set()

    async def give_away(self, slot: Slot, closing: Callable[[], None]) -> None:
        """Close the account for good once its chat has ended; what is stored of it stays.

        `closing` is called right before: from then on the account must not be among those that are stored.
        """
        name = slot.worker.name

        async def change() -> None:
            self._check_still(slot, name)
            closing()
            with self._closing_now(slot):
                await self._close(slot, name, GOES)

        async with self._queue.claimed(slot):
            await self._tasks.finish(change())

    async def remove(self, slot: Slot) -> None:
        """End the account's chat, close it, and delete what is kept of it."""
        name = slot.worker.name

        async def delete() -> None:
            if self._stored is not None:
                await asyncio.to_thread(self._stored.remove, name)
            self._supervisor.forget(name)
            self._conversations.forget_account(name)
            logger.info("The account {} was removed", name)

        async def change() -> None:
            await self._end(slot, name, ChatCancelled(REMOVED), delete)

        await self._tasks.finish(change())

    async def rename(self, slot: Slot, to: str) -> Slot:
        """Give the account, and what is kept of it, another name; its page is reopened for that."""
        name, source = slot.worker.name, self._source()
        try:
            check_name(to)
        except SetupError as error:
            raise RequestError(error.message, param="to") from error

        async def change() -> None:
            self._check_still(slot, name)
            if any(other.worker.name == to for other in self._supervisor.slots):
                raise AccountConflict(f"There is an account {to} already.", param="to")
            try:
                async with asyncio.timeout(CHAT_LIMIT) as limit, self._queue.claimed(slot):
                    limit.reschedule(None)
                    self._check_still(slot, name)
                    await self._renamed(slot, to, source)
            except TimeoutError as error:
                who = "A person is in the page of" if slot.is_held else "A chat runs on"
                message = f"{who} {slot.worker.name}; try again when that has ended."
                raise AccountConflict(message) from error

        await self._tasks.finish(change())
        return slot if slot.is_parked else await self._supervisor.known(slot, slot.looks)

    async def _renamed(self, slot: Slot, to: str, source: StoredAccounts) -> None:
        name = slot.worker.name
        await self._supervisor.stop(slot, RENAMED)
        try:
            async with self._alone:
                self._check_still(slot, name)
                await asyncio.to_thread(source.rename, name, to)
                self._supervisor.rename(slot, await source.worker(to))
                self._conversations.rename(name, to)
                self._watch(slot)
        except SetupError as error:
            raise RequestError(error.message, param="to") from error
        finally:
            if slot in self._supervisor.own:
                self._supervisor.start(slot)

    def _check_still(self, slot: Slot, name: str) -> None:
        """Raise `UnknownAccount` where the account was removed, renamed or given away meanwhile."""
        if slot not in self._supervisor.own or slot.worker.name != name:
            raise UnknownAccount(f"The account {name} was removed, renamed or moved just now.")

    @contextmanager
    def _closing_now(self, slot: Slot) -> Iterator[None]:
        """Note that an account is being closed for good; one that is stored then is reopened."""
        self._closing.add(slot)
        try:
            yield
        finally:
            self._closing.discard(slot)
            self._look.set()

    async def _end(self, slot: Slot, name: str, ending: BridgeError, then: Step = nothing) -> None:
        """End the account's chat with `ending`, and close the account; a chat that does not end loses its page."""
        with self._closing_now(slot):
            async with AsyncExitStack() as stack:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHAT_LIMIT):
                        await stack.enter_async_context(self._queue.claimed(slot, ending))
                await self._close(slot, name, GONE, then)

    async def _close(self, slot: Slot, name: str, why: str, then: Step = nothing) -> None:
        """Close the account's page, take the account off the list, and what is stored of it away by `then`."""
        self._check_still(slot, name)
        await self._supervisor.stop(slot, why)
        async with self._alone:
            self._check_still(slot, name)
            if (watch := self._watches.pop(slot, None)) is not None:
                watch.cancel()
            self._supervisor.remove(slot)
            await then()

    async def _look_again(self) -> None:
        """Follow the folder for ever; one that cannot be read is named once."""
        said = ""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._follow(self._source())
                said = ""
            except SetupError as error:
                if error.message != said:
                    logger.error("The list of accounts was not renewed: {}", error.message)
                said = error.message

    async def _follow(self, source: StoredAccounts) -> None:
        """Have the accounts that are stored, and no others."""
        async with self._alone:
            stamps = await asyncio.to_thread(source.stamps)
            known = self._known()
            for name, slot in known.items():
                if name not in stamps and slot not in self._closing:
                    logger.warning("The profile {} is not here any more, nor is its account", name)
                    self._tasks.start(self._drop(slot, name))
            self._unreadable = {name: was for name, was in self._unreadable.items() if stamps.get(name, ()) == was}
            new = stamps.keys() - known.keys() - self._unreadable.keys()
            for name in sorted(new, key=self._supervisor.unused_for):  # a limit leaves the last out
                try:
                    self._added(await source.worker(name))
                except SetupError as error:
                    logger.error("Profile {} is left out: {}", name, error.message)
                    self._unreadable[name] = stamps[name]

    async def _drop(self, slot: Slot, name: str) -> None:
        """Close an account that is not stored any more."""
        with suppress(UnknownAccount):
            await self._end(slot, name, self.gone)

    def _known(self) -> Mapping[str, Slot]:
        return {slot.worker.name: slot for slot in self._supervisor.own}

    def _added(self, worker: PoolWorker, *, is_wanted: bool = False) -> Slot:
        slot = self._supervisor.add(worker, is_wanted=is_wanted)
        self._watch(slot)
        return slot

    def _watch(self, slot: Slot) -> None:
        if (before := self._watches.pop(slot, None)) is not None:
            before.cancel()
        self._watches[slot] = self._tasks.keep(lambda: self._watch_login(slot))

    async def _watch_login(self, slot: Slot) -> None:
        """Open the account again whenever somebody has logged it in again."""
        while True:
            await slot.worker.login_renewed()
            async with self._queue.claimed(slot):
                await self._supervisor.reopen(slot)

    def _source(self) -> StoredAccounts:
        if self._stored is None:
            raise RequestError("The accounts of this bridge are not stored, and stay as they are.")
        return self._stored
