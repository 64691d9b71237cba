"""The dashboard in a real Chromium, in front of a real bridge on the demo site: what an operator sees and does."""

from __future__ import annotations

import asyncio
import json
import re
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
from openai import APIError, RateLimitError
from playwright.async_api import FilePayload, Locator, expect

from bridge.browser.browser import Chromium
from bridge.settings import BrowserSettings, DashboardSettings, TurnSettings
from bridge.storage.api_keys import KeyStore
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import ChatEnded
from tests.support.dashboard_pages import NARROW, VIEWS, WIDE, Dashboard, opened
from tests.support.live import Live, directive, live, reset, signed_in_profile, with_accounts
from tests.support.relay import relay
from tests.support.stress import stress

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LONG = directive(tokens=5000, rate=20)
LOOK = re.compile("^Look (now|again)$")


def link(run: Live, url: str = "", to: str = "") -> str:
    """Return an address that signs in once."""
    path = run.bridge.sign_in_path()
    assert path is not None
    return f"{url or run.bridge.url}{path}{to and f'&to={to}'}"


@pytest.fixture
async def run(shared: Live) -> Live:
    """The bridge of the module, with its account ready, and no other one."""
    return await reset(await with_accounts(shared, "alice"))


@pytest.fixture
async def pair(shared: Live) -> Live:
    """The same with two accounts."""
    if "bob" not in {account.name for account in shared.site.accounts}:
        shared.site.add_account("bob")
    return await reset(await with_accounts(shared, "alice", "bob"))


@pytest.fixture(scope="module")
async def seat(shared: Live, chromium: Chromium) -> AsyncGenerator[Dashboard]:
    """A page that is signed in, as the test before has left it: to open one costs more than most tests."""
    async with signed_in(shared, chromium) as dashboard:
        yield dashboard


async def show(dashboard: Dashboard, size: tuple[int, int], scheme: Literal["light", "dark"]) -> None:
    """Give the page a size, and the system a colour scheme."""
    await dashboard.page.set_viewport_size({"width": size[0], "height": size[1]})
    await dashboard.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


@pytest.fixture
async def dashboard(seat: Dashboard) -> AsyncGenerator[Dashboard]:
    """The page of the module with the accounts on it, loaded anew only where a test has left it elsewhere."""
    seat.forget()
    await show(seat, WIDE, "light")
    await seat.go("accounts")
    yield seat
    # the picture of an account that a test has just removed, renamed or closed
    complaints = [text for text in seat.complaints if "/thumbnail" not in text]
    if seat.page.url.partition("#")[0] != f"{seat.origin}/dashboard" or await seat.page.get_by_role("dialog").count():
        await seat.page.goto(f"{seat.origin}/dashboard")  # now: who stays in a live view keeps the account from chats
    seat.complaints[:] = complaints
    seat.check()


@asynccontextmanager
async def signed_in(run: Live, chromium: Chromium) -> AsyncGenerator[Dashboard]:
    """Open the dashboard of a bridge, signed in."""
    async with opened(chromium, link(run)) as dashboard:
        await expect(dashboard.page.get_by_role("heading", name="Accounts")).to_be_visible()
        yield dashboard


async def test_a_link_signs_in_once_and_leaves_its_token_neither_in_the_address_nor_in_the_history(
    run: Live, chromium: Chromium
) -> None:
    address = link(run)
    async with opened(chromium, address) as dashboard:
        await expect(dashboard.account("alice").get_by_text("Ready")).to_be_visible()
        assert dashboard.page.url == f"{run.bridge.url}/dashboard"
        assert await dashboard.page.evaluate("history.length") <= 2  # the blank page, and this one
        await dashboard.page.reload()
        await expect(dashboard.account("alice").get_by_text("Ready")).to_be_visible()
    async with opened(chromium, address) as dashboard:
        dashboard.excused = lambda text: "401" in text
        await expect(dashboard.page.get_by_role("alert")).to_be_visible()
        await expect(dashboard.page.get_by_role("heading", name="Sign in to the bridge")).to_be_visible()
        assert "sign-in" not in dashboard.page.url


