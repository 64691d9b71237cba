"""`docs/adding-a-site.md`, followed step by step: the file that it writes drives a site that nobody prepared for."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.demo import Script
from bridge.sites.site_file.schema import parse_site_file
from bridge.telemetry import WorkerState
from tests.docs.blocks import ROOT
from tests.docs.parrot_site import Parrot
from tests.sites.standin_runs import wire_run

DOCUMENT = ROOT / "docs/adding-a-site.md"
STEP = re.compile(r"^\*\*(\d)\. .*?^```toml\n(.*?)^```", re.DOTALL | re.MULTILINE)


def steps() -> list[str]:
    """Return what the steps add to the file, in order."""
    found = STEP.findall(DOCUMENT.read_text("utf-8"))
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    return [added for _, added in found]


def written() -> str:
    """Return the whole file."""
    return "\n".join(steps())


def test_the_file_of_the_walk_through_is_right_and_names_what_a_reader_sees() -> None:
    site = parse_site_file(written(), "parrot.toml")
    assert len(steps()) == 7
    assert urlsplit(site.start_url).hostname == Parrot.host
    assert site.request.path == Parrot.path


async def test_the_file_of_the_walk_through_drives_the_site(tmp_path: Path, chromium: Chromium) -> None:
    async with wire_run(Parrot(), written(), tmp_path, chromium, WorkerState.LOGGED_OUT) as run:
        with pytest.raises(openai.InternalServerError, match="signed out"):
            await run.ask("Am I somebody?")
        await run.sign_in()
        run.account.script(Script(text="Pretty *ünï* 🦜", thinking="Who?"))
        said = await run.ask("Who is\npretty?", model="parrot-think")
        assert (said.reasoning_content, said.content) == ("Who?", "Pretty *ünï* 🦜")
        run.account.script(Script(text="You are."))
        assert (await run.ask("Who is\npretty?", said.content, "And I?")).content == "You are."
        first, second = run.account.turns
        assert (first.prompt, second.prompt) == ("Who is\npretty?", "And I?")
        assert (first.thinking_enabled, second.thinking_enabled) == (True, False)
        assert second.conversation == first.conversation
        run.account.fault("rate")
        with pytest.raises(openai.RateLimitError, match="The parrot needs a rest"):
            await run.ask("Again")
        assert run.site.strange == []
        assert run.site.guest.turns == []
