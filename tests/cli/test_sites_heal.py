"""`bridge doctor` and `bridge sites heal` on a stand-in whose page has moved its controls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.cli.site_repair import findings_of
from bridge.demo.standins import STAND_INS, StandIn
from bridge.login.site_healing import Healing, heal_site, write_healed
from bridge.sites.drift import MovedControl
from bridge.sites.known_sites import SHIPPED, find_site
from bridge.sites.site_file.schema import load_site_file
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.worker.page_checks import CheckLimits, check_page
from bridge.worker.page_session import open_session
from tests.sites.standin_runs import save_profile
from tests.support.commands import Home
from tests.support.renamed_page import renamed_minimax

MOVED = ("composer.box", "composer.new_chat", "composer.send_button", "thinking.control")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


def signed_in(home: Home, site: StandIn) -> Path:
    """Store the login of the account, and the shipped file with the stand-in's address; return that file."""
    save_profile(home.settings, site, signed_in=True)
    file = home.settings.folders.site_files / f"{site.wire.name}.toml"
    file.parent.mkdir(parents=True)
    file.write_text(site.adapted((SHIPPED / file.name).read_text("utf-8")), "utf-8")
    return file


async def checked(home: Home, chromium: Chromium) -> str:
    """Return what the doctor says of the controls of the account's page."""
    profile = ProfileStore(home.settings.profiles, load_identity(home.settings.key_source)).load("alice")
    driver = find_site(profile.site, home.settings.folders.site_files).driver
    async with open_session(chromium, profile, driver, home.settings.pages) as session:
        findings = await check_page(session.driver, "alice", CheckLimits.of(home.settings.pages))
    return findings[0].text


async def test_what_a_page_has_moved_is_told_and_written_only_where_that_is_asked_for(
    home: Home, chromium: Chromium
) -> None:
    async with StandIn(renamed_minimax(home.folder), rate=20) as site:
        file = signed_in(home, site)
        before = file.read_text("utf-8")
        told = await checked(home, chromium)
        assert "found only in another place than its description says: composer.box" in told
        assert "`bridge sites heal`" in told
        shown = await home.run("sites", "heal", "minimax")
        assert shown.code == 0, shown.out + shown.err
        assert [name for name in MOVED if f"moved   {name}: found" not in shown.out] == []
        assert '+box = ["div.tiptap.ProseMirror.tiptap-editor", "div.ProseMirror"' in shown.out
        assert "Nothing was written" in shown.out
        assert (file.read_text("utf-8"), site.account().turns, site.strange) == (before, [], [])
        written = await home.run("sites", "heal", "minimax", "--write")
        assert written.code == 0, written.out + written.err
        assert "# Enter made no conversation in some builds" in file.read_text("utf-8")
        assert file.with_name("minimax.toml.before").read_text("utf-8") == before
        assert "found composer by div.ProseMirror, new chat by" in await checked(home, chromium)
        assert (site.account().turns, site.strange) == ([], [])


async def test_what_is_found_nowhere_is_named(home: Home, chromium: Chromium) -> None:
    async with StandIn(STAND_INS["minimax"](), rate=20) as site:
        file = signed_in(home, site)
        text = file.read_text("utf-8")
        file.write_text(text.replace("#input-send-icon", "#gone").replace(".new-task", ".gone"), "utf-8")
        profile = ProfileStore(home.settings.profiles, load_identity(home.settings.key_source)).load("alice")
        healing = await heal_site(chromium, home.settings.pages, profile)
    assert (healing.moved, healing.missing) == ((), ("new chat", "send button"))
    assert [line for line in findings_of(healing) if "not found at all" in line][1].startswith("  gone    send button")
    fine = next(findings_of(replace(healing, missing=())))
    assert "All controls are where the site file says" in fine


async def test_a_file_of_the_bridge_is_healed_as_a_copy_of_the_operators_own(tmp_path: Path) -> None:
    own = tmp_path / "sites"
    source = SHIPPED / "kimi.toml"
    text = source.read_text("utf-8")
    moved = (MovedControl("composer.box", ("#later",), "by its name"),)
    await asyncio.to_thread(write_healed, Healing(source, own / "kimi.toml", text, moved))
    assert source.read_text("utf-8") == text
    healed = await asyncio.to_thread(load_site_file, own / "kimi.toml")
    assert healed.composer.box == (*load_site_file(source).composer.box, "#later")
    assert find_site("kimi", own).hides == str(source)


async def test_a_site_without_an_account_or_a_file_is_refused_with_what_to_do(home: Home) -> None:
    nobody = await home.run("sites", "heal", "kimi")
    assert (nobody.code, "bridge login ACCOUNT --site kimi" in nobody.err) == (1, True)
