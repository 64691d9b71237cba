"""Take the pictures of the dashboard that the docs show: `python -m tests.screenshots`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page, expect

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.settings import BrowserSettings
from bridge.telemetry import Telemetry
from tests.liveview.test_liveview_live import call
from tests.support import dashboard_states as states
from tests.support.dashboard_pages import NARROW, WIDE, opened
from tests.support.dashboard_server import stand_in
from tests.support.live import QUICK_SITE, Live, served, settings_for
from tests.support.watching import PHONE, Person, account_page, login_page, person

FOLDER = Path(__file__).parents[1] / "docs/dashboard"
PICTURES = {
    "accounts-light": ("accounts", WIDE, "light"),
    "accounts-dark": ("accounts", WIDE, "dark"),
    "chats-dark": ("chats", WIDE, "dark"),
    "nodes-light": ("nodes", WIDE, "light"),
    "charts-light": ("charts", WIDE, "light"),
    "playground-light": ("playground", WIDE, "light"),
    "accounts-narrow-light": ("accounts", NARROW, "light"),
    "chats-narrow-dark": ("chats", NARROW, "dark"),
}
WIDE_WINDOW = {"viewport": {"width": WIDE[0], "height": WIDE[1]}}


async def _prepare(page: Page, view: str) -> None:
    """Bring a view into the state in which it says most."""
    if view == "accounts":
        await page.locator(".thumbnail img").first.wait_for()
    if view == "chats" and page.viewport_size == {"width": WIDE[0], "height": WIDE[1]}:
        await page.locator("li.chat button").first.click()
        await page.locator(".texts pre").first.wait_for()
    if view == "playground":
        await page.get_by_label("Your question").fill("Why is the sky blue?")
        await page.get_by_role("button", name="Send").click()
        await page.locator(".sources").wait_for()


async def take_live(folder: Path, chromium: Chromium) -> None:
    """Take those of the live view: a question that is asked by hand, and a login on a phone."""
    with TemporaryDirectory() as state:
        async with (
            DemoSite(replace(QUICK_SITE, sign_in_asks=True, oauth=True, accounts=("alice", "bob"))) as site,
            served(Path(state), site, chromium, ["alice"]) as run,
        ):
            for name, (device, scheme, prepare) in LIVE.items():
                async with person(run, chromium, {**device, "color_scheme": scheme}) as someone:
                    await prepare(run, someone)
                    await someone.page.wait_for_timeout(1000)  # the last picture
                    await someone.page.screenshot(path=folder / f"{name}.png", animations="disabled")


async def _ask_by_hand(run: Live, someone: Person) -> None:
    await someone.look(account="alice")
    await someone.take()
    shown = account_page(run)
    await someone.click(shown.locator("textarea").first)
    await someone.type("Why is the sky blue?")
    await someone.page.keyboard.press("Enter")
    await shown.get_by_text("Read more on").wait_for()


async def _log_in(run: Live, someone: Person) -> None:
    begun = await call(run, "POST", "logins", {"name": "second", "site": "deepseek", "url": run.site.url})
    shown = await login_page(run, begun["id"])
    await someone.look(login=begun["id"])
    await someone.has_controls()
    await someone.click(shown.locator("input[autocomplete=username]"))
    await someone.type("bob@example.com")


LIVE = {
    "live-light": (WIDE_WINDOW, "light", _ask_by_hand),
    "live-narrow-dark": (PHONE, "dark", _log_in),
}


async def main() -> None:
    """Take them all."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    chromium = Chromium(settings_for(FOLDER / "chromium", browser=BrowserSettings()).pages, Telemetry())
    try:
        async with stand_in(states.state()) as alone, stand_in(states.cluster()) as node:
            for name, (view, size, scheme) in PICTURES.items():
                stand = node if view == "nodes" else alone
                async with opened(chromium, f"{stand.url}/dashboard#{view}", size, scheme) as dashboard:
                    await expect(dashboard.page.locator("[aria-busy=true]")).to_have_count(0)
                    await _prepare(dashboard.page, view)
                    await dashboard.page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
        await take_live(FOLDER, chromium)
    finally:
        await chromium.close()
        shutil.rmtree(FOLDER / "chromium", ignore_errors=True)
    _optimize()


def _optimize() -> None:
    """Make the files small, where there is a program that does it."""
    if (program := shutil.which("pngquant")) is not None:
        files = map(str, FOLDER.glob("*.png"))
        subprocess.run([program, "--force", "--ext", ".png", "--strip", *files], check=True)


if __name__ == "__main__":
    asyncio.run(main())