LINKS = {
    "/dashboard/live?account=alice": "/dashboard/live?account=alice",
    "/docs": None,
    "//example.org/dashboard/": None,
    "https://example.org/dashboard/": None,
    "javascript:alert(1)": None,
    "/dashboard/../docs": None,
}
"""Where a link to sign in wants to lead, and where it does, if not to the dashboard itself."""


async def test_a_link_leads_to_pages_of_the_dashboard_only(run: Live, chromium: Chromium) -> None:
    async with opened(chromium, f"{run.bridge.url}/dashboard") as dashboard:
        dashboard.excused = lambda text: "live" in text  # that page has tests of its own
        target = "async to => (await import('./dashboard/static/sign_in.js')).target(to)"
        for to, place in LINKS.items():
            assert await dashboard.page.evaluate(target, to) == (place and f"{run.bridge.url}{place}"), to
        for to in ("https://example.org/dashboard/", "/dashboard/live?account=alice"):
            await dashboard.page.goto("about:blank")  # another fragment alone loads nothing anew
            await dashboard.page.context.clear_cookies()  # now that no page asks for anything any more
            await dashboard.page.goto(link(run, to=to))
            await expect(dashboard.page).to_have_url(f"{run.bridge.url}{LINKS[to] or '/dashboard'}")
            await dashboard.page.wait_for_load_state()  # a page that is left earlier has files half sent
            assert await dashboard.page.context.cookies()


async def test_an_admin_key_signs_in_a_chat_key_does_not_and_signing_out_ends_the_session(
    run: Live, chromium: Chromium
) -> None:
    async with opened(chromium, f"{run.bridge.url}/dashboard") as dashboard:
        dashboard.excused = lambda text: "401" in text or "403" in text
        page = dashboard.page
        for key in ("sk-bridge-wrong", run.key):
            await page.get_by_label("Admin key").fill(key)
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("alert")).to_be_visible()
        admin = await asyncio.to_thread(KeyStore(run.settings.config).admin_key)
        await page.get_by_label("Admin key").fill(admin)
        await page.keyboard.press("Enter")
        await expect(dashboard.account("alice")).to_be_visible()
        cookies = await page.context.cookies()
        assert [(one.get("httpOnly"), one.get("sameSite")) for one in cookies] == [(True, "Strict")]
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Admin key")).to_be_visible()
        assert await page.context.cookies() == []
        assert await page.evaluate("fetch('/admin/api/state').then((answer) => answer.status)") == 401
        assert admin not in await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")


async def test_what_happens_is_shown_without_a_reload_and_without_a_jump(pair: Live, dashboard: Dashboard) -> None:
    run = pair
    page, row = dashboard.page, dashboard.account("alice")
    await expect(row.get_by_text("Ready")).to_be_visible()
    await expect(dashboard.account("bob").get_by_text("Ready")).to_be_visible()
    before = [await dashboard.account(name).bounding_box() for name in ("alice", "bob")]
    stream = await run.stream(LONG)
    await anext(aiter(stream))
    await expect(page.locator("li.account").get_by_text("Writing")).to_be_visible()
    await expect(page.locator(".status-line").get_by_text("1 running")).to_be_visible()
    after = [await dashboard.account(name).bounding_box() for name in ("alice", "bob")]
    await stream.close()
    assert after == before
    await expect(page.locator(".status-line").get_by_text("0 running")).to_be_visible()
    await dashboard.go("chats")
    await expect(page.locator("li.chat").first).to_contain_text("cancelled")
    await run.ask(directive(text="Good."))
    await expect(page.locator("li.chat").first).to_contain_text("stop")


