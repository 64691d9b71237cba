"""A real Chromium on the page: what it shows and what the site records agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from playwright.async_api import Browser, Page, expect

from bridge.demo import Account, DemoSite, Script

from .browsing import ask, signed_in_page
from .conftest import QUICK

ANSWER = ".ds-assistant-message-main-content"
SEND = ".ds-button--primary.ds-button--circle"


def ended(number: int) -> Callable[[object], bool]:
    """Tell whether the turn with this number has ended."""
    return lambda account: len(account.turns) >= number and bool(account.turns[number - 1].outcome)  # type: ignore[attr-defined]


async def test_somebody_signs_in_by_the_form_and_chats(browser: Browser, site: DemoSite, account: Account) -> None:
    account.script(Script(text="Hello **there**, 世界 🚀"))
    async with await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(site.url)
        await expect(page).to_have_url(f"{site.url}/sign_in")
        await page.fill("input[autocomplete=username]", account.email)
        await page.fill("input[type=password]", "wrong")
        await page.get_by_role("button", name="Log in", exact=True).click()
        await expect(page.get_by_role("alert")).to_have_text("Incorrect email or password. Please try again.")
        await page.fill("input[type=password]", account.password)
        await page.get_by_role("button", name="Log in", exact=True).click()
        await ask(page, "hi")
        await expect(page.locator(ANSWER)).to_have_text("Hello there, 世界 🚀")
        await account.wait_for(ended(1))
        turn = account.turns[0]
        assert page.url == f"{site.url}/a/chat/s/{turn.conversation}"
        await page.locator(".ds-virtual-list").wait_for()
    assert (turn.prompt, turn.sent_text, turn.outcome) == ("hi", "Hello **there**, 世界 🚀", "finished")
    assert "ds_session_id" in turn.cookies
    assert account.token


async def test_the_next_turn_names_its_parent_and_no_model(page: Page, account: Account) -> None:
    await ask(page, "one")
    await account.wait_for(ended(1))
    await ask(page, "two")
    await account.wait_for(ended(2))
    first, second = account.turns
    assert (first.parent, first.model_type) == (None, "default")
    assert (second.parent, second.model_type) == (2, None)
    assert second.conversation == first.conversation


async def test_thinking_and_answer_are_shown_apart(page: Page, account: Account) -> None:
    account.script(Script(text="The answer.", thinking="A thought."))
    await page.get_by_role("button", name="DeepThink").click()
    await ask(page, "think")
    await expect(page.locator(ANSWER)).to_have_text("The answer.")
    await expect(page.locator(".ds-think-content")).to_have_text("A thought.")
    turn = account.turns[0]
    assert turn.thinking_enabled
    assert (turn.sent_thinking, turn.sent_text) == ("A thought.", "The answer.")


async def test_a_searched_answer_cites_its_pages(page: Page, account: Account) -> None:
    pages = ({"url": "https://one.example/", "title": "One"}, {"url": "https://two.example/", "title": "Two"})
    for number, style in enumerate(("citation", "reference")):
        account.script(Script(text="See:", results=pages, citations=style))
        if style == "reference":
            await page.get_by_role("button", name="DeepThink").click()
        await ask(page, "look it up")
        cited = page.locator(ANSWER).nth(number).locator("a")
        await expect(cited).to_have_text(["1", "2"])
        links = await cited.evaluate_all("links => links.map(a => a.href)")
        assert links == ["https://one.example/", "https://two.example/"]
    assert [turn.thinking_enabled for turn in account.turns] == [False, True]


async def test_the_stop_button_ends_the_answer(page: Page, account: Account) -> None:
    account.script(Script(tokens=5000, rate=50))
    await ask(page, "talk")
    await expect(page.locator(ANSWER)).to_contain_text("word3")
    await page.locator(SEND).click()
    await account.wait_for(ended(1))
    assert account.turns[0].outcome == "stopped"
    await expect(page.get_by_text("Continue")).to_be_visible()
    assert not account.generating


async def test_a_closed_page_ends_the_answer_and_frees_the_account(
    browser: Browser, site: DemoSite, account: Account
) -> None:
    account.script(Script(tokens=5000, rate=50))
    async with signed_in_page(browser, site, account) as page:
        await ask(page, "talk")
        await expect(page.locator(ANSWER)).to_contain_text("word1")
    await account.wait_for(ended(1))
    assert account.turns[0].outcome == "disconnected"
    assert not account.generating


async def test_an_account_speaks_once_at_a_time(browser: Browser, site: DemoSite, account: Account, page: Page) -> None:
    account.script(Script(tokens=5000, rate=50))
    await ask(page, "talk")
    await account.wait_for(lambda a: a.generating)
    async with signed_in_page(browser, site, account) as second:
        await ask(second, "me too")
        await expect(second.get_by_role("alert")).to_have_text("A message is being generated.")
    assert account.turns[1].outcome == "refused:biz-9"
    assert account.max_parallel == 2


async def test_a_stream_cut_at_random_bytes_reads_the_same(page: Page, account: Account) -> None:
    for seed in (1, 2, 3):
        text = f"汉字 🚀 und so weiter, {seed} " * 20
        account.script(Script(text=text, cut=seed))
        await ask(page, "cut")
        await expect(page.locator(ANSWER).last).to_have_text(text.strip())
        assert account.turns[-1].sent_text == text


async def test_a_new_chat_goes_home_without_a_reload(page: Page, site: DemoSite, account: Account) -> None:
    await ask(page, "one")
    await account.wait_for(ended(1))
    await expect(page.get_by_role("radiogroup")).to_have_count(0)
    await page.evaluate("window.stayed = true")
    await page.get_by_text("New chat", exact=True).click()
    await expect(page).to_have_url(f"{site.url}/")
    await expect(page.get_by_role("radiogroup")).to_be_visible()
    assert await page.evaluate("window.stayed")
    assert await page.locator(".ds-message").count() == 0


async def test_a_conversation_can_be_opened_again(page: Page, site: DemoSite, account: Account) -> None:
    account.script(Script(text="Remember me."))
    await ask(page, "one")
    await account.wait_for(ended(1))
    await page.goto(site.url)
    await page.locator('a[href^="/a/chat/s/"]').click()
    await expect(page.locator(ANSWER)).to_have_text("Remember me.")
    keys = await page.locator("[data-virtual-list-item-key]").evaluate_all(
        "rows => rows.map(r => r.dataset.virtualListItemKey)"
    )
    assert keys == ["1", "2"]


async def test_only_a_trusted_enter_sends_and_shift_makes_a_new_line(page: Page, account: Account) -> None:
    box = page.get_by_placeholder("DeepSeek")
    await box.fill("hello")
    await box.dispatch_event("keydown", {"key": "Enter"})
    await box.press("Shift+Enter")
    assert await box.input_value() == "hello\n"
    assert account.turns == []


async def test_a_value_set_behind_the_back_of_the_page_is_not_noticed(page: Page) -> None:
    box = page.get_by_placeholder("DeepSeek")
    event = "el.dispatchEvent(new Event('input', { bubbles: true }))"
    await box.evaluate(f"el => {{ el.value = 'unseen'; {event}; }}")
    await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "true")
    setter = "Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set"
    await box.evaluate(f"el => {{ {setter}.call(el, 'seen'); {event}; }}")
    await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "false")


async def test_logging_out_leads_to_the_form(page: Page, site: DemoSite, account: Account) -> None:
    await page.locator('img[src*="user-avatar"]').click()
    await page.get_by_text("Log out").click()
    await expect(page).to_have_url(f"{site.url}/sign_in")
    assert account.token == ""


async def test_several_accounts_answer_side_by_side(browser: Browser, site: DemoSite) -> None:
    alice, bob = site.account("alice"), site.account("bob")
    async with signed_in_page(browser, site, alice) as one, signed_in_page(browser, site, bob) as two:
        await asyncio.gather(ask(one, "a"), ask(two, "b"))
        for account in (alice, bob):
            await account.wait_for(ended(1))
    assert [account.turns[0].prompt for account in (alice, bob)] == ["a", "b"]


async def test_a_prompt_arrives_as_it_was_written(page: Page, account: Account) -> None:
    prompt = "\n".join(f"line {n} 汉字 🚀 \t'\"<b>" for n in range(3000))
    account.script(Script(text="Yes."))
    setter = "Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set"
    event = "el.dispatchEvent(new Event('input', { bubbles: true }))"
    box = page.get_by_placeholder("DeepSeek")
    await box.evaluate(f"(el, text) => {{ {setter}.call(el, text); {event}; }}", prompt)
    await box.press("Enter")
    await account.wait_for(ended(1))
    assert account.turns[0].prompt == prompt


async def test_a_second_prompt_has_to_wait_for_the_answer(page: Page, account: Account) -> None:
    account.script(Script(tokens=5000, rate=50))
    await ask(page, "one")
    await expect(page.locator(ANSWER)).to_contain_text("word1")
    await ask(page, "two", while_it_writes=True)
    await expect(page.get_by_role("alert")).to_have_text("A message is being generated.")
    assert await page.get_by_placeholder("DeepSeek").input_value() == "two"
    assert len(account.turns) == 1


async def test_new_rows_have_negative_keys_until_the_answer_is_complete(page: Page, account: Account) -> None:
    rows = page.locator("[data-virtual-list-item-key]")
    keys = "rows => rows.map(r => r.dataset.virtualListItemKey)"
    account.script(Script(tokens=5000, rate=50))
    await ask(page, "one")
    await expect(page.locator(ANSWER)).to_contain_text("word1")
    assert await rows.evaluate_all(keys) == ["-1", "-2"]
    assert await rows.last.locator("[class*=ds-button]").count() == 0
    await page.locator(SEND).click()
    await expect(rows.last.locator("> .ds-flex [class*=ds-button]")).to_have_count(15)
    assert await rows.evaluate_all(keys) == ["1", "2"]


async def test_old_rows_leave_the_document_in_a_long_chat(page: Page, account: Account) -> None:
    messages = page.locator(".ds-message")
    for number in range(1, 7):
        account.script(Script(text="A paragraph.\n\n" * 15))
        await ask(page, f"prompt {number}")
        await account.wait_for(ended(number))
        await expect(messages.filter(has_text=f"prompt {number}")).to_be_visible()
    await expect(messages.filter(has_text="prompt 1")).to_have_count(0)
    assert await messages.count() < 12
    await page.locator(".ds-virtual-list").evaluate("list => list.scrollTo(0, 0)")
    await expect(messages.filter(has_text="prompt 1")).to_be_visible()


async def test_the_other_markup_and_language_have_the_same_roles(browser: Browser) -> None:
    settings = replace(QUICK, lang="zh", markup="hashed")
    async with DemoSite(settings) as site, signed_in_page(browser, site, site.account("alice")) as page:
        alice = site.account("alice")
        alice.script(Script(text="好的", thinking="嗯"))
        await page.get_by_role("button", name="深度思考").click()
        await page.get_by_placeholder("给 DeepSeek 发送消息").fill("你好")
        await page.get_by_placeholder("给 DeepSeek 发送消息").press("Enter")
        await expect(page.locator("[data-virtual-list-item-key='2']")).to_contain_text("已思考")
        assert await page.locator("[class*='ds-']").count() == 0
        assert (alice.turns[0].sent_thinking, alice.turns[0].sent_text) == ("嗯", "好的")


async def test_class_names_change_with_each_start(browser: Browser) -> None:
    names = set()
    for _ in range(2):
        async with DemoSite(QUICK) as site, signed_in_page(browser, site, site.account("alice")) as page:
            classes = await page.locator(SEND).get_attribute("class")
            names.add((classes or "").split()[-1])
    assert len(names) == 2


async def test_the_chosen_model_is_asked_and_has_its_own_tools(page: Page, account: Account) -> None:
    await page.get_by_role("radio", name="Expert").click()
    await expect(page.get_by_role("button", name="Search")).to_be_hidden()
    await ask(page, "hard")
    await account.wait_for(ended(1))
    turn = account.turns[0]
    assert (turn.model_type, turn.search_enabled) == ("expert", False)


async def test_the_composer_is_deaf_for_a_while_after_it_appears(browser: Browser) -> None:
    async with (
        DemoSite(replace(QUICK, settle=(600, 600))) as site,
        signed_in_page(browser, site, site.account("alice")) as page,
    ):
        await ask(page, "hello")
        await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "false")
        assert await page.get_by_placeholder("DeepSeek").input_value() == "hello"
        assert site.account("alice").turns == []


async def test_a_toggle_shows_an_old_state_for_a_while(browser: Browser) -> None:
    async with (
        DemoSite(replace(QUICK, toggle_settle=(600, 600))) as site,
        signed_in_page(browser, site, site.account("alice")) as page,
    ):
        think = page.get_by_role("button", name="DeepThink")
        await think.click()
        await expect(think).to_have_attribute("aria-pressed", "false")
        await ask(page, "think")
        await site.account("alice").wait_for(ended(1))
        assert site.account("alice").turns[0].thinking_enabled


async def test_a_refused_prompt_can_be_sent_again(page: Page, account: Account) -> None:
    account.fault("rate_limit_reached")
    await ask(page, "please")
    await page.get_by_role("button", name="Retry").click()
    await account.wait_for(ended(2))
    assert [turn.outcome for turn in account.turns] == ["hint:rate_limit_reached", "finished"]
    await expect(page.locator(".ds-message")).to_have_count(2)


async def test_an_earlier_prompt_can_be_edited_in_a_box_before_the_composer(page: Page, account: Account) -> None:
    await ask(page, "first")
    await account.wait_for(ended(1))
    await page.locator("[data-virtual-list-item-key='1']").hover()
    await page.locator("[data-virtual-list-item-key='1'] [role=button]").nth(1).click()
    boxes = page.locator("textarea")
    assert await boxes.evaluate_all("all => all.map(t => t.closest('.ds-textarea') !== null)") == [True, False]
    await boxes.first.fill("second")
    await page.get_by_role("button", name="Send").click()
    await account.wait_for(ended(2))
    assert (account.turns[1].kind, account.turns[1].prompt) == ("edit_message", "second")
    await expect(page.locator(ANSWER)).to_contain_text("second")


async def test_an_answer_can_be_written_again(page: Page, account: Account) -> None:
    await ask(page, "once")
    await account.wait_for(ended(1))
    account.script(Script(text="Differently."))
    await page.locator("[data-virtual-list-item-key='2'] > .ds-flex [role=button]").nth(1).click()
    await expect(page.locator(ANSWER)).to_have_text("Differently.")
    assert account.turns[1].kind == "regenerate"


async def test_a_conversation_can_be_deleted(page: Page, site: DemoSite, account: Account) -> None:
    await ask(page, "forget me")
    await account.wait_for(ended(1))
    row = page.locator('a[href^="/a/chat/s/"]')
    await row.hover()
    await row.get_by_role("button").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page).to_have_url(f"{site.url}/")
    await expect(row).to_have_count(0)
    assert account.conversations == {}


async def test_the_site_closes_quickly_under_an_open_page(browser: Browser) -> None:
    site = DemoSite(QUICK)
    async with site, signed_in_page(browser, site, site.account("alice")) as page:
        await ask(page, '[[demo {"tokens": 100000, "rate": 50}]]')
        await expect(page.locator(ANSWER)).to_contain_text("word1")
        async with asyncio.timeout(30):
            await site.__aexit__(None, None, None)


async def test_the_heavy_page_draws_markdown_with_its_code_below_a_long_conversation(browser: Browser) -> None:
    async with DemoSite(replace(QUICK, page="heavy")) as site:
        account = site.account("alice")
        account.script(Script(text="# One\n\n- *two*\n\n```python\nreturn 3  # four\n```\n\nfive **six**", cut=1))
        async with signed_in_page(browser, site, account) as page:
            await ask(page, "hi")
            await expect(page.locator(f"{ANSWER} li em")).to_have_text("two")
            await expect(page.locator(f"{ANSWER} pre span")).to_have_text(["return", "3", "# four"])
            await expect(page.locator(f"{ANSWER} > :last-child")).to_have_text("five six")
            await account.wait_for(ended(1))
            await expect(page.locator(".ds-markdown h2")).to_have_count(60)
            await ask(page, "[[demo " + '{"tokens": 400, "rate": 0, "markdown": true}]]')
            await account.wait_for(ended(2))
            drawn = page.locator(ANSWER).nth(1)
            await expect(drawn).to_contain_text("word399")
            assert [await drawn.locator(tag).count() > 1 for tag in ("h2", "ol", "pre", "strong")] == [True] * 4
        assert [turn.outcome for turn in account.turns] == ["finished", "finished"]


async def test_the_heavy_page_stops_and_takes_up_an_answer_whose_connection_broke(browser: Browser) -> None:
    async with DemoSite(replace(QUICK, page="heavy", rate=20)) as site:
        account = site.account("alice")
        account.script(Script(tokens=5000))
        account.script(Script(tokens=5000, fault="unattended"))
        async with signed_in_page(browser, site, account) as page:
            await ask(page, "hi")
            await expect(page.locator(ANSWER)).to_contain_text("word1")
            await page.locator(SEND).click()
            await account.wait_for(ended(1))
            await ask(page, "again")
            answer = page.locator(ANSWER).nth(1)
            await expect(answer).to_contain_text("word1")  # so the page knows the answer that it is to take up
            site.cut()
            await account.wait_for(lambda account: len(account.turns[1].streams) == 2, timeout=60)
            words = len(account.turns[1].sent_text.split())
            await expect(answer).to_contain_text(f"word{words + 1}")
        assert account.turns[0].outcome == "stopped"
        assert account.turns[1].streams == ["completion", "resume_stream"]
