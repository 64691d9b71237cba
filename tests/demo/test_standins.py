"""The stand-ins of other sites refuse and record what no page would send, and their pages are as hard as they say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, Page

from bridge.demo import Script
from bridge.demo.standins import STAND_INS, StandIn


@asynccontextmanager
async def standin_page(browser: Browser, name: str, *, signed_in: bool = True) -> AsyncIterator[tuple[StandIn, Page]]:
    """Open the page of a stand-in."""
    async with StandIn(STAND_INS[name](), rate=0) as site:
        state = site.account().storage_state() if signed_in else None
        async with await browser.new_context(storage_state=state) as context:  # type: ignore[arg-type]
            page = await context.new_page()
            page.set_default_timeout(20_000)
            await page.goto(site.url)
            yield site, page


@pytest.mark.parametrize("name", STAND_INS)
async def test_what_no_page_would_send_is_refused_and_recorded(name: str) -> None:
    wire = STAND_INS[name]()
    async with StandIn(wire) as site, ClientSession() as client:
        home = site.other_url if wire.elsewhere else site.url
        async with client.request(wire.method, home + wire.path.replace("{id}", "1"), json={"prompt": "Hi"}) as sent:
            assert sent.status == 400
        assert [said for said in site.strange if "page" in said]
        assert site.account().turns == site.guest.turns == []


async def test_a_prompt_to_another_origin_needs_a_preflight_and_is_not_taken_by_the_pages_own() -> None:
    async with StandIn(STAND_INS["qianwen"]()) as site, ClientSession() as client:
        async with client.options(site.other_url + site.wire.path) as allowed:
            assert allowed.headers["access-control-allow-origin"] == site.url
        async with client.post(site.url + site.wire.path, json={}) as sent:
            assert sent.status == 404


async def test_the_control_api_steers_a_stand_in_as_it_does_the_demo_site() -> None:
    async with StandIn(STAND_INS["kimi"]()) as site, ClientSession() as client:
        async with client.post(f"{site.url}/__demo__/accounts/alice/faults", json={"name": "busy"}) as switched:
            assert switched.status == 201
        async with client.post(f"{site.url}/__demo__/accounts/alice/faults", json={"name": "no_such"}) as switched:
            assert switched.status == 400


async def test_a_rich_editor_loses_the_tail_of_what_comes_in_two_pieces_and_undoes_what_scripts_write(
    browser: Browser,
) -> None:
    async with standin_page(browser, "kimi") as (site, page):
        box = page.locator(".chat-input-editor")
        await box.evaluate("(node) => { node.textContent = 'written by a script'; }")
        assert not (await box.inner_text()).strip()
        await box.click()
        await page.keyboard.insert_text("a" * 30_000)
        assert len((await box.inner_text()).strip()) == 30_000
        await page.keyboard.insert_text("b" * 10)
        assert len((await box.inner_text()).strip()) == 20_002
        await box.press("Enter")
        await page.locator(".send-button-container").evaluate("(node) => node.click()")
        assert (site.account().turns, site.strange) == ([], [])


async def test_a_button_does_nothing_until_the_page_has_come_alive_and_its_wrapper_never_does(browser: Browser) -> None:
    async with standin_page(browser, "qwen") as (site, page):
        site.account().script(Script(text="Hello."))
        await page.evaluate("localStorage.age_confirmed = 'yes'")
        await page.fill("textarea", "Hi")
        await page.press("textarea", "Enter")
        await page.locator(".message-input-right-button-send").evaluate("(node) => node.click()")
        assert site.account().turns == []
        clicked = "document.querySelector('.send-button').click(), !document.querySelector('textarea').value"
        await page.wait_for_function(f"({clicked})", polling=50)  # the button itself works once the page is alive
        await site.account().wait_for(lambda account: account.turns and account.turns[-1].outcome, timeout=20)
        assert site.account().turns[-1].prompt.startswith("Hi")


async def test_a_login_that_does_not_count_any_more_makes_a_guest_without_a_word(browser: Browser) -> None:
    async with standin_page(browser, "zai") as (site, page):
        await page.locator(".me").wait_for()
        site.account().sign_out()
        await page.reload()
        await page.locator(".sign-in").wait_for()
        assert (await page.evaluate("localStorage.token")).startswith("guest-")
