"""Nodes of an earlier build and of this one in one cluster, as while it is upgraded node by node."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.browser.browser import Chromium
from tests.cli.test_backup_live import answered, served
from tests.cli.test_upgrade_live import source_of
from tests.support.cluster_bridges import bridges, ready
from tests.support.commands import Home
from tests.support.waiting import until

EARLIER = "1c3521a"
"""A commit whose nodes name no fence where they let a prompt go."""


async def test_chats_go_from_build_to_build_and_on_in_their_conversation_while_nodes_are_replaced(
    chromium: Chromium, tmp_path: Path
) -> None:
    source = source_of(EARLIER, tmp_path / "source")
    (tmp_path / "earlier").mkdir()
    async with bridges(tmp_path, chromium, "alice") as nodes:
        with Home.at(tmp_path / "earlier") as home:
            earlier = replace(home, source=source)
            await nodes.save(home.settings, "alice")
            async with served(earlier, **nodes.variables("earlier")):
                gateway = await nodes.start("gateway", max_accounts=0)
                await until(lambda: gateway.bridge.everywhere.unready() is None)
                history = list(await answered(gateway.client, [], "one"))
            owner = await nodes.start("owner")
            await until(lambda: ready(owner) == ["alice"])
            asked = {**nodes.variables("earlier"), "BRIDGE_CLUSTER_MAX_ACCOUNTS": "0"}
            async with served(earlier, **asked) as client:
                history = list(await answered(client, history, "two"))
            await answered(gateway.client, history, "three")
        turns = nodes.site.account("alice").turns
        assert [turn.outcome for turn in turns] == ["finished"] * 3
        assert len({turn.conversation for turn in turns}) == 1
