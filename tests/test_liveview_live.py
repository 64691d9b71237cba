"""The live view in a real browser: people log in, solve what a site asks, watch and take over, by its picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.browser import Chromium
from bridge.demo import DemoSite
from bridge.keystore import KeyStore
from bridge.telemetry import WorkerState
from tests.live import LIMIT, QUICK_SITE, Live, live, served
from tests.watching import PHONE, WIDE, account_page, login_page, person

ASKING = replace(QUICK_SITE, sign_in_asks=True, oauth=True)
PASSWORD = "Pässwörd-日本-€"
DEVICES = pytest.mark.parametrize("device", [WIDE, PHONE], ids=["wide", "phone"])


def admin_key(run: Live) -> str:
    """Return the key that the local commands use."""
    return KeyStore(run.settings.config).admin_key()


async def call(run: Live, method: str, path: str, body: Any = None) -> Any:
    """Call the admin API as a script does."""
    headers = {"Authorization": f"Bearer {admin_key(run)}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, f"{run.bridge.url}/admin/api/{path}", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def captured(run: Live, login: str) -> Any:
    """Return the login as soon as it has ended."""
    async with asyncio.timeout(LIMIT * 2):
        while (found := await call(run, "GET", f"logins/{login}"))["state"] == "waiting":
            await asyncio.sleep(0.1)
    return found


@asynccontextmanager
async def asking(folder: Path, chromium: Chromium) -> AsyncGenerator[Live]:
    """Run a bridge with one account of a site that asks much, and has another one that the bridge does not know."""
    async with DemoSite(ASKING) as site, served(folder, site, chromium, ["alice"]) as run:
        yield run


@DEVICES
async def test_a_new_account_is_logged_in_by_form_through_the_view_and_answers(
    tmp_path: Path, chromium: Chromium, device: dict[str, Any]
) -> None:
    async with asking(tmp_path, chromium) as run:
        run.account("bob").password = PASSWORD
        begun = await call(run, "POST", "logins", {"name": "second", "site": "deepseek", "url": run.site.url})
        async with person(run, chromium, device) as someone:
            page = await login_page(run, begun["id"])
            await someone.look(login=begun["id"])
            await someone.has_controls()
            user, password = page.locator("input[autocomplete=username]"), page.locator("input[type=password]")
            await someone.click(user)
            await someone.type("bbo@example.com")
            for _ in range(len("bo@example.com")):
                await someone.page.keyboard.press("Backspace")
            await someone.type("ob@example.com")
            await someone.seen(user, "bob@example.com")
            await someone.click(password)
            await someone.paste(PASSWORD)
            await someone.seen(password, PASSWORD)
            await someone.click(page.locator("select"))
            await someone.page.locator("#choice").select_option(label="Freedonia")
            await someone.page.get_by_role("button", name="Choose").click()
            await someone.seen(page.locator("select"), "Freedonia")
            await someone.click(page.locator("input[type=date]"))
            await someone.page.locator("#choice").fill("1999-12-31")
            await someone.page.get_by_role("button", name="Set").click()
            await someone.seen(page.locator("input[type=date]"), "1999-12-31")
            await someone.click(page.locator("input[type=checkbox]"))
            await someone.click(page.get_by_role("button", name="Log in", exact=True))
            assert (await captured(run, begun["id"]))["state"] == "captured"
            await someone.page.get_by_text("second is logged in").wait_for()
        await run.facts.state("second", WorkerState.READY)
        await run.bridge.pool.pause("alice")
        assert await run.ask("Hello")
        assert [turn.prompt for turn in run.account("bob").turns if turn.kind == "completion"][-1:] == ["Hello"]


@DEVICES
async def test_a_new_account_is_logged_in_by_another_accounts_window(
    tmp_path: Path, chromium: Chromium, device: dict[str, Any]
) -> None:
    async with asking(tmp_path, chromium) as run:
        begun = await call(run, "POST", "logins", {"name": "second", "site": "deepseek", "url": run.site.url})
        async with person(run, chromium, device) as someone:
            page = await login_page(run, begun["id"])
            await someone.look(login=begun["id"])
            await someone.has_controls()
            async with page.context.expect_page() as opening:
                await someone.click(page.get_by_text("Log in with Google"))
            other = await opening.value
            await someone.page.get_by_role("tab", name="Sign in with Goggles", selected=True).wait_for()
            await someone.click(other.get_by_role("button", name="bob@example.com"))
            assert (await captured(run, begun["id"]))["state"] == "captured"
        await run.facts.state("second", WorkerState.READY)


@DEVICES
async def test_a_challenged_account_answers_within_five_seconds_of_being_solved(
    tmp_path: Path, chromium: Chromium, device: dict[str, Any]
) -> None:
    async with live(tmp_path, chromium=chromium) as run:
        run.account().fault("load_human_check", times=None)
        after = len(run.facts.seen)
        await run.bridge.pool.reopen("alice")
        await run.facts.state("alice", WorkerState.CHALLENGED, after)
        async with person(run, chromium, device) as someone:
            await someone.look(account="alice")
            await someone.take()
            assert run.bridge.pool.accounts()[0].is_held
            run.account().clear_fault()
            await someone.click(account_page(run).get_by_role("button", name="Begin"))
            await account_page(run).locator("textarea").first.wait_for()
            async with asyncio.timeout(5):
                while run.bridge.pool.unready() is not None:
                    await asyncio.sleep(0.05)
                assert await run.ask("Hello")
            await someone.page.get_by_text("Solved: the account takes chats again").wait_for()


async def test_a_login_that_no_copy_holds_is_made_in_a_browser_that_is_kept(tmp_path: Path) -> None:
    async with DemoSite(replace(QUICK_SITE, device_key=True)) as site, served(tmp_path, site, own=()) as run:
        body = {"name": "second", "site": "deepseek", "url": site.url, "keep_browser": True}
        begun = await call(run, "POST", "logins", body)
        page = await login_page(run, begun["id"])
        await page.locator("input[autocomplete=username]").fill("bob@example.com")
        await page.locator("input[type=password]").fill("demo-bob")
        await page.get_by_role("button", name="Log in", exact=True).click()
        ended = await captured(run, begun["id"])
        assert ended["state"] == "captured", ended
        assert len(list(run.settings.browser_folders.iterdir())) == 1
        assert await run.ask("Hello")