async def test_a_lost_connection_is_shown_and_comes_back_by_itself_with_what_happened_meanwhile(
    run: Live, chromium: Chromium
) -> None:
    async with relay(run.bridge.url) as way, opened(chromium, link(run, way.url)) as dashboard:
        dashboard.excused = lambda text: "net::ERR" in text
        page = dashboard.page
        await dashboard.go("chats")
        await expect(page.locator("li.chat, .empty").first).to_be_visible()
        before = await page.locator("li.chat").count()
        way.sever()
        await expect(page.get_by_text("Connection lost.")).to_be_visible()
        await run.ask(directive(text="Meanwhile."))
        await way.mend()
        await expect(page.locator("li.chat")).to_have_count(before + 1)
        await expect(page.get_by_text("Connection lost.")).to_have_count(0)


async def test_every_action_on_an_account_works_and_says_what_came_of_it(pair: Live, dashboard: Dashboard) -> None:
    run = pair
    # of an account that was renamed or removed just now
    dashboard.excused = lambda text: "404" in text and "/thumbnail" in text
    page, row = dashboard.page, dashboard.account("alice")
    await expect(row.get_by_text("Ready")).to_be_visible()
    await dashboard.choose("alice", "Pause")
    await dashboard.told("alice")
    await expect(row.get_by_text("Paused")).to_be_visible()
    await row.get_by_role("button", name="Resume").click()
    await dashboard.told("alice")
    await expect(row.get_by_text("Paused")).to_have_count(0)
    for action in ("Look again now", "New page", "Reopen"):
        await dashboard.choose("alice", action)
        await dashboard.told("alice")
        await expect(row.get_by_text("Ready")).to_be_visible()
    async with page.expect_download() as download:
        await dashboard.choose("alice", "Download bundle")
    bundle = await (await download.value).path()
    assert "state.json" in " ".join(zipfile.ZipFile(bundle).namelist()) or zipfile.ZipFile(bundle).namelist()
    await dashboard.told("bundle")
    await dashboard.choose("bob", "Rename")
    await page.get_by_label("New name").fill("carol")
    await page.keyboard.press("Enter")
    await dashboard.told("carol")
    await expect(dashboard.account("carol").get_by_text("Ready")).to_be_visible()
    await dashboard.choose("carol", "Remove")
    await page.get_by_role("button", name="Cancel").click()
    await expect(dashboard.account("carol")).to_be_visible()
    await dashboard.choose("carol", "Remove")
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await dashboard.told("carol")
    await expect(dashboard.account("carol")).to_have_count(0)
    assert sorted(path.stem for path in run.settings.profiles.glob("*.age")) == ["alice"]


async def test_an_account_is_added_by_a_state_a_profile_or_a_token_and_chats_and_what_is_wrong_with_one_is_said(
    tmp_path: Path, run: Live, dashboard: Dashboard
) -> None:
    dashboard.excused = lambda text: "400" in text or "422" in text
    for name, add in (("dora", _add_by_state), ("emil", _add_by_profile), ("fay", _add_by_token)):
        run.site.add_account(name)
        await dashboard.go("accounts")
        await dashboard.page.get_by_role("button", name="Add account").click()
        await dashboard.page.get_by_label("Name").fill(name)
        await add(run, dashboard, tmp_path)
        await dashboard.told(name)
        await _answers_alone(run, dashboard, name)
    assert run.account("fay").token not in await dashboard.page.content()


async def _add(dashboard: Dashboard) -> None:
    await dashboard.page.get_by_role("dialog").get_by_role("button", name="Add account").click()


async def _add_by_state(run: Live, dashboard: Dashboard, folder: Path) -> None:
    """Give a file that is no JSON, then a good one."""
    page, file = dashboard.page, folder / "dora.json"
    await page.get_by_label("Address").fill(run.site.url)
    await page.get_by_text("State file").click()
    await page.get_by_label("Storage-state file").set_input_files(
        {"name": "state.json", "mimeType": "application/json", "buffer": b"not JSON"}
    )
    await _add(dashboard)
    await expect(page.get_by_role("alert")).to_contain_text("state.json is not JSON")
    await asyncio.to_thread(file.write_bytes, _encoded(run.account("dora").storage_state()))
    await page.get_by_label("Storage-state file").set_input_files(file)
    await _add(dashboard)


