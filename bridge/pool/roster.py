"""Adds, renames and removes accounts: as the folder of profiles changes, and as the operator asks.

The folder is looked at every second or so. One change is made at a time, so that none undoes another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

from loguru import logger

from bridge.errors import AccountConflict, BridgeError, ChatCancelled, RequestError, SetupError, UnknownAccount
from bridge.pool.account import PoolWorker, Slot
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.supervisor import Supervisor
from bridge.storage.conversations import Conversations
from bridge.storage.profiles import Stamp, check_name
from bridge.tasks import Tasks

LOOK_EVERY = 1.0
"""Seconds between two looks into the folder of profiles."""
CHAT_LIMIT = 15.0
"""Seconds that a chat gets to end before its account is renamed or removed."""
GOES, RENAMED, GONE = "It goes to another node.", "It gets another name.", "It was removed."
REMOVED = "The account that answered was removed."


class StoredAccounts(Protocol):
    """The stored logins, as accounts are made of them; `ProfileAccounts` is the real one. All but `worker` blocks."""

    def stamps(self) -> Mapping[str, Stamp | None]:
        """Return the names, each with what changes whenever its login is written."""
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
        self._unreadable: dict[str, Stamp | None] = {}
        """The files that could not be opened, as they were then."""
        self._watches: dict[Slot, asyncio.Task[None]] = {}
        self._look, self._one_change = asyncio.Event(), asyncio.Lock()
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
            if not any(
                slot.worker.name == name for slot in self._supervisor.own
            ):  # the folder was not looked at just now
                added.append(self._added(await source.worker(name), is_wanted=True))

        await self._whole(change)
        slot = added[0] if added else self._supervisor.named(name)
        return await self._supervisor.known(slot, 0)

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
            if (watch := self._watches.pop(slot, None)) is not None:
                watch.cancel()
            await self._supervisor.stop(slot, GOES)
            self._supervisor.remove(slot)

        async with self._queue.claimed(slot):
            await self._whole(change)

    async def remove(self, slot: Slot) -> None:
        """End the account's chat, close it, and delete what is kept of it."""
        name = slot.worker.name

        async def change() -> None:
            self._check_still(slot, name)
            await self._closed(slot, ChatCancelled(REMOVED))
            if self._stored is not None:
                await asyncio.to_thread(self._stored.remove, name)
            self._supervisor.forget(name)
            self._conversations.forget_account(name)
            logger.info("The account {} was removed", name)

        await self._whole(change)

    async def rename(self, slot: Slot, to: str) -> Slot:
        """Give the account, and what is kept of it, another name; its page is opened anew for that."""
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
                    await self._renamed(slot, to, source)
            except TimeoutError as error:
                who = "A person is in the page of" if slot.is_held else "A chat runs on"
                message = f"{who} {slot.worker.name}; try again when that has ended."
                raise AccountConflict(message) from error

        await self._whole(change)
        return slot if slot.is_parked else await self._supervisor.known(slot, slot.looks)

    async def _renamed(self, slot: Slot, to: str, source: StoredAccounts) -> None:
        name = slot.worker.name
        await self._supervisor.stop(slot, RENAMED)
        try:
            await asyncio.to_thread(source.rename, name, to)
            self._supervisor.rename(slot, await source.worker(to))
            self._conversations.rename(name, to)
            self._watch(slot)
        except SetupError as error:
            raise RequestError(error.message, param="to") from error
        finally:
            self._supervisor.start(slot)

    async def _whole(self, change: Callable[[], Awaitable[None]]) -> None:
        """Make one change, when no other is made, to its end: also for a caller that leaves in the meantime."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def do() -> None:
            async with self._one_change:
                try:
                    await change()
                except BridgeError as error:
                    ended.set_exception(error)
                else:
                    ended.set_result(None)

        await asyncio.wait({self._tasks.start(do())})
        if not ended.done():  # stopped, or failed in a way that is in the log
            raise BridgeError("The change was not made to its end; the log tells more.")
        ended.result()

    def _check_still(self, slot: Slot, name: str) -> None:
        """Raise `UnknownAccount` where the change before this one has removed the account, or renamed it."""
        if slot not in self._supervisor.own or slot.worker.name != name:
            raise UnknownAccount(f"The account {name} was removed or renamed just now.")

    async def _closed(self, slot: Slot, ending: BridgeError) -> None:
        """End the account's chat with `ending`, and close the account for good."""
        if (watch := self._watches.pop(slot, None)) is not None:
            watch.cancel()
        try:
            async with asyncio.timeout(CHAT_LIMIT) as limit, self._queue.claimed(slot, ending):
                limit.reschedule(None)
                await self._supervisor.stop(slot, GONE)
        except TimeoutError:  # a chat that does not end loses its page
            await self._supervisor.stop(slot, GONE)
        self._supervisor.remove(slot)

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
                    logger.error("The accounts stay as they are: {}", error.message)
                said = error.message

    async def _follow(self, source: StoredAccounts) -> None:
        """Have the accounts that are stored, and no others."""
        stamps = await asyncio.to_thread(source.stamps)
        opened = {name for name in stamps if self._unreadable.get(name, ()) != stamps[name]}
        if opened == {slot.worker.name for slot in self._supervisor.own}:
            return
        async with self._one_change:
            await self._changed(source, await asyncio.to_thread(source.stamps))

    async def _changed(self, source: StoredAccounts, stamps: Mapping[str, Stamp | None]) -> None:
        known = {slot.worker.name: slot for slot in self._supervisor.own}
        for name in known.keys() - stamps.keys():
            logger.warning("The profile {} is not here any more, nor is its account", name)
            await self._closed(known[name], self.gone)
        self._unreadable = {name: stamp for name, stamp in self._unreadable.items() if name in stamps}
        for name in sorted(
            stamps.keys() - known.keys(), key=self._supervisor.unused_for
        ):  # a limit leaves the last out
            if self._unreadable.get(name, ()) == stamps[name]:
                continue
            try:
                self._added(await source.worker(name))
                self._unreadable.pop(name, None)
            except SetupError as error:
                logger.error("Profile {} is left out: {}", name, error.message)
                self._unreadable[name] = stamps[name]

    def _added(self, worker: PoolWorker, *, is_wanted: bool = False) -> Slot:
        slot = self._supervisor.add(worker, is_wanted=is_wanted)
        self._watch(slot)
        return slot

    def _watch(self, slot: Slot) -> None:
        if (before := self._watches.pop(slot, None)) is not None:
            before.cancel()
        self._watches[slot] = self._tasks.keep(lambda: self._watch_login(slot))

    async def _watch_login(self, slot: Slot) -> None:
        """Open the account again whenever somebody has logged it in anew."""
        while True:
            await slot.worker.login_renewed()
            async with self._queue.claimed(slot):
                await self._supervisor.reopen(slot)

    def _source(self) -> StoredAccounts:
        if self._stored is None:
            raise RequestError("The accounts of this bridge are not stored, and stay as they are.")
        return self._stored
