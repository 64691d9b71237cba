"""The live view in a real browser: people log in, solve what a site asks, watch and take over, by its picture."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from loguru import logger
from playwright.async_api import expect

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.storage.api_keys import KeyStore
from bridge.storage.browser_folders import kept_notice
from bridge.telemetry import WorkerState
from tests.support.live import QUICK_SITE, Live, served
from tests.support.relay import relay
from tests.support.stress import stress
from tests.support.waiting import LIMIT, until
from tests.support.watching import PASSWORD, PHONE, WIDE, account_page, fill_form, login_page, person

ASKING = replace(QUICK_SITE, sign_in_asks=True, oauth=True)
ASKING_PAGE = """
<input id=file type=file style="font-size: 30px">
<p><input id=text value="to be copied">
<p><button id=ask onclick="this.textContent = prompt('<b>Who?</b>', 'me')">Ask</button>
"""
MARKUP = "<img src=x onerror=alert(1)>"
"""What a page has for the title of a window."""
DEVICES = pytest.mark.parametrize("device", [PHONE, *stress(WIDE)], ids=["phone", "wide"])


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

    async def has_ended() -> bool:
        return bool((await call(run, "GET", f"logins/{login}"))["state"] != "waiting")

    await until(has_ended)
    return await call(run, "GET", f"logins/{login}")


@DEVICES
async def test_a_new_account_is_logged_in_by_form_through_the_view_and_answers(
    run: Live, chromium: Chromium, device: dict[str, Any]
) -> None:
    run.account("bob").password = PASSWORD
    begun = await call(run, "POST", "logins", {"name": "second", "site": "deepseek", "url": run.site.url})
    async with person(run, chromium, device) as someone:
        page = await login_page(run, begun["id"])
        await someone.look(login=begun["id"])
        await someone.has_controls()
        await fill_form(someone, page)
        assert (await captured(run, begun["id"]))["state"] == "captured"
        await someone.page.get_by_text("second is logged in").wait_for()
    await run.facts.state("second", WorkerState.READY)
    await run.bridge.pool.pause("alice")
    assert await run.ask("Hello")
    assert [turn.prompt for turn in run.account("bob").turns if turn.kind == "completion"][-1:] == ["Hello"]


async def test_a_second_person_watches_takes_over_and_the_first_one_is_told(run: Live, chromium: Chromium) -> None:
    async with person(run, chromium) as first, person(run, chromium) as second:
        await first.look(account="alice")
        await first.take()
        await second.look(account="alice")
        await second.page.get_by_text("Somebody else has the controls").wait_for()
        composer = account_page(run).locator("textarea").first
        await second.click(composer)
        await second.page.keyboard.type("ignored")
        await first.click(composer)
        await first.type("Hello")
        await first.seen(composer, "Hello")
        await second.page.get_by_role("button", name="Take over", exact=True).click()
        await second.page.get_by_role("dialog").get_by_role("button", name="Take over").click()
        await second.has_controls()
        await first.page.get_by_text("Somebody else has taken the controls").wait_for()
        await second.click(composer)
        await second.type("!")
        await second.seen(composer, "Hello!")
        assert run.bridge.pool.accounts()[0].is_held
        await second.page.get_by_role("button", name="Give back").click()
        await second.page.get_by_text("You are watching").wait_for()
        assert await run.ask("And?")  # the page is as new, without what was typed
        assert account_page(run) is not composer.page


async def test_a_view_follows_its_account_to_another_name_comes_back_under_it_and_says_when_it_is_removed(
    run: Live, chromium: Chromium
) -> None:
    async with person(run, chromium, WIDE) as someone:
        page, closed = someone.page, asyncio.Event()
        page.on("websocket", lambda socket: socket.on("close", lambda _: closed.set()))
        await someone.look(account="alice")
        await expect(page.locator("#name")).to_have_text("alice")
        await run.bridge.pool.rename("alice", "carol")
        await expect(page.locator("#name")).to_have_text("carol")
        await expect(page).to_have_url(re.compile(r"\?account=carol$"))
        await expect(page.locator("#standing")).to_have_text("ready")
        await someone.take()
        await expect(page.get_by_role("button", name="Give back")).to_be_visible()
        assert not closed.is_set(), "the connection has held"
        await page.get_by_role("button", name="Give back").click()
        await page.reload()
        await expect(page.locator("#name")).to_have_text("carol")
        await page.get_by_role("button", name="Take the controls").wait_for()
        await run.bridge.pool.remove("carol")
        await expect(page.get_by_text("This account is not here any more: it was removed.")).to_be_visible()
        await page.get_by_role("button", name="Take the controls").wait_for(state="hidden")


async def test_a_view_of_nothing_and_one_whose_connection_is_lost_say_so_on_a_phone_too(
    run: Live, chromium: Chromium
) -> None:
    async with relay(run.bridge.url) as way, person(run, chromium, PHONE) as someone:
        await someone.look(account="nobody")
        await someone.page.get_by_text("There is no account 'nobody' here.").wait_for()
        await someone.page.get_by_role("link", name="To the dashboard").last.wait_for()
        path = run.bridge.sign_in_path()
        assert path is not None
        await someone.page.goto(f"{way.url}/dashboard/live?account=alice#{path.partition('#')[2]}")
        await someone.take()
        way.sever()
        await someone.page.get_by_text("Connection lost, trying again").wait_for()
        await way.mend()
        await someone.has_controls()
        await someone.page.get_by_text("Connection lost, trying again").wait_for(state="hidden")
        someone.complaints.clear()  # the browser's own, of the connection


async def test_dialogs_files_the_selection_and_the_windows_of_a_page_come_to_the_person(
    run: Live, chromium: Chromium
) -> None:
    async with person(run, chromium) as someone:
        await someone.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await someone.look(account="alice")
        await someone.take()
        page, seen = account_page(run), someone.page.get_by_role("dialog")
        await page.evaluate("html => document.body.innerHTML = html", ASKING_PAGE)
        await someone.click(page.locator("#ask"))
        await seen.get_by_text("<b>Who?</b>").wait_for()
        await seen.get_by_label("Answer").fill("Zoë")
        await seen.get_by_role("button", name="OK").click()
        await page.get_by_role("button", name="Zoë").wait_for()
        await someone.click(page.locator("#file"))
        content = bytes(range(256)) * 2000
        await seen.locator("input").set_input_files({"name": "päper.bin", "mimeType": "image/png", "buffer": content})
        await seen.get_by_role("button", name="Send").click()
        await page.wait_for_function("document.getElementById('file').files.length")
        file = await page.evaluate("(async f => [f.name, f.type, f.size])(document.getElementById('file').files[0])")
        assert file == ["päper.bin", "image/png", len(content)]
        await someone.click(page.locator("#text"))
        await someone.page.keyboard.press("Control+a")
        await someone.page.keyboard.press("Control+c")
        await someone.page.get_by_text("Copied.").wait_for()
        assert await someone.page.evaluate("navigator.clipboard.readText()") == "to be copied"
        await page.evaluate("title => void (window.open('about:blank').document.title = title)", MARKUP)
        await expect(someone.page.locator("#tabs")).to_contain_text(MARKUP)
        assert await someone.page.locator("img[src=x]").count() == 0


async def test_composed_text_and_dead_keys_arrive_as_they_were_meant_and_nothing_that_is_typed_is_logged(
    run: Live, chromium: Chromium
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level=0, serialize=True)
    async with person(run, chromium) as someone:
        await someone.look(account="alice")
        await someone.take()
        composer = account_page(run).locator("textarea").first
        await someone.click(composer)
        line = await someone.page.context.new_cdp_session(someone.page)
        for text in ("n", "ni", "你"):
            await line.send("Input.imeSetComposition", {"text": text, "selectionStart": 1, "selectionEnd": 1})
        await someone.seen(composer, "你")
        await line.send("Input.insertText", {"text": "你好"})
        await someone.seen(composer, "你好")
        await line.send("Input.insertText", {"text": "é"})  # as a dead key and a letter do
        await someone.page.keyboard.press("Backspace")
        await someone.page.keyboard.type("a b")
        await someone.seen(composer, "你好a b")
        await someone.paste("Passwort")
        await someone.type("Qzx")
        await someone.seen(composer, "你好a bPasswortQzx")
    logger.remove(sink)
    told = "".join(lines)
    assert "held by a person" in told
    assert [word for word in ("你", "Passwort", "Qzx") if word in told] == []


async def test_a_websocket_of_another_site_or_without_a_session_is_refused(run: Live) -> None:
    path = f"{run.bridge.url}/admin/api/live/account/alice"
    bearer, own = {"Authorization": f"Bearer {admin_key(run)}"}, {"Origin": run.bridge.url}
    token = str(run.bridge.sign_in_path()).partition("#sign-in=")[2]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        for headers, status in [
            ({}, 401),
            (own, 401),
            ({"Authorization": f"Bearer {run.key}", **own}, 403),
            ({**bearer, "Origin": "https://evil.example"}, 403),
            ({**bearer, "Origin": "null"}, 403),
        ]:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(path, headers=headers)
            assert refused.value.status == status, headers
        async with http.post(f"{run.bridge.url}/admin/api/session", json={"token": token}) as session:
            csrf = (await session.json())["csrf"]
        for headers in ({}, {"Origin": "https://evil.example"}, {**own, "Sec-Fetch-Site": "cross-site"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(path, headers=headers)
            assert refused.value.status == 403, headers
        async with http.ws_connect(path, headers=bearer) as script, http.ws_connect(path, headers=own) as socket:
            assert "state" in (await script.receive(LIMIT)).data
            assert "state" in (await socket.receive(LIMIT)).data
            await socket.send_str("{}")
            while (told := await socket.receive(LIMIT)).type is not aiohttp.WSMsgType.CLOSE:
                pass
            assert told.data == aiohttp.WSCloseCode.POLICY_VIOLATION
        async with http.ws_connect(path, headers=own) as socket:
            async with http.delete(f"{run.bridge.url}/admin/api/session", headers={"X-CSRF-Token": csrf}) as out:
                assert out.status == 200
            while (told := await socket.receive(LIMIT)).type is not aiohttp.WSMsgType.CLOSE:
                pass  # who signs out sees no more


async def test_a_login_that_is_given_up_stores_nothing_and_logins_are_limited(run: Live) -> None:
    begun = await call(run, "POST", "logins", {"name": "second", "site": "deepseek", "url": run.site.url})
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {admin_key(run)}"}) as http:
        for body, status in [
            ({"name": "second", "site": "deepseek", "url": run.site.url}, 409),
            ({"name": "../x", "site": "deepseek"}, 400),
            ({"name": "x", "site": "nowhere"}, 400),
            ({"name": "x", "site": "deepseek", "url": "file:///etc"}, 400),
            ({"name": "alice", "site": "deepseek", "url": "https://chat.deepseek.com"}, 400),
        ]:
            async with http.post(f"{run.bridge.url}/admin/api/logins", json=body) as answer:
                assert answer.status == status, (body, await answer.text())
        async with http.get(f"{run.bridge.url}/admin/api/logins/none") as answer:
            assert answer.status == 404
    await login_page(run, begun["id"])
    ended = await call(run, "DELETE", f"logins/{begun['id']}")
    assert (ended["state"], ended["name"]) == ("failed", "second")
    assert [one.name for one in run.bridge.pool.accounts()] == ["alice"]


@pytest.mark.browser
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
        notice = kept_notice(run.settings.folders.browsers)
        assert notice in ended["message"], "it is said that the folder is not encrypted"
        assert len(list(run.settings.folders.browsers.iterdir())) == 1
        assert await run.ask("Hello")