async def _add_by_profile(run: Live, dashboard: Dashboard, folder: Path) -> None:
    """Give a profile of another machine, first without the key that it was saved with."""
    page, elsewhere = dashboard.page, ProfileStore(folder / "elsewhere", Identity.generate())
    elsewhere.save(signed_in_profile(run.site, "emil"))
    await page.get_by_text("Profile", exact=True).click()
    await page.get_by_label("Profile file").set_input_files(elsewhere.path("emil"))
    await _add(dashboard)
    await expect(page.get_by_role("alert")).to_contain_text("saved with another key")
    key = elsewhere.identity.export().splitlines()[-1]
    await page.get_by_label("That machine's profile key").fill(key)
    await _add(dashboard)


async def _add_by_token(run: Live, dashboard: Dashboard, _: Path) -> None:
    """Give a token that the site does not know, then a good one."""
    page, account = dashboard.page, run.account("fay")
    account.storage_state()  # signs it in
    await page.get_by_label("Address").fill(run.site.url)
    await page.get_by_text("Token", exact=True).click()
    field = page.get_by_role("dialog").locator("input[type=password]")
    await field.fill("invented-0123456789")
    await _add(dashboard)
    await expect(page.get_by_role("alert")).to_contain_text("does not accept this login")
    assert "invented" not in await page.get_by_role("alert").inner_text()
    await field.fill(account.token)
    await _add(dashboard)


async def _answers_alone(run: Live, dashboard: Dashboard, name: str) -> None:
    """Pause the others, and see that this one answers."""
    await expect(dashboard.account(name).get_by_text("Ready")).to_be_visible()
    for other in run.bridge.pool.accounts():
        if other.name != name:
            await run.bridge.pool.pause(other.name)
    assert await run.ask(directive(text=f"from {name}")) == f"from {name}"
    await dashboard.go("chats")
    await expect(dashboard.page.locator("li.chat").first.locator(".chat-account")).to_have_text(name)


async def test_texts_trace_record_and_bundle_of_a_chat_are_in_its_row(tmp_path: Path, chromium: Chromium) -> None:
    browser = BrowserSettings(check_every=0.5, call_limit=5, trace=tmp_path / "traces", record=tmp_path / "records")
    kept, turn = DashboardSettings(history=True), TurnSettings(ready=60, submit=4, first_byte=30, silence=30, stop=10)
    async with (
        live(tmp_path, chromium=chromium, browser=browser, dashboard=kept, turn=turn) as run,
        opened(chromium, link(run)) as dashboard,
    ):
        dashboard.excused = lambda text: "thumbnail" in text  # of a page that has just been closed
        await run.ask(directive(text=f"A secret. {MARKUP}"))
        run.account().fault("moved_completion")
        await run.account().pages_informed()
        with pytest.raises(APIError):
            await run.ask("And then?")
        await dashboard.go("chats")
        failed, answered = (dashboard.page.locator("li.chat").nth(number) for number in (0, 1))
        assert sorted(await _downloaded(dashboard, answered, "Trace")) != []
        (stream,) = (await _downloaded(dashboard, answered, "Raw stream")).values()
        assert stream.startswith(b"event: ready"), "the bytes that the site has sent"
        await expect(answered.get_by_label("Answer").and_(dashboard.page.locator("pre"))).to_have_count(1)
        await expect(answered.locator(".texts pre").last).to_have_text(f"A secret. {MARKUP}")
        bundle = await _downloaded(dashboard, failed, "Diagnostic bundle")
        assert any(name.endswith(".json") for name in bundle), bundle.keys()


async def _downloaded(dashboard: Dashboard, row: Locator, label: str) -> dict[str, bytes]:
    """Open a chat's row, click a file of it, and return what is in the archive that comes."""
    button = row.get_by_role("button", name="Chat at")
    if await button.get_attribute("aria-expanded") != "true":
        await button.click()
    async with dashboard.page.expect_download() as download:
        await row.get_by_role("button", name=label).click()
    with zipfile.ZipFile(await (await download.value).path()) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_an_account_to_log_in_opens_its_sign_in_page_in_the_live_view(run: Live, dashboard: Dashboard) -> None:
    page = dashboard.page
    await page.get_by_role("button", name="Add account").click()
    await page.get_by_label("Name").fill("erin")
    await page.get_by_label("Address").fill(run.site.url)
    await page.get_by_role("button", name="Open the sign-in page").click()
    await page.wait_for_url(f"{run.bridge.url}/dashboard/live?login=*")
    await page.go_back()
    await expect(dashboard.account("alice")).to_be_visible()


