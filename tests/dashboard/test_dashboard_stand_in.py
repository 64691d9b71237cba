"""The dashboard before a stand-in that tells of what a real bridge seldom shows: every state, and very much of it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import expect

from bridge.browser.browser import Chromium
from bridge.dashboard import STATIC
from tests.support import dashboard_states as states
from tests.support.dashboard_pages import NARROW, VIEWS, WIDE, Dashboard, opened
from tests.support.dashboard_server import Stand, stand_in
from tests.support.stress import stress

ROOT = Path(__file__).parents[2]
WATCH = """() => {
  window.changed = new Set();
  new MutationObserver((all) => all.forEach(({ target }) => {
    const element = target.nodeType === 1 ? target : target.parentElement;
    const row = element?.closest("li.account, .log-line, .log");
    if (row && !element.closest("time, .elapsed, .thumbnail")) window.changed.add(row);
  })).observe(document.querySelector("main"), {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
}"""
"""What is drawn anew from now on, but for what counts time and the pictures of pages."""
HIDEABLE = """
  window.hidden = false;
  Object.defineProperty(document, "visibilityState", { get: () => (window.hidden ? "hidden" : "visible") });
  window.hide = (hidden) => {
    window.hidden = hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  };
"""
"""Lets a test hide a page as another tab before it does: a browser without windows never does."""
CLUSTER = ("accounts", "nodes", "chats", "setup/usage")
"""The views that show more where there are several nodes; on some others the node is only named."""
Front = Callable[..., AbstractAsyncContextManager[tuple[Stand, Dashboard]]]
CHANGED = "[...window.changed].map((row) => row.getAttribute('aria-labelledby') ?? row.className)"


@pytest.fixture(scope="module")
async def shared(chromium: Chromium) -> AsyncGenerator[tuple[Stand, Dashboard]]:
    """The stand-in and a page, for all tests: most of what it takes to show the dashboard is to load its files."""
    async with stand_in(states.empty()) as stand, opened(chromium, "about:blank") as dashboard:
        dashboard.origin = stand.url
        yield stand, dashboard


@pytest.fixture
def front(shared: tuple[Stand, Dashboard]) -> Front:
    """A page that is loaded anew before a stand-in of this state."""
    stand, dashboard = shared
    page = dashboard.page

    @asynccontextmanager
    async def begun(
        state: dict[str, Any],
        view: str = "",
        *,
        size: tuple[int, int] = WIDE,
        scheme: Literal["light", "dark"] = "light",
        log: asyncio.Future[list[dict[str, Any]]] | None = None,
    ) -> AsyncGenerator[tuple[Stand, Dashboard]]:
        await page.goto("about:blank")
        stand.begin(state)
        stand.log = log
        dashboard.forget()
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.emulate_media(color_scheme=scheme)
        await page.goto(f"{stand.url}/dashboard{view}")
        try:
            yield stand, dashboard
        finally:
            await page.unroute_all()
        dashboard.check()

    return begun


@pytest.mark.parametrize(
    ("size", "scheme"),
    [((360, 740), "dark"), *stress((WIDE, "dark"), (NARROW, "light"))],
    ids=["smallest", "wide", "narrow"],
)
async def test_axe_finds_nothing_in_any_state_of_accounts_and_chats(
    front: Front, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    async with front(states.short(), size=size, scheme=scheme) as (_, dashboard):
        for view in VIEWS:
            await dashboard.go(view)
            assert await dashboard.violations() == [], view
            assert await dashboard.overflow() <= 0, view
        await dashboard.go("charts")
        for _ in range(6):
            await dashboard.page.get_by_role("button", name="Table of").first.click()
        assert await dashboard.violations() == []


@pytest.mark.parametrize("size", [NARROW, pytest.param(WIDE, marks=pytest.mark.stress)], ids=["narrow", "wide"])
async def test_an_empty_bridge_says_on_every_view_what_to_do(front: Front, size: tuple[int, int]) -> None:
    async with front(states.empty(), size=size) as (_, dashboard):
        words = ("No account yet", "No chat yet", "No figures yet", "Ask something", "No line yet")
        for view, text in zip(VIEWS, words, strict=False):
            await dashboard.go(view)
            await expect(dashboard.page.get_by_role("heading", name=text)).to_be_visible()
            assert await dashboard.violations() == [], view
        await dashboard.go("setup/keys")
        await expect(dashboard.page.get_by_role("heading", name="No key yet")).to_be_visible()


@pytest.mark.parametrize(
    ("size", "scheme", "views"),
    [(WIDE, "light", CLUSTER), *stress((NARROW, "dark", (*CLUSTER, "charts", "log", "setup/doctor")))],
    ids=["wide", "narrow"],
)
async def test_a_node_of_a_cluster_shows_where_accounts_are_and_drains_nodes(
    front: Front, size: tuple[int, int], scheme: Literal["light", "dark"], views: tuple[str, ...]
) -> None:
    state = states.cluster()
    state["cluster"]["nodes"].append(states.node("x" * 64, leaving="stopping", accounts=0, ready=0, busy=0))
    state["accounts"][1]["node"] = "x" * 64
    async with front(state, size=size, scheme=scheme) as (_, dashboard):
        page = dashboard.page
        await expect(dashboard.account("alice")).to_contain_text("on berlin")
        await page.get_by_role("button", name="Actions for alice").click()
        assert await page.get_by_role("menuitem", name="Rename").count() == 0
        await page.keyboard.press("Escape")
        for view in views:
            await dashboard.go(view)
            assert await dashboard.violations() == [], view
            assert await dashboard.overflow() <= 0, view
        await dashboard.go("chats")
        await expect(page.get_by_text("on alice at berlin")).to_be_visible()
        await expect(page.get_by_text("The chats of rome are not shown: no answer now.")).to_be_visible()
        await dashboard.go("setup/usage")
        await expect(page.get_by_text("Not in these sums: what rome recorded; no answer now.")).to_be_visible()
        await dashboard.go("nodes")
        await expect(page.get_by_role("listitem").filter(has_text="rome")).to_contain_text("Clock 3,600 seconds behind")
        assert await page.get_by_text("Clock").count() == 1
        await expect(page.get_by_text("One account is on no node: oscar")).to_be_visible()
        await page.get_by_role("button", name="Drain rome").click()
        await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        await dashboard.told("Done.")
        await page.get_by_role("button", name="Undo the drain of paris").click()
        await dashboard.told("Done.")


async def test_a_bridge_that_is_alone_shows_nothing_of_nodes(front: Front) -> None:
    async with front(states.short(), "#nodes") as (_, dashboard):
        await expect(dashboard.page.get_by_role("heading", name="No other node")).to_be_visible()
        assert await dashboard.page.get_by_role("link", name="Nodes").count() == 0
        await dashboard.go("accounts")
        assert await dashboard.page.get_by_text("on berlin").count() == 0


async def test_markup_in_reasons_drift_log_and_texts_stays_text(front: Front) -> None:
    state = states.short()
    state["accounts"][0]["reason"] = state["bridge"]["reason"] = states.MARKUP
    state["accounts"][1]["last_error"] = {"at": states.at(seconds=1), "code": "x", "message": states.MARKUP}
    async with front(state) as (_, dashboard):
        page = dashboard.page
        await page.locator("#account-bob").click()
        for view in ("accounts", "chats", "log"):
            await dashboard.go(view)
            for row in await page.locator("li.chat button.disclose").all():
                await row.click()
            await expect(page.get_by_text(states.MARKUP).first).to_be_visible()
            assert await page.locator("#app img[src=x], #app script").count() == 0


async def test_what_changes_in_one_of_a_hundred_accounts_draws_that_row_alone(front: Front) -> None:
    state = states.crowd()
    async with front(state) as (stand, dashboard):
        page = dashboard.page
        await expect(page.locator("li.account")).to_have_count(100)
        await page.evaluate(WATCH)
        stand.tell("state", {"accounts": [_paused(one, "account-042") for one in state["accounts"]]})
        await expect(dashboard.account("account-042").get_by_text("Paused")).to_be_visible()
        assert await page.evaluate(CHANGED) == ["account-account-042"]


async def test_a_long_log_takes_one_line_more_without_drawing_the_others(front: Front) -> None:
    async with front(states.crowd(), "#log") as (stand, dashboard):
        page = dashboard.page
        await expect(page.locator(".log-line")).to_have_count(1000)
        await page.evaluate(WATCH)
        stand.tell("log", {"at": states.at(), "level": "INFO", "text": "One more line " + "x" * 100_000})
        await expect(page.get_by_text("One more line")).to_be_in_viewport()
        await expect(page.locator(".log-line")).to_have_count(1000)
        assert set(await page.evaluate(CHANGED)) == {"card log"}
        assert len(await page.get_by_text("One more line").inner_text()) < 5000


async def test_a_line_of_the_log_that_comes_before_the_earlier_ones_were_answered_stays(front: Front) -> None:
    state = states.state()
    log = asyncio.get_running_loop().create_future()
    async with front(state, "#log", log=log) as (stand, dashboard):
        last = state["log"][-1]
        await expect(dashboard.page.locator(".log-line")).to_have_count(200)
        stand.tell("log", {**last, "text": "In the same millisecond"})
        await expect(dashboard.page.get_by_text("In the same millisecond")).to_be_visible()
        log.set_result([{**last, "at": states.at(hours=1), "text": "An earlier line"}, *state["log"]])
        await expect(dashboard.page.get_by_text("An earlier line")).to_be_attached()
        await expect(dashboard.page.get_by_text("In the same millisecond")).to_be_in_viewport()


async def test_more_pages_than_a_browser_has_connections_all_follow_the_bridge(chromium: Chromium) -> None:
    state = {**states.state(), "accounts": states.accounts()[:3]}
    async with stand_in(state) as stand, opened(chromium, "about:blank") as dashboard:
        context = dashboard.page.context
        dashboard.origin = stand.url
        await context.add_init_script(HIDEABLE)
        pages = [dashboard.page]
        for _ in range(7):  # as tabs, of which one is seen
            await pages[-1].evaluate("window.hide?.(true)")
            pages.append(await context.new_page())
            await pages[-1].goto(f"{stand.url}/dashboard")
            await expect(pages[-1].locator("li.account")).to_have_count(3)
        stand.state["accounts"] = states.accounts()[:2]
        await pages[-1].evaluate("hide(true)")
        await pages[1].evaluate("hide(false)")
        await expect(pages[1].locator("li.account")).to_have_count(2)
        await expect(pages[1].get_by_text("Connection lost.")).to_have_count(0)


async def test_chats_that_end_within_one_second_stay_in_the_order_of_their_ends(front: Front) -> None:
    async with front(states.empty(), "#chats") as (stand, dashboard):
        await expect(dashboard.page.get_by_text("No chat yet")).to_be_visible()
        models = dashboard.page.locator("li.chat .chat-model")
        for number in range(6):
            stand.tell("chat", {**states.ended(number), "at": states.at(), "model": f"model-{number}"})
        await expect(models).to_have_text([f"model-{n}" for n in range(5, -1, -1)])
        for number in range(6, 400):  # a page that is open for long does not grow without end
            stand.tell("chat", {**states.ended(number), "at": states.at(), "model": f"model-{number}"})
        await expect(models.first).to_have_text("model-399")
        await expect(models).to_have_count(300)


async def test_older_chats_are_loaded_until_there_are_no_more(front: Front) -> None:
    state = {**states.state(), "recent": [states.ended(number) for number in range(100)]}
    async with front(state, "#chats", size=NARROW) as (stand, dashboard):
        stand.older = [states.ended(number) for number in range(100, 450)]
        rows = dashboard.page.locator("li.chat")
        for count in (100, 200, 300, 400, 450):
            await expect(rows).to_have_count(count)
            await dashboard.page.get_by_role("button", name="Load older").click()
        await expect(dashboard.page.get_by_text("There are no older chats.")).to_be_visible()


async def test_nothing_is_covered_by_buttons_that_stay_while_a_narrow_page_is_scrolled(front: Front) -> None:
    async with front(states.state(), size=NARROW) as (_, dashboard):
        page = dashboard.page
        await expect(page.locator("li.account")).to_have_count(11)
        await page.evaluate("scrollTo(0, 900)")
        bar = await page.locator(".status-line").bounding_box()
        button = await page.get_by_role("button", name="Sign out").bounding_box()
        assert bar is not None
        assert button is not None
        assert bar["y"] == 0
        assert button["y"] + button["height"] <= bar["height"]
        await page.locator("#account-mallory").focus()
        await page.keyboard.press("Shift+Tab")
        covered = (
            "document.activeElement.getBoundingClientRect().top < document.querySelector('.status-line').clientHeight"
        )
        for _ in range(30):  # back up the list, by keyboard
            await page.keyboard.press("Shift+Tab")
            assert not await page.evaluate(f"document.activeElement.closest('main') && {covered}")


async def test_no_item_of_an_open_menu_moves_away_when_the_account_changes(front: Front) -> None:
    state = states.state()
    async with front(state) as (stand, dashboard):
        await dashboard.page.get_by_role("button", name="Actions for alice").click()
        items = dashboard.page.get_by_role("menuitem")
        before = await items.all_inner_texts()
        assert "Cancel its chat" in before
        stand.tell("state", {"accounts": [one | {"chat": None} for one in state["accounts"]]})
        await expect(dashboard.account("alice")).to_contain_text("no chat now")
        assert await items.all_inner_texts() == before


async def test_a_wait_that_should_be_over_reads_as_a_sentence(front: Front) -> None:
    late = states.account("late", "resting", "Messages too frequent", until=states.at(seconds=5))
    soon = states.account("soon", "resting", "Messages too frequent", until=states.at(hours=-1, seconds=-30))
    async with front({**states.state(), "accounts": [late, soon]}) as (_, dashboard):
        await expect(dashboard.account("late")).to_contain_text("retry any moment now: Messages too frequent")
        await expect(dashboard.account("soon")).to_contain_text(re.compile(r"retry in [\d:]+: Messages too frequent"))


async def test_a_question_that_cannot_be_asked_is_not_lost(front: Front) -> None:
    async with front(states.state(), "#playground") as (_, dashboard):
        page = dashboard.page
        await page.get_by_text("Tools", exact=True).click()
        await page.get_by_label("Tools, as JSON").fill("no JSON")
        await page.get_by_label("Your question").fill("A long question")
        await page.keyboard.press("Enter")
        await dashboard.told("The tools are not a JSON list")
        await expect(page.get_by_label("Your question")).to_have_value("A long question")
        await expect(page.locator("li.turn")).to_have_count(0)


async def test_every_line_of_the_log_that_the_bridge_keeps_can_be_found(front: Front) -> None:
    lines = [{**states.line(number), "at": states.at(seconds=1000 - number)} for number in range(1000)]
    lines[3] |= {"level": "ERROR", "text": "A needle"}
    kept = asyncio.get_running_loop().create_future()
    kept.set_result(lines)
    state = {**states.state(), "log": lines[-200:]}  # what the event stream begins with
    async with front(state, "#log", log=kept) as (_, dashboard):
        await dashboard.page.get_by_text("Errors").click()
        await dashboard.page.get_by_label("Search the log").fill("needle")
        await expect(dashboard.page.locator(".log-line")).to_have_count(1)


async def test_an_action_that_takes_long_says_so_and_one_that_is_never_answered_is_not_waited_for_without_end(
    chromium: Chromium,
) -> None:
    async with stand_in(states.state()) as stand, opened(chromium, "about:blank") as dashboard:
        page, dashboard.origin = dashboard.page, stand.url
        await page.clock.install()
        await page.goto(f"{stand.url}/dashboard")
        await page.route("**/accounts/carol/check", lambda _: None)
        await dashboard.choose("carol", "Look again now")
        await page.clock.run_for(1000)
        await expect(page.locator(".toast", has_text="Checking carol …")).to_be_visible()
        await page.clock.run_for(180_000)
        await expect(page.locator(".toast", has_text="Check whether this was done")).to_be_visible()
        await expect(page.locator(".toast", has_text="Checking carol …")).to_have_count(0)


async def test_a_page_of_another_version_is_loaded_anew(front: Front) -> None:
    async with front(states.state()) as (stand, dashboard):
        await expect(dashboard.page.locator("li.account")).to_have_count(11)
        await dashboard.page.evaluate("window.isOld = true")
        async with dashboard.page.expect_event("load"):  # the page's rules forbid to ask it again and again by a script
            stand.tell("state", {"bridge": stand.state["bridge"] | {"version": "0.9.1"}})
        assert await dashboard.page.evaluate("!window.isOld")
        await expect(dashboard.page.locator("li.account")).to_have_count(11)


@pytest.mark.browser
def test_the_wheel_contains_every_file_of_the_dashboard(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    files = {path.relative_to(STATIC.parents[2]).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as packed:
        assert files - set(packed.namelist()) == set()


async def test_no_file_of_the_dashboard_has_script_or_style_of_its_own_or_takes_text_for_markup() -> None:
    names = [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]
    texts = await asyncio.gather(*(asyncio.to_thread(path.read_text, "utf-8") for path in names))
    banned = ("dangerouslySetInnerHTML", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    assert [(name.name, word) for name, text in zip(names, texts, strict=True) for word in banned if word in text] == []


def _paused(account: dict[str, Any], name: str) -> dict[str, Any]:
    return {**account, "paused": True} if account["name"] == name else account


async def test_the_figures_under_the_pointer_are_those_of_now(front: Front) -> None:
    async with front(states.state(), "#charts") as (stand, dashboard):
        page, metrics = dashboard.page, states.metrics()
        chart = page.locator("figure.chart", has_text="Waiting for an account").locator(".u-over")
        times, values = metrics["times"][-20:], [0.5] * 20
        answer = {"times": times, "series": {"waiting": values}}
        await page.route("**/admin/api/metrics*", lambda route: route.fulfill(json=answer))
        await page.get_by_text("1 hour").click()
        await expect(page.locator("figure.chart .legend").first).to_contain_text("up to 0.5 s")
        values[-1] = 77.0
        stand.tell("sample", {"time": times[-1], "series": {"waiting": 77.0, "chats": {}}})
        await expect(page.locator("figure.chart .legend").first).to_contain_text("up to 1 min 17 s")
        there = await chart.bounding_box()
        assert there is not None
        await page.mouse.move(there["x"] + there["width"] - 2, there["y"] + 50)
        await expect(chart.locator(".chart-tip")).to_contain_text("median 1 min 17 s")
