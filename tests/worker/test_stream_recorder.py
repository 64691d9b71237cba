"""Raw streams are kept byte for byte where the operator asks for them, and show what the decoder makes of them."""

from __future__ import annotations

import io
import re
from itertools import groupby
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.chat.types import Finish, Text
from bridge.cli.console import SafeConsole
from bridge.cli.stream_replay import decoded, replay
from bridge.errors import SetupError
from bridge.sites.deepseek.decoder import DeepSeekDecoder
from bridge.telemetry import ChatEnded
from tests.support.browsers import light_browser
from tests.support.commands import Home
from tests.support.deepseek_streams import FOLDER, hear, meaning, names, recorded
from tests.support.live import directive, live

PROMPT = "words of a prompt"


def printed(*files: Path) -> tuple[bool, list[str]]:
    file = io.StringIO()
    return replay(files, "deepseek", SafeConsole(file=file, width=200)), file.getvalue().splitlines()


@pytest.mark.parametrize("name", names())
def test_each_recorded_stream_shows_every_event_with_its_place(name: str) -> None:
    files = sorted(FOLDER.glob(f"{name}-[0-9].sse")) or [FOLDER / f"{name}.sse"]
    is_whole, lines = printed(*files)
    told = meaning(name)
    assert is_whole == (told.error is None)
    kinds = [type(event).__name__ for event in told.events]
    shown = [match[1] for line in lines if (match := re.match(r" *\d+  ([A-Z]\w+)", line))]
    assert [kind for kind, _ in groupby(shown)] == [kind for kind, _ in groupby(kinds)], "texts may come in pieces"


def test_the_offset_of_an_event_is_that_of_the_line_that_completed_it() -> None:
    (body,) = recorded("d-plain")
    for offset, event in decoded(DeepSeekDecoder(), body):
        line = body[offset:].splitlines()[0]
        assert not isinstance(event, Text) or event.text.encode() in line or not line


@pytest.mark.parametrize("with_prompts", [False, True])
async def test_what_a_chat_received_is_kept_and_of_what_it_sent_only_what_is_asked_for(
    tmp_path: Path, chromium: Chromium, with_prompts: bool
) -> None:
    folder = tmp_path / "streams"
    browser = light_browser(record=folder, record_prompts=with_prompts)
    async with live(tmp_path, chromium=chromium, browser=browser) as run:
        account = run.account()
        assert await run.ask(f"{'Long words. ' * 20}{PROMPT} {directive(text='An answer.')}") == "An answer."
        assert await run.ask(directive(tokens=4)) != ""
        secrets = [account.token, run.key, account.password, *account.cookies]
    streams = sorted(folder.glob("*-1.sse"))
    with Home.at(tmp_path) as home:
        shown = await home.run("replay", *(str(stream) for stream in streams[:1]))
    assert (shown.code, bool(re.search(r"^ *\d+  Finish", shown.out, re.MULTILINE))) == (0, True), shown.out + shown.err
    heard = [hear([stream.read_bytes()]) for stream in streams]
    assert "An answer." in {one.text for one in heard}
    assert all(isinstance(one.events[-1], Finish) for one in heard)
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert (PROMPT.encode() in kept) == with_prompts
    assert [secret for secret in secrets if secret.encode() in kept] == []
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.iterdir()))


@pytest.mark.browser
async def test_a_refusal_is_kept_and_shown_as_such(tmp_path: Path) -> None:
    body = tmp_path / "refused-1.sse"
    body.write_text('{"code":40003,"msg":"\\u001b[2JAuthorization Failed","data":null}')
    with Home.at(tmp_path) as home:
        ended = await home.run("replay", str(body))
        missing = await home.run("replay", str(tmp_path / "none.sse"))
    assert (ended.code, "login_required" in ended.out) == (1, True)
    assert "\x1b" not in ended.out
    assert (missing.code, "Cannot read" in missing.err) == (1, True)


def test_a_site_that_does_not_exist_is_named() -> None:
    with pytest.raises(SetupError, match="nowhere"):
        replay([], "nowhere", SafeConsole(file=io.StringIO()))


@pytest.mark.browser
async def test_steps_in_the_browser_can_be_held_up_for_watching(tmp_path: Path) -> None:
    async with live(tmp_path, browser=light_browser(slow_mo=1500, call_limit=30)) as run:
        assert await run.ask(directive(text="slow")) == "slow"
        ended = await run.facts.wait_for(lambda fact: isinstance(fact, ChatEnded))
    assert isinstance(ended, ChatEnded)
    assert ended.marks["sent"] - ended.marks["started"] >= 1.5