async def test_texts_of_chats_are_not_shown_where_the_history_is_off(run: Live, dashboard: Dashboard) -> None:
    page = dashboard.page
    await run.ask(directive(text="A secret."))
    await dashboard.go("chats")
    await page.locator("li.chat button").first.click()
    await expect(page.locator(".chat-more")).to_contain_text("characters")
    await expect(page.get_by_label("Answer").and_(page.locator("pre"))).to_have_count(0)
    assert "A secret." not in await page.content()


async def test_a_running_and_a_waiting_chat_can_be_cancelled(run: Live, dashboard: Dashboard) -> None:
    await dashboard.go("chats")
    chats = dashboard.page.get_by_role("list", name="Running and waiting chats").get_by_role("listitem")
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_fails(run, LONG)) for _ in range(2)]
        await expect(chats).to_have_count(2)
        await expect(chats.nth(0)).to_contain_text("Writing")
        await expect(chats.nth(1)).to_contain_text("place 1")
        for left in (1, 0):
            await chats.nth(left).get_by_role("button", name="Cancel").click()
            await dashboard.told("The chat")
            await expect(chats).to_have_count(left)
    assert all(task.result() for task in asked)


async def test_what_pages_models_and_errors_say_is_text_and_never_markup(run: Live, dashboard: Dashboard) -> None:
    page = dashboard.page
    await _new_chat(dashboard)
    for switch in ("Reasoning", "Search"):
        await page.get_by_role("switch", name=switch).check()
    found = [{"url": url, "title": f"{MARKUP}{url}"} for url in ("javascript:alert(3)", "https://example.org/")]
    await _ask(dashboard, directive(text=MARKUP, thinking=MARKUP, results=found))
    answer = page.locator("li.answered")
    await expect(answer.locator("p.text").last).to_have_text(MARKUP)
    await answer.locator("summary").first.click()
    await expect(answer.locator(".thinking p")).to_have_text(MARKUP)
    await answer.locator(".sources summary").click()
    links = answer.locator(".sources a")
    assert [await link.get_attribute("href") for link in await links.all()] == ["https://example.org/"]
    assert "noopener" in (await links.first.get_attribute("rel") or "")
    for view in VIEWS:
        await dashboard.go(view)
        assert await page.locator("#app img[src=x], #app script, #app a[href^=javascript]").count() == 0
    assert run.account().turns


async def test_the_playground_streams_stops_and_gives_the_code_for_what_was_asked(
    run: Live, dashboard: Dashboard
) -> None:
    page = dashboard.page
    await _new_chat(dashboard)
    await _ask(dashboard, LONG)
    await expect(page.locator("li.answered p.text")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator("li.answered")).to_contain_text("ended by you")
    await page.get_by_text("Stream", exact=True).click()
    file: FilePayload = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"A note."}
    await page.get_by_label("Files").set_input_files(file)
    await _ask(dashboard, directive(text="```python\nprint(1)\n```\nDone."))
    await expect(page.locator("li.answered").last).to_contain_text("Done.")
    await expect(page.locator("li.answered").last.locator("pre")).to_have_text("print(1)")
    assert run.account().turns[-1].files
    for language, words in (("Python", "from openai import OpenAI"), ("JavaScript", 'import OpenAI from "openai"')):
        await page.get_by_text(language, exact=True).first.click()
        await expect(page.locator("aside pre")).to_contain_text(words)
        await expect(page.locator("aside pre")).to_contain_text("note.txt")


