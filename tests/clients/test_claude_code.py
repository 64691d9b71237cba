"""Claude Code uses what is particular to it: deferred tools, the server's search, pictures, sessions that go on."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from bridge.browser.browser import Chromium
from bridge.demo import Script
from tests.clients.agents import AGENTS, said
from tests.support.live import Live, called, directive, live

CLAUDE = AGENTS["claude-code"]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


async def ask(site: Live, home: Path, *options: str, then: list[dict[str, Any]], **first: Any) -> str:
    """Return what Claude Code prints, while the site answers by a script."""
    return await CLAUDE.play(site, home, f"Go. {directive(**first, then=then)}", *options)


async def test_a_deferred_tool_is_loaded_and_searches_with_the_sites_own_search(
    tmp_path: Path, chromium: Chromium
) -> None:
    found = [{"text": called("WebSearch", query="streams")}, {"text": "I found it."}]
    async with live(tmp_path, chromium=chromium) as site:
        printed = await ask(site, tmp_path, text=called("ToolSearch", query="select:WebSearch"), then=found)
        first, loaded, search, last = site.account().turns
    assert "I found it." in printed
    assert "WebSearch({" not in first.prompt
    assert "WebSearch({" in loaded.prompt
    assert search.conversation != first.conversation
    assert "Perform a web search for the query: streams" in search.prompt
    assert [turn.search_enabled for turn in (first, loaded, search, last)] == [False, False, True, False]
    assert (loaded.parent, last.parent) == (2, 4)
    assert "https://example.com/streams" in last.prompt


async def test_a_picture_that_it_reads_is_uploaded(tmp_path: Path, chromium: Chromium) -> None:
    picture = tmp_path / "pixel.png"
    picture.write_bytes(PIXEL)
    async with live(tmp_path, chromium=chromium) as site:
        printed = await ask(site, tmp_path, text=said(CLAUDE.read(picture)), then=[{"files": True}])
    assert ".png" in printed


async def test_a_session_goes_on_in_its_conversation(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium) as site:
        await ask(site, tmp_path, thinking="I think.", text=said(CLAUDE.run("echo one")), then=[{"text": "One."}])
        assert "Two." in await ask(site, tmp_path, "--continue", text="Two.", then=[])
        first, *others = site.account().turns
    assert [turn.parent for turn in others] == [2, 4]
    assert {turn.conversation for turn in others} == {first.conversation}
    assert len(others[-1].prompt) < 2_000


async def test_where_the_site_takes_no_more_it_sums_up_and_goes_on(tmp_path: Path, chromium: Chromium) -> None:
    book = tmp_path / "book.txt"
    book.write_text("A long line of a long book.\n" * 500, "utf-8")
    answers = (
        Script(text=said(CLAUDE.read(book))),
        Script(text=said(CLAUDE.run("echo two"))),
        Script(fault="context_length_exceeded"),
        Script(text="<analysis>Read.</analysis>\n<summary>The book was read.</summary>"),
        Script(text="It is done."),
    )
    async with live(tmp_path, chromium=chromium) as site:
        for script in answers:
            site.account().script(script)
        printed = await CLAUDE.play(site, tmp_path, "Read the book.")
        *_, summary, last = site.account().turns
    assert "It is done." in printed
    assert "A long line of a long book." in summary.prompt
    assert "The book was read." in last.prompt
    assert len({turn.conversation for turn in (summary, last)}) == 2
