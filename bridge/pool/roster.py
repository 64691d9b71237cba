"""Adds, renames and removes accounts: when the folder of profiles changes, and when the operator asks.

The folder is checked about every second. Closing or renaming an account first claims it and closes its page, which may
take long; only then list and folder are changed under a lock (`_alone`), which takes no longer than local files, or in
a cluster a call to Redis. So an account that does not end never delays the opening of another one.
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
"""Seconds between two checks of the folder of profiles."""
CHAT_LIMIT = 15.0
"""Seconds that a chat has to end before its account is renamed or removed."""
GOES, RENAMED, GONE = "It is moving to another node.", "It is being renamed.", "It was removed."
REMOVED = "The account that answered was removed."
Step = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Do nothing."""


class StoredAccounts(Protocol):
    """The stored logins for accounts; `ProfileAccounts` implements it. `stamps`, `remove` and `rename` block."""

    def stamps(self) -> Mapping[str, object]:
        """Return the logins by name, each with a stamp; a changed stamp allows another try to open it."""
        ...

    async def claim(self, name: str) -> None:
        """Claim the account for this bridge; raise `SetupError` if that is not possible."""
        ...

    async def worker(self, name: str) -> PoolWorker:
        """Return a worker with the stored login; raise `SetupError` if it cannot be opened."""
        ...

    def remove(self, name: str) -> None:
        """Delete what is stored under that name."""
        ...

    def rename(self, name: str, to: str) -> None:
        """Rename a login; raise `SetupError` if that is not possible."""
        ...


class Roster:
    """The list of accounts; without `stored`, it never changes."""

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
        """The error for the chat of an account that is no longer stored."""
        self._unreadable: dict[str, object] = {}
        """The stamps of the logins that could not be opened."""
        self._closing: set[Slot] = set()
        """Accounts that are being closed for good."""
        self._watches: dict[Slot, asyncio.Task[None]] = {}
        self._look, self._alone = asyncio.Event(), asyncio.Lock()
        self._tasks = Tasks()

    async def start(self) -> None:
        """Open all accounts, and start to follow the folder; raise `SetupError` if it cannot be read."""
        for slot in self._supervisor.own:
            self._watch(slot)
        if self._stored is not None:
            await self._follow(self._stored)
            self._tasks.keep(self._look_again)

    async def close(self) -> None:
        """Stop following the folder; the accounts are closed elsewhere."""
        await self._tasks.close()

    async def add(self, name: str) -> Slot:
        """Open the stored login of that name now."""
        source, added = self._source(), list[Slot]()

        async def change() -> None:
            await source.claim(name)
            async with self._alone:
                if name not in self._known():  # else it was just found in the folder
                    added.append(self._added(await source.worker(name), is_wanted=True))

        await self._tasks.finish(change())
        return await (self._supervisor.known(added[0], 0) if added else self._supervisor.check(name))

    def look_now(self) -> None:
        """Check the stored logins at once, as something has changed."""
        self._look.set()

    async def give_away(self, slot: Slot, closing: Callable[[], None]) -> None:
        """Close the account for good once its chat has ended; its stored data is kept.

        `closing` is called right before; from then on `stamps` must not include the account.
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
        """End the account's chat, close it, and delete all its data."""
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
        """Rename the account and its data; its page is reopened for that."""
        name, source = slot.worker.name, self._source()
        try:
            check_name(to)
        except SetupError as error:
            raise RequestError(error.message, param="to") from error

        async def change() -> None:
            self._check_still(slot, name)
            if any(other.worker.name == to for other in self._supervisor.slots):
                raise AccountConflict(f"There is already an account {to}.", param="to")
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
        """Raise `UnknownAccount` if the account was removed, renamed or given away meanwhile."""
        if slot not in self._supervisor.own or slot.worker.name != name:
            raise UnknownAccount(f"The account {name} was just removed, renamed or moved.")

    @contextmanager
    def _closing_now(self, slot: Slot) -> Iterator[None]:
        """Mark an account as closing for good; if it is still stored afterwards, it is opened again."""
        self._closing.add(slot)
        try:
            yield
        finally:
            self._closing.discard(slot)
            self._look.set()

    async def _end(self, slot: Slot, name: str, ending: BridgeError, then: Step = nothing) -> None:
        """End the account's chat with `ending` and close the account, even if the chat does not end in time."""
        with self._closing_now(slot):
            async with AsyncExitStack() as stack:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHAT_LIMIT):
                        await stack.enter_async_context(self._queue.claimed(slot, ending))
                await self._close(slot, name, GONE, then)

    async def _close(self, slot: Slot, name: str, why: str, then: Step = nothing) -> None:
        """Close the account's page, remove the account from the list, and run `then`, which may delete its data."""
        self._check_still(slot, name)
        await self._supervisor.stop(slot, why)
        async with self._alone:
            self._check_still(slot, name)
            if (watch := self._watches.pop(slot, None)) is not None:
                watch.cancel()
            self._supervisor.remove(slot)
            await then()

    async def _look_again(self) -> None:
        """Follow the folder forever; log once if it cannot be read."""
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
        """Add accounts that are newly stored, and close those that no longer are."""
        async with self._alone:
            stamps = await asyncio.to_thread(source.stamps)
            known = self._known()
            for name, slot in known.items():
                if name not in stamps and slot not in self._closing:
                    logger.warning("The profile {} is gone, so its account is closed", name)
                    self._tasks.start(self._drop(slot, name))
            self._unreadable = {name: was for name, was in self._unreadable.items() if stamps.get(name, ()) == was}
            new = stamps.keys() - known.keys() - self._unreadable.keys()
            for name in sorted(new, key=self._supervisor.unused_for):  # a limit excludes the last ones
                try:
                    self._added(await source.worker(name))
                except SetupError as error:
                    logger.error("Profile {} is left out: {}", name, error.message)
                    self._unreadable[name] = stamps[name]

    async def _drop(self, slot: Slot, name: str) -> None:
        """Close an account that is no longer stored."""
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
        """Reopen the account whenever a newer login is stored."""
        while True:
            await slot.worker.login_renewed()
            async with self._queue.claimed(slot):
                await self._supervisor.reopen(slot)

    def _source(self) -> StoredAccounts:
        if self._stored is None:
            raise RequestError("The accounts of this bridge are not stored, so they cannot be changed.")
        return self._stored
