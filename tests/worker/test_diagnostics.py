"""The bundle for the operator: it shows how the page is built and what it called, and not a word of anybody."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
from openai import APIStatusError

from bridge.browser.browser import Chromium
from bridge.settings import TurnSettings
from bridge.telemetry import WorkerState
from bridge.worker.diagnostics import KEPT
from tests.support.live import Live, directive, live

SECRET = "a-prompt-that-nobody-else-may-read"
TURN = TurnSettings(ready=15, submit=2, first_byte=6, silence=6, stop=4)


async def failed(run: Live) -> tuple[Path, str]:
    """Let a chat fail because the site has moved; return the bundle that the error names, and the error."""
    run.account().fault("moved_completion")
    await run.account().pages_informed()
    after = len(run.facts.seen)
    with pytest.raises(APIStatusError) as caught:
        await run.ask(f"{SECRET} {directive(text=SECRET)}")
    assert caught.value.code == "site_changed"
    found = re.search(r"is in (\S+)\.", caught.value.message)
    assert found is not None
    await run.facts.state("alice", WorkerState.READY, after)
    return Path(found[1]), caught.value.message


async def test_a_chat_that_fails_because_the_site_changed_leaves_a_bundle_and_names_it(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=chromium, turn=TURN) as run:
        await run.ask(f"{SECRET} {directive(text=SECRET, title=SECRET)}")
        bundle, message = await failed(run)
        assert "POST /api/v1/chat/completion" in message
        assert bundle.parent == run.settings.config / "bundles"
        assert bundle.name.endswith("Z-alice")
        report = json.loads((bundle / "report.json").read_text("utf-8"))
        assert report["missing"] == {}
        assert report["controls"]["composer"] == "placeholder"
        assert {"bridge", "chromium", "playwright", "python", "reason"} <= set(report)
        outline = (bundle / "outline.txt").read_text("utf-8")
        assert "textarea" in outline
        assert "data-virtual-list-item-key" in outline
        network = (bundle / "network.txt").read_text("utf-8")
        assert re.search(r"^POST /api/v1/chat/completion xhr (200|open)", network, re.MULTILINE)
        assert "GET /api/v0/client/settings fetch 200 application/json" in network
        assert (bundle / "screenshot.png").read_bytes().startswith(b"\x89PNG")


async def test_a_bundle_is_for_its_owner_alone_and_holds_no_words(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium, turn=TURN) as run:
        await run.ask(f"{SECRET} {directive(text=SECRET, title=SECRET)}")
        bundle, _ = await failed(run)
        assert stat.S_IMODE(bundle.stat().st_mode) == 0o700
        assert stat.S_IMODE(bundle.parent.stat().st_mode) == 0o700
        token = run.account().token
        for file in bundle.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            content = file.read_bytes()
            assert SECRET.encode() not in content, file
            assert token.encode() not in content, file
            assert b"alice@example.com" not in content, file
            assert b"?" not in content or file.name == "screenshot.png", file


async def test_only_the_newest_bundles_are_kept(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium, turn=TURN) as run:
        folder = run.settings.config / "bundles"
        old = [folder / f"2020010{number}T000000.000000Z-alice" for number in range(10)]
        for path in old:
            path.mkdir(parents=True)
            (path / "report.json").write_text("{}")
        bundle, _ = await failed(run)
        assert len(list(folder.iterdir())) == KEPT
        assert bundle.exists()
        assert not old[0].exists()
        assert old[1].exists()


async def test_a_bundle_that_cannot_be_written_does_not_hide_what_happened(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium, turn=TURN) as run:
        (run.settings.config / "bundles").write_text("in the way")
        run.account().fault("moved_completion")
        await run.account().pages_informed()
        with pytest.raises(APIStatusError, match="no request to /api/v0/chat/completion came") as caught:
            await run.ask(directive(text="lost"))
        assert caught.value.code == "site_changed"
        assert "is in" not in caught.value.message
