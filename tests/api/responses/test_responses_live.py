"""Responses against the demo site in a real Chromium: they go on, and stop, on the site itself."""

from __future__ import annotations

from pathlib import Path

from bridge.browser.browser import Chromium
from bridge.demo import Script
from tests.support.live import live
from tests.support.waiting import LIMIT


async def test_responses_go_on_and_stop_on_the_site_itself(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium) as run:
        account, responses = run.account(), run.client.responses
        made = await run.client.conversations.create()
        for text in ("One", "Two", "Three"):
            assert (await responses.create(model="deepseek", input=text, conversation=made.id)).output_text
        assert [turn.parent for turn in account.turns] == [None, 2, 4]
        assert [turn.prompt for turn in account.turns] == ["One", "Two", "Three"]

        account.script(Script(text="word " * 2000, rate=5))
        stream = await responses.create(model="deepseek", input="Four", background=True, stream=True)
        id_ = ""
        async for event in stream:
            if event.type == "response.queued":
                id_ = event.response.id
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        assert (await responses.cancel(id_)).status == "cancelled"
        await account.wait_for(lambda it: it.turns[-1].outcome == "stopped", LIMIT)
        assert "word" in (await responses.retrieve(id_)).output_text
