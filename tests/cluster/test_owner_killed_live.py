"""The live view of an account whose node is killed while somebody watches at another one."""

from __future__ import annotations

from pathlib import Path

from bridge.browser.browser import Chromium
from tests.liveview.test_liveview_live import ASKING, call
from tests.support.cluster_bridges import bridges, goes_on_at_another
from tests.support.commands import Home
from tests.support.waiting import until
from tests.support.watching import person


async def test_a_view_says_that_its_node_was_killed_and_goes_on_where_the_account_comes_to(
    chromium: Chromium, tmp_path: Path
) -> None:
    (tmp_path / "owner").mkdir()
    async with bridges(tmp_path, chromium, "alice", demo=ASKING) as nodes:
        with Home.at(tmp_path / "owner") as home:
            await nodes.save(home.settings, "alice")
            gateway = await nodes.start("gateway", max_accounts=0)
            async with home.started("serve", **nodes.variables("owner")) as owner, person(gateway, chromium) as someone:
                await until(lambda: gateway.bridge.everywhere.unready() is None)
                (alice,) = (await call(gateway, "GET", "accounts"))["accounts"]
                assert alice["node"] == "owner"
                await someone.look(account="alice")
                await someone.take()
                owner.process.kill()
                await someone.page.get_by_text("The node owner no longer answers.").first.wait_for()
                await goes_on_at_another(nodes, someone)
            await until(lambda: not home.left_running())
