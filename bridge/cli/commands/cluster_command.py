"""`bridge cluster`: the nodes that share a pool, their accounts, and draining a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from bridge.cli.options import console, flag, load, run, say

if TYPE_CHECKING:
    from bridge.cluster.node_directory import NodeInfo
    from bridge.cluster.overview import AccountLease
    from bridge.settings import ClusterSettings

cluster = typer.Typer(help="See and drain the nodes that share a pool (`cluster.url`).", no_args_is_help=True)


@cluster.command()
def status(context: typer.Context) -> None:
    """List the nodes with their accounts and the number of waiting chats."""
    found = run(_nodes(load(context).cluster))
    if not found:
        say("No node runs.")
        return
    table = _table("Node", "Address", "Version", "Accounts", "Ready", "Busy", "Waiting", "")
    for info in found:
        ready = sum(account.get("state") == "ready" for account in info.accounts)
        busy = sum(bool(account.get("is_busy")) for account in info.accounts)
        table.add_row(
            *map(Text, (info.node, info.address, info.version)),
            f"{len(info.accounts)} of {info.capacity}",
            *(str(ready), str(busy), str(info.waiting)),
            ", ".join(_notes(info)),
        )
    console.print(table)


@cluster.command()
def leases(context: typer.Context) -> None:
    """List the accounts, each with the node that holds its lease and the lease's fencing number."""
    found = run(_leases(load(context).cluster))
    if not found:
        say("The cluster has no account; `bridge login NAME` captures a login.")
        return
    table = _table("Account", "Node", "Fence")
    for lease in found:
        table.add_row(Text(lease.account), Text(lease.node or "-"), str(lease.fence) if lease.fence else "-")
    console.print(table)


@cluster.command()
def drain(
    context: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the node.")],
    undo: Annotated[bool, flag("--undo", help="Let the node take accounts again.")] = False,
) -> None:
    """Hand a node's accounts over to the other nodes, each after its running chat, until --undo."""
    run(_drain(load(context).cluster, node, is_draining=not undo))
    effect = "may take accounts again" if undo else "gives back its accounts, each after its running chat"
    say(f"The node {node} {effect}.")


def _notes(info: NodeInfo) -> list[str]:
    """Return the warnings about a node, which follow its figures."""
    from bridge.cluster.cluster_clock import difference_in_words

    clock = f"its clock is {difference_in_words(info.clock_ahead)} that of Redis" if info.clock_ahead else ""
    return [note for note in ("draining" if info.is_draining else "", clock) if note]


async def _nodes(settings: ClusterSettings) -> Sequence[NodeInfo]:
    from bridge.cluster.overview import overview

    async with overview(settings) as found:
        return await found.nodes()


async def _leases(settings: ClusterSettings) -> Sequence[AccountLease]:
    from bridge.cluster.overview import overview

    async with overview(settings) as found:
        return await found.leases()


async def _drain(settings: ClusterSettings, node: str, *, is_draining: bool) -> None:
    from bridge.cluster.overview import overview

    async with overview(settings) as found:
        await found.drain(node, is_draining=is_draining)


def _table(*heads: str) -> Table:
    return Table(*heads, box=None, pad_edge=False, header_style="bold")