async def test_another_chat_of_the_playground_ends_the_one_that_runs_and_signing_out_leaves_nothing_of_it(
    run: Live, chromium: Chromium
) -> None:
    async with signed_in(run, chromium) as dashboard:
        page = dashboard.page
        dashboard.excused = lambda text: "401" in text
        for leave in ("New chat", "Sign out"):
            after = len(run.facts.seen)
            await dashboard.go("playground")
            await _ask(dashboard, LONG)
            await expect(page.locator("li.answered p.text")).to_be_visible()
            await page.get_by_role("button", name=leave).click()
            await run.facts.wait_for(lambda fact: isinstance(fact, ChatEnded), after)
            await expect(page.locator("li.turn")).to_have_count(0)
        await page.get_by_label("Admin key").fill(await asyncio.to_thread(KeyStore(run.settings.config).admin_key))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Playground")).to_be_visible()
        assert await page.locator("li.turn").count() == 0
        assert "[[demo" not in await page.locator("aside").inner_text()


async def test_a_key_is_shown_once_works_is_limited_and_can_be_revoked(run: Live, dashboard: Dashboard) -> None:
    page = dashboard.page
    await dashboard.go("setup/keys")
    await page.get_by_role("button", name="New key").click()
    await page.get_by_label("Name").fill("laptop")
    await page.get_by_role("dialog").get_by_text("Limits").click()
    await page.get_by_label("Chats at a time").fill("2")
    await page.get_by_role("button", name="Make it").click()
    key = await page.get_by_role("dialog").locator("pre").inner_text()
    await page.get_by_role("button", name="Done").click()
    assert key not in await page.content()
    client = run.client.with_options(api_key=key)
    assert (await client.models.list()).data
    line = page.locator("li.key-line", has_text="laptop")
    await expect(line).to_contain_text("chats at a time: 2")
    await page.get_by_role("button", name="Limits of laptop").click()
    await page.get_by_label("Chats a day").fill("1")
    await page.get_by_role("button", name="Save").click()
    await expect(line).to_contain_text("chats a day: 0 of 1 · chats at a time: 2")
    asked = client.with_options(max_retries=0).chat.completions
    await asked.create(model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}])
    await expect(line).to_contain_text("chats a day: 1 of 1")
    with pytest.raises(RateLimitError, match="requests_per_day"):
        await asked.create(model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}])
    await dashboard.go("setup/usage")
    await expect(page.get_by_role("row", name=re.compile("^laptop 1 0 "))).to_be_visible()
    await dashboard.go("setup/keys")
    await page.get_by_role("button", name="Revoke laptop").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await dashboard.told("laptop")
    await expect(page.get_by_role("button", name="Revoke laptop")).to_have_count(0)


async def test_what_others_do_to_keys_and_with_the_doctor_is_shown_without_a_reload(
    run: Live, dashboard: Dashboard
) -> None:
    await dashboard.go("setup/keys")
    key, _ = await asyncio.to_thread(KeyStore(run.settings.config).add, "of-a-command", "chat")
    await expect(dashboard.page.get_by_role("button", name="Revoke of-a-command")).to_be_visible()
    await asyncio.to_thread(KeyStore(run.settings.config).revoke, key.id)
    await expect(dashboard.page.get_by_role("button", name="Revoke of-a-command")).to_have_count(0)
    mine = dashboard.page.locator("li.key-line", has_text="used by this session")
    await expect(mine).to_have_count(1)
    await mine.get_by_role("button").click()
    await expect(dashboard.page.get_by_role("dialog")).to_contain_text("revoking it signs you out")
    await dashboard.page.get_by_role("button", name="Cancel").click()
    await dashboard.go("setup/doctor")
    admin = await asyncio.to_thread(KeyStore(run.settings.config).admin_key)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {admin}"}) as http,
        http.post(f"{run.bridge.url}/admin/api/doctor", json={}) as answer,
    ):
        at = (await answer.json())["at"]
    await expect(dashboard.page.locator(f'time[datetime="{at}"]')).to_be_visible()
    await expect(dashboard.page.locator(".check-line").first).to_be_visible()


