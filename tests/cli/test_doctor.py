"""The doctor: finds what is wrong, says what to do, and harms nothing."""

from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bridge.browser.browser import Chromium
from bridge.cli.doctor_report import run_and_print, run_checks
from bridge.demo import DemoSite, Script
from bridge.health_checks import Check, chat_check, file_checks, run_check
from bridge.settings import ClusterSettings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from tests.support.commands import Ended, Home
from tests.support.live import QUICK_SITE, settings_for, signed_in_profile

FOREIGN_SITE = """
from bridge.sites.deepseek.driver import Driver as DeepSeek

class Driver(DeepSeek):
    async def controls(self):
        return {**await super().controls(), "search": ""}
"""
"""A site of the operator's own, on whose page one control is not found."""
NEWER_SITE = """
from bridge.sites.deepseek.driver import Driver as DeepSeek

class Driver(DeepSeek):
    grammar = {words}
"""

GRAMMARS = {"carol": ("/completion2",), "dave": ("/completion", "NEW_OPERATION"), "erin": ("/completion",)}
"""What the scripts of a page are looked through for, by account."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


@pytest.fixture
async def site() -> AsyncGenerator[DemoSite]:
    async with DemoSite(replace(QUICK_SITE, accounts=("alice", "bob"))) as running:
        yield running


def store(home: Home) -> ProfileStore:
    return ProfileStore(home.settings.profiles, load_identity(home.settings.key_source))


def findings(ended: Ended, mark: str) -> dict[str, str]:
    """Return what the lines that begin with `mark` say, by the name of the check."""
    assert ended.err == ""
    return dict(re.findall(rf"^{mark} +(\S+(?: \S+)*)  +(.*)$", ended.out, re.MULTILINE))


async def test_a_sound_installation_passes_every_check_and_sends_a_short_chat_where_that_is_asked_for(
    home: Home, site: DemoSite
) -> None:
    home.log_in(site)
    KeyFile(home.settings.config).keys()
    account = site.account("alice")
    account.script(Script(text="OK"))
    doctor = await home.run("doctor", "--send")
    assert doctor.code == 0, doctor.out
    fine = findings(doctor, "ok")
    assert [*fine] == [
        *("settings", "config folder", "API keys", "profile key", "profiles", "profile alice", "port"),
        *("browser", "page of alice", "stream of alice", "chat of alice"),
    ]
    assert re.search(
        r"signed in at \S+; found composer by placeholder, send by .*, new chat by text", fine["page of alice"]
    )
    assert "scripts name all" in fine["stream of alice"]
    assert re.match(
        r"an answer of 2 characters: opened after [\d.]+ s, sent after [\d.]+ s, first_byte after",
        fine["chat of alice"],
    )
    assert [turn.prompt for turn in account.turns] == ["Answer with the word OK."]
    assert home.left_running() == []


async def test_a_browser_folder_that_is_kept_is_said_not_to_be_encrypted(home: Home, site: DemoSite) -> None:
    settings = home.settings
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    store.save(signed_in_profile(site, "alice"))
    store.save(signed_in_profile(site, "bob").model_copy(update={"user_data_dir": "bob-1"}))
    found = [await run_check(check) for check in await asyncio.to_thread(lambda: list(file_checks(settings, None)))]
    said = {one.name: "NOT encrypted" in one.text for one in found if one.name.startswith("profile ")}
    assert said == {"profile key": False, "profile alice": False, "profile bob": True}


async def test_a_short_chat_of_whose_answer_something_is_not_known_fails(
    home: Home, site: DemoSite, chromium: Chromium
) -> None:
    home.log_in(site)
    site.account("alice").script(Script(text="OK", fault="unknown_events"))
    found = await run_check(
        chat_check(home.settings.pages, home.settings.key_source, chromium, signed_in_profile(site, "alice"))
    )
    assert (found.ok, "unknown parts" in found.text) == (False, True)


async def test_each_page_that_is_signed_out_or_has_changed_is_named_without_a_chat(home: Home) -> None:
    own = home.folder / "own"
    own.mkdir()
    (own / "place.py").write_text(FOREIGN_SITE, "utf-8")
    for name, words in GRAMMARS.items():
        (own / f"{name}.py").write_text(NEWER_SITE.format(words=words), "utf-8")
    drivers = {"alice": "own.place", "bob": "deepseek", **{name: f"own.{name}" for name in GRAMMARS}}
    async with DemoSite(replace(QUICK_SITE, accounts=tuple(drivers))) as site:
        for name, driver in drivers.items():
            store(home).save(signed_in_profile(site, name).model_copy(update={"site": driver}))
        site.account("bob").sign_out()
        doctor = await home.run("doctor", "--site")
        assert [account.turns for account in site.accounts] == [[]] * len(drivers)
    assert doctor.code == 1
    failed, fine = findings(doctor, "FAILED"), findings(doctor, "ok")
    assert [*failed] == ["page of alice", "page of bob", "stream of carol"]
    assert re.search(r"not all found: search\.", failed["page of alice"])
    assert "bridge login" in failed["page of bob"]
    assert "No script of the page names /completion2" in failed["stream of carol"]
    pages = ("page of carol", "page of dave", "stream of dave", "page of erin", "stream of erin")
    assert [*fine] == ["browser", "stream of alice", *pages]
    assert "do not name NEW_OPERATION" in fine["stream of dave"]
    assert "name /completion, the one word" in fine["stream of erin"]


async def test_broken_files_a_taken_port_and_a_missing_browser_are_all_told_at_once(home: Home) -> None:
    keys = KeyFile(home.settings.config)
    keys.keys()
    keys.path.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        variables = {"BRIDGE_BROWSER_EXECUTABLE": "/nowhere", "BRIDGE_SERVER_PORT": port}
        doctor = await home.run("doctor", **variables)
    assert doctor.code == 1
    failed = findings(doctor, "FAILED")
    assert [*failed] == ["API keys", "profiles", "port", "browser"]
    assert "chmod 600" in failed["API keys"]
    assert "bridge login NAME" in failed["profiles"]
    assert "server.port" in failed["port"]
    assert "/nowhere" in failed["browser"]
    assert "4 of 7 checks failed." in doctor.out


async def test_a_driver_that_lacks_its_library_is_named_with_what_to_install(home: Home) -> None:
    KeyFile(home.settings.config).keys()
    failed = findings(await home.run("doctor", PLAYWRIGHT_NODEJS_PATH="/bin/false"), "FAILED")
    assert "apt-get install libatomic1" in failed["browser"]


async def test_a_profile_that_does_not_open_fails_alone(home: Home, site: DemoSite) -> None:
    home.log_in(site)
    home.log_in(site, "bob")
    store(home).path("bob").write_bytes(b"age-encryption.org/v1\nnothing\n")
    doctor = await home.run("doctor", BRIDGE_BROWSER_EXECUTABLE="/nowhere")
    assert [*findings(doctor, "FAILED")] == ["profile bob", "browser"]


async def test_the_profiles_without_their_key_are_no_reason_to_make_another_one(home: Home, site: DemoSite) -> None:
    home.log_in(site)
    key = home.settings.config / "profile.key"
    key.unlink()
    doctor = await home.run("doctor", BRIDGE_BROWSER_EXECUTABLE="/nowhere")
    failed = findings(doctor, "FAILED")
    assert [*failed] == ["profile key", "profile alice", "browser"]
    assert f"restore {key}" in failed["profile key"]
    assert not key.exists()


async def test_a_check_that_hangs_is_given_up_and_the_next_one_is_made() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async def fine() -> str:
        return "all right"

    shown = io.StringIO()
    console = Console(file=shown)
    assert not await run_and_print(Check("hanging", never, 0.01), console)
    assert await run_and_print(Check("next", fine), console)
    assert re.search(r"FAILED +hanging +.* within 0\.01 seconds", shown.getvalue())
    assert re.search(r"ok +next +all right", shown.getvalue())


async def test_in_a_cluster_no_page_of_an_account_is_opened_and_the_report_says_where_it_is_checked(
    tmp_path: Path, chromium: Chromium
) -> None:
    settings = settings_for(tmp_path, cluster=ClusterSettings(url="redis://127.0.0.1:1"))
    printed = io.StringIO()
    async with DemoSite(QUICK_SITE) as site:
        ProfileStore(settings.profiles, load_identity(settings.key_source)).save(signed_in_profile(site, "alice"))
        await run_checks(settings, None, Console(file=printed, width=200), site=True, send=True)
    assert "because nodes drive them" in printed.getvalue()
    assert "alice" not in printed.getvalue()
