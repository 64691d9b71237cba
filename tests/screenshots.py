"""Take the pictures of the dashboard that the docs show: `python -m tests.screenshots`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

from playwright.async_api import Page, expect

from bridge.browser.browser import Chromium
from bridge.telemetry import Telemetry
from tests.support import dashboard_states as states
from tests.support.dashboard_pages import NARROW, WIDE, opened
from tests.support.dashboard_server import stand_in
from tests.support.live import settings_for

FOLDER = Path(__file__).parents[1] / "docs/dashboard"
PICTURES = {
    "accounts-light": ("accounts", WIDE, "light"),
    "accounts-dark": ("accounts", WIDE, "dark"),
    "chats-dark": ("chats", WIDE, "dark"),
    "charts-light": ("charts", WIDE, "light"),
    "playground-light": ("playground", WIDE, "light"),
    "accounts-narrow-light": ("accounts", NARROW, "light"),
    "chats-narrow-dark": ("chats", NARROW, "dark"),
}


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


async def main() -> None:
    """Take them all."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    chromium = Chromium(settings_for(FOLDER / "chromium"), Telemetry())
    try:
        async with stand_in(states.state()) as stand:
            for name, (view, size, scheme) in PICTURES.items():
                async with opened(chromium, f"{stand.url}/dashboard#{view}", size, scheme) as dashboard:
                    await expect(dashboard.page.locator("[aria-busy=true]")).to_have_count(0)
                    await _prepare(dashboard.page, view)
                    await dashboard.page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
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
