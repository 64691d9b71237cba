"""A node's report of the accounts that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.cluster.held_leases import HeldLeases
from bridge.cluster.wire import account_as_json, model_as_json
from bridge.pool.pool import Pool


def accounts_said(pool: Pool | None, leases: HeldLeases) -> Sequence[Mapping[str, Any]]:
    """Return the accounts that the node holds leases on, opened or not, each with its fence."""
    said: dict[str, Mapping[str, Any]] = {
        name: {"name": name, "state": "starting", "fence": lease.fence}
        for name in leases.names()
        if (lease := leases.of(name)) is not None
    }
    for account in pool.accounts() if pool is not None else ():
        if account.name in said and not account.is_token_account:
            said[account.name] = {**account_as_json(account), "fence": said[account.name]["fence"]}
    return list(said.values())


def models_said(pool: Pool | None) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the base models of each site that the node has an account of."""
    slots = pool.own() if pool is not None else ()
    return {slot.worker.site: [model_as_json(base) for base in slot.worker.models] for slot in slots}
