"""The bundle for the operator: it shows how the page is built and what it called, and not a word of anybody."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from openai import APIStatusError

from bridge.browser.browser import Chromium
from bridge.settings import TurnSettings
from bridge.telemetry import WorkerState
from bridge.worker.diagnostics import KEPT, _write
from tests.support.live import Live, directive, live

SECRET = "a-prompt-that-nobody-else-may-read"
TURN = TurnSettings(ready=15, submit=2, first_byte=6, silence=6, stop=4)


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """The bridge of all tests."""
    async with live(tmp_path_factory.mktemp("diagnostics"), chromium=chromium, turn=TURN) as run:
        yield run


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


async def test_a_chat_that_fails_because_the_site_changed_leaves_a_bundle_without_words_for_its_owner_alone(
    run: Live,
) -> None:
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


def test_only_the_newest_bundles_are_kept(tmp_path: Path) -> None:
    written = [_write(tmp_path, "alice", {"report.json": b"{}"}) for _ in range(KEPT + 2)]
    assert sorted(tmp_path.iterdir()) == written[2:]


async def test_a_bundle_that_cannot_be_written_does_not_hide_what_happened(run: Live) -> None:
    folder = run.settings.config / "bundles"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")
    run.account().fault("moved_completion")
    await run.account().pages_informed()
    with pytest.raises(APIStatusError, match="sent no request to /api/v0/chat/completion") as caught:
        await run.ask(directive(text="lost"))
    folder.unlink()
    assert caught.value.code == "site_changed"
    assert "is in" not in caught.value.message