async def test_setup_shows_what_the_doctor_finds_and_the_settings_with_their_source(
    run: Live, dashboard: Dashboard
) -> None:
    page = dashboard.page
    await dashboard.go("setup/doctor")
    await page.get_by_role("button", name=LOOK).click()
    await dashboard.told("doctor")
    await expect(page.locator(".check-line").first).to_be_visible()
    await dashboard.go("setup/settings")
    await page.get_by_label("Find a setting").fill("server.port")
    await expect(page.locator(".setting-line")).to_contain_text("BRIDGE_SERVER_PORT")
    await dashboard.go("setup/connect")
    for client in ("Open WebUI", "LobeChat", "Cherry Studio", "aider", "opencode", "Cline", "Continue"):
        await page.get_by_role("button", name=client).click()
        await expect(page.locator(".code pre")).to_contain_text(run.bridge.url.rpartition(":")[2])


async def test_the_site_is_checked_from_setup_while_others_look_on_and_a_busy_account_says_so(
    pair: Live, chromium: Chromium, dashboard: Dashboard
) -> None:
    run, page = pair, dashboard.page
    async with opened(chromium, link(run)) as other:
        for one in (dashboard, other):
            await one.go("setup/doctor")
        await page.get_by_role("button", name="Check the site with bob").click()
        await dashboard.told("found no problem")
        for one in (dashboard, other):
            line = one.page.locator("li.site-line", has_text="bob")
            await expect(line.locator(".check-line")).to_have_count(2)
            await expect(line).to_contain_text("composer by placeholder")
            await expect(line).to_contain_text("the page's scripts name all")
        assert [run.account(name).turns for name in ("alice", "bob")] == [[], []]
        await page.get_by_role("link", name="Accounts").click()
        await dashboard.choose("bob", "Pause")
        await dashboard.told("bob")
        chat = await run.stream(LONG)
        await dashboard.go("setup/doctor")
        await page.get_by_role("button", name="Check all").click()
        await dashboard.told("alice is busy with a chat")
        assert await anext(aiter(chat)), "the chat goes on"
        await chat.close()
        assert await dashboard.violations() == []


async def test_the_log_is_narrowed_by_level_and_words_as_it_grows(run: Live, dashboard: Dashboard) -> None:
    page = dashboard.page
    await dashboard.go("log")
    await page.get_by_label("Search the log").fill("chat")
    await run.ask(directive(text="Good."))
    await expect(page.locator(".log-line", has_text="stop").first).to_be_visible()
    await page.get_by_text("Errors", exact=True).click()
    await expect(page.get_by_text("No line matches")).to_be_visible()


async def test_the_charts_and_their_tables_count_every_chat_once_as_they_go_on(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=chromium) as run, signed_in(run, chromium) as dashboard:
        page = dashboard.page
        chart = page.get_by_role("figure", name="Chats by result")
        for _ in range(2):
            await run.ask(directive(text="Good."))
        await dashboard.go("charts")
        await expect(chart.locator(".legend")).to_contain_text("answered 2")
        await run.ask(directive(text="Good."))
        await expect(chart.locator(".legend")).to_contain_text(
            "answered 3", timeout=90_000
        )  # at the latest a minute on
        await chart.get_by_role("button", name="Table").click()
        counted = [int(text) for text in await chart.locator("td").all_inner_texts() if text.isdecimal()]
        assert sum(counted) == 3


