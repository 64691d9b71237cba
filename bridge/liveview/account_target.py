"""The page of an account of the pool, as the target of a view."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from bridge.chat.operator_visit import Visit
from bridge.errors import LeaseLost
from bridge.liveview.view_target import MOVED
from bridge.pool.pool import Pool
from bridge.worker.page_session import Session
from bridge.worker.worker import Worker


class AccountTarget:
    """The `ViewTarget` for the page that an account has open.

    `may_move` tells whether an account that is not on this node is one of the cluster's.
    """

    def __init__(self, pool: Pool, name: str, may_move: Callable[[str], bool] = lambda _: False) -> None:
        self._pool = pool
        self._name = name
        self._may_move = may_move

    def rename(self, to: str) -> None:
        """Use the new name of the account."""
        self._name = to

    @property
    def session(self) -> Session | None:
        """Return the account's open page."""
        worker = self._pool.worker(self._name)
        return worker.shown if isinstance(worker, Worker) else None

    def about(self) -> dict[str, Any]:
        """Return the state of the account."""
        account = next((one for one in self._pool.accounts() if one.name == self._name), None)
        state = MOVED if self._may_move(self._name) else "removed"
        about: dict[str, Any] = {"kind": "account", "name": self._name, "state": state, "reason": ""}
        if account is not None:
            about |= {"state": account.state, "reason": account.reason, "busy": account.is_busy, "site": account.site}
        return about

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[Visit]:
        """Hold the account for a person."""
        worker = self._pool.worker(self._name)
        async with self._pool.hold(self._name) as visit:
            if isinstance(worker, Worker):
                visit.may_act = partial(_is_owned, worker)
            yield visit


def _is_owned(worker: Worker) -> bool:
    """Tell whether this node still holds the lease on the account."""
    try:
        worker.ownership.check()
    except LeaseLost:
        return False
    return True
