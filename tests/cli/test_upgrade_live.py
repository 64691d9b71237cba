"""The data of earlier versions, written by those versions themselves, goes on in this one."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.browser.chromium import find
from bridge.demo import DemoSite
from bridge.storage.key_files import KeyFile
from tests.cli.test_backup_live import answered, served
from tests.support.browsers import light_browser
from tests.support.command_server import ROOT
from tests.support.commands import Home
from tests.support.live import QUICK_SITE, directive
from tests.support.live import served as served_here

EARLIER = {"78a472a": False, "0d5dc58": True}
"""The end of version 0.1.0, and the first commit that knows histories as today; whether conversations go on there."""
SAVE = """
import json, sys
from pathlib import Path
from bridge.profiles import Profile, ProfileStore, load_identity
from bridge.settings import load_settings
settings = load_settings()
state = json.load(sys.stdin)
profile = Profile(name="alice", site="deepseek", url=sys.argv[1], storage_state=state)
ProfileStore(settings.profiles, load_identity(settings)).save(profile)
"""


def source_of(commit: str, folder: Path) -> Path:
    """Return the source of the bridge at a commit, out of the repository's history."""
    archive = ("git", "archive", commit, "bridge")
    found = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False) if shutil.which("git") else None
    if found is None or found.returncode:
        pytest.skip(f"the history of this clone does not reach {commit}")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def plain() -> dict[str, str]:
    """Return the settings of the browser in the one way that earlier versions know."""
    return {"BRIDGE_BROWSER_EXECUTABLE": str(find(light_browser()))}


async def save_login(home: Home, site: DemoSite) -> None:
    """Have the home's own version store a login."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SAVE, site.url),
        cwd=home.folder,
        env=home._variables(plain()),
        stdin=asyncio.subprocess.PIPE,
    )
    await process.communicate(json.dumps(site.account("alice").storage_state()).encode())
    assert process.returncode == 0


@pytest.mark.browser
@pytest.mark.parametrize("commit", EARLIER)
async def test_logins_keys_and_conversations_of_an_earlier_version_go_on_in_this_one(
    tmp_path: Path, chromium: Chromium, commit: str
) -> None:
    source = source_of(commit, tmp_path / "earlier")
    (tmp_path / "home").mkdir()
    async with DemoSite(QUICK_SITE) as site:
        with Home.at(tmp_path / "home") as home:
            before = replace(home, source=source)
            await save_login(before, site)
            async with served(before, **plain()) as client:
                history = list(await answered(client, [], "one"))
            key = KeyFile(home.settings.config).keys()

            async with served_here(home.folder, site, chromium, ["alice"]) as run:
                await answered(run.client, history, "two")
            assert KeyFile(home.settings.config).keys() == key
            first, last = site.account("alice").turns
            if EARLIER[commit]:
                assert (last.conversation, last.parent) == (first.conversation, 2)
                assert last.prompt == directive(text="two"), "the history was not sent again"
            else:
                assert last.conversation != first.conversation
                assert directive(text="one") in last.prompt, "nothing of the history is lost"
