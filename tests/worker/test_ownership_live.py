"""What is done in a page ends at the step at which the account is another bridge's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from bridge.errors import LeaseLost
from tests.support.live import Live, directive
from tests.worker.test_files_live import image, said

CLICKS = 3
"""By which the page deletes a conversation: its menu, the entry, the confirmation."""


def ending(steps: int) -> Callable[[], None]:
    """Return what lets an account be acted on for so many steps."""
    left = iter(range(steps))

    def may_act() -> None:
        if next(left, None) is None:
            raise LeaseLost("The account is another node's.")

    return may_act


@pytest.fixture
def session(run: Live) -> Iterator[Any]:
    """The account's page, which may be acted on again afterwards."""
    worker: Any = run.bridge.pool.worker("alice")
    session, owned = worker._session, worker._session.may_act
    yield session
    session.may_act = owned


async def test_a_conversation_is_deleted_by_no_click_after_the_end_of_the_lease(run: Live, session: Any) -> None:
    known = set(run.account().conversations)
    assert await run.ask(directive(text="one")) == "one"
    (conversation,) = set(run.account().conversations) - known
    worker: Any = run.bridge.pool.worker("alice")
    for clicks in range(CLICKS):
        session.may_act = ending(clicks)
        with pytest.raises(LeaseLost):
            await worker.delete(conversation)
        assert conversation in run.account().conversations
        await worker.renew()
    session.may_act = ending(CLICKS)
    await worker.delete(conversation)
    assert set(run.account().conversations) == known


async def test_a_page_gets_no_file_after_the_end_of_the_lease(run: Live, session: Any) -> None:
    session.may_act = ending(2)  # the chat is opened, and the upload begun
    with pytest.raises(openai.APIStatusError) as failed:
        await run.client.chat.completions.create(model="deepseek-chat", messages=[said(image())])
    assert (failed.value.status_code, failed.value.code) == (503, "lease_lost")
    assert (run.account().files, run.account().turns) == ({}, [])
