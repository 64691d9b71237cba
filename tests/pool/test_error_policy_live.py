"""What the policy promises, in a real Chromium: chats that move, and accounts that their operator has looked at."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bridge.browser.browser import Chromium
from bridge.cli.admin_client import AdminClient
from bridge.storage.api_keys import KeyStore
from bridge.telemetry import WorkerState
from tests.support.live import Live, directive, live, reset
from tests.support.stress import stress

REFUSALS = ("code_40003", "http_429", "waf_reply")
"""A document in place of a stream, a status, and a page."""
OTHERS = ("muted_reply", "biz_7", "biz_9", "biz_11", "http_500", "code_40301")


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """The bridge of all tests."""
    async with live(tmp_path_factory.mktemp("policy"), "alice", "bob", chromium=chromium) as run:
        yield run


@pytest.mark.timeout(180)
@pytest.mark.parametrize("refusals", [REFUSALS, *stress((OTHERS,))], ids=["each kind", "all others"])
async def test_a_chat_that_the_site_refuses_one_account_is_answered_by_another(
    run: Live, refusals: tuple[str, ...]
) -> None:
    for fault in refusals:
        await reset(run)
        await run.ask(directive(text="before"))  # whoever answered it is not the next one's turn
        refused = run.account("alice" if run.account("bob").turns else "bob")
        refused.fault(fault)
        await refused.pages_informed()
        assert await run.ask(directive(text=fault)) == fault
        assert [len(run.account(name).turns) for name in ("alice", "bob")] in ([1, 2], [2, 1])


async def test_a_challenge_that_a_person_has_solved_ends_when_the_operator_asks(run: Live) -> None:
    await run.bridge.pool.pause("bob")
    run.account().fault("biz_11")
    await run.account().pages_informed()
    with pytest.raises(Exception, match="RISK_DEVICE_DETECTED"):
        await run.ask(directive(text="refused"))
    await run.facts.state("alice", WorkerState.CHALLENGED)
    client = AdminClient(run.bridge.url, KeyStore(run.settings.config).admin_key())
    assert {account["name"]: account["state"] for account in await client.accounts()}["alice"] == "challenged"
    run.account().fault("load_human_check", times=1)
    assert (await client.act("alice", "check"))["account"]["state"] == "challenged"
    assert (await client.act("alice", "check"))["account"]["state"] == "ready"
    assert await run.ask(directive(text="after")) == "after"