@pytest.mark.parametrize(
    ("size", "scheme", "views"),
    [((360, 740), "light", ()), *stress((WIDE, "light", VIEWS), (NARROW, "dark", VIEWS))],
    ids=["smallest", "wide", "narrow"],
)
async def test_axe_finds_nothing_on_any_view_and_nothing_is_wider_than_the_window(
    pair: Live, dashboard: Dashboard, size: tuple[int, int], scheme: Literal["light", "dark"], views: tuple[str, ...]
) -> None:
    """The views are looked at in every state before the stand-in, too; here is what they open."""
    run = pair
    page = dashboard.page
    await show(dashboard, size, scheme)
    await run.ask(directive(text="Good."))
    await dashboard.choose("alice", "Pause")
    await dashboard.told("alice")
    for view in views:
        await dashboard.go(view)
        assert await dashboard.violations() == [], view
        assert await dashboard.overflow() <= 0, view
    await dashboard.go("chats")
    await page.locator("li.chat button").first.click()
    assert await dashboard.violations() == []
    assert await dashboard.overflow() <= 0
    await dashboard.go("accounts")
    await page.locator("#account-alice").click()
    await page.get_by_role("button", name="Add account").click()
    assert await dashboard.violations() == []
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Actions for bob").click()
    assert await dashboard.violations() == []
    await page.goto(f"{run.bridge.url}/dashboard/live?account=bob")
    await page.get_by_role("button", name="Take the controls").click()
    await expect(page.get_by_role("button", name="Give back")).to_be_visible()
    assert await dashboard.violations() == []
    assert await dashboard.overflow() <= 0
    await page.get_by_role("button", name="Give back").click()
    await page.get_by_role("button", name="Take the controls").wait_for()


async def test_the_main_actions_are_done_by_keyboard_alone(run: Live, chromium: Chromium) -> None:
    async with signed_in(run, chromium) as dashboard:
        page, keys = dashboard.page, dashboard.page.keyboard
        await expect(dashboard.account("alice").get_by_text("Ready")).to_be_visible()
        await _tab_to(dashboard, "Actions for alice")
        await keys.press("Enter")
        await expect(page.get_by_role("menuitem").first).to_be_focused()
        while not await page.evaluate("document.activeElement.textContent === 'Pause'"):
            await keys.press("ArrowDown")
        await keys.press("Enter")
        await expect(dashboard.account("alice").get_by_text("Paused")).to_be_visible()
        await _tab_to(dashboard, "Add account")
        await keys.press("Enter")
        await expect(page.get_by_label("Name")).to_be_focused()
        await keys.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.get_by_role("button", name="Add account")).to_be_focused()
        await _tab_to(dashboard, "Chats")
        await keys.press("Enter")
        await expect(page.get_by_role("heading", name="Chats")).to_be_focused()
        await _tab_to(dashboard, "Sign out")
        await keys.press("Space")
        await expect(page.get_by_label("Admin key")).to_be_focused()
        assert run.account().turns == []


async def test_the_theme_follows_the_system_until_one_is_chosen_which_stays(dashboard: Dashboard) -> None:
    page = dashboard.page
    await show(dashboard, WIDE, "dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(colour)
    await page.get_by_role("button", name="Theme: system").click()
    light = await page.evaluate(colour)
    assert light != dark
    await page.reload()
    await expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert await page.evaluate(colour) == light
    for name in ("light", "dark"):  # back to that of the system
        await page.get_by_role("button", name=f"Theme: {name}").click()
    await expect(page.get_by_role("button", name="Theme: system")).to_be_visible()


def _encoded(state: object) -> bytes:
    return json.dumps(state).encode()


async def _fails(run: Live, prompt: str) -> bool:
    """Ask, and tell whether the answer was an error."""
    try:
        await run.ask(prompt)
    except APIError:
        return True
    return False


async def _ask(dashboard: Dashboard, question: str) -> None:
    await dashboard.page.get_by_label("Your question").fill(question)
    await dashboard.page.get_by_role("button", name="Send").click()


async def _new_chat(dashboard: Dashboard) -> None:
    """Begin another chat in the playground, with the options that there are at first."""
    await dashboard.go("playground")
    if await (another := dashboard.page.get_by_role("button", name="New chat")).is_enabled():
        await another.click()
    for switch, is_on in (("Stream", True), ("Reasoning", False), ("Search", False)):
        await dashboard.page.get_by_role("switch", name=switch).set_checked(is_on)


async def _tab_to(dashboard: Dashboard, name: str) -> None:
    """Press Tab until the focus is on what has that name."""
    said = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    for _ in range(60):
        await dashboard.page.keyboard.press("Tab")
        if (await dashboard.page.evaluate(said)).strip().startswith(name):
            return
    pytest.fail(f"Tab leads nowhere to {name}")
