"""The dashboard in a real browser: a signed-in page that reports everything that goes wrong in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Locator, Page, expect

from bridge.browser.browser import Chromium

AXE = Path(__file__).parent.parent / "clients/node/node_modules/axe-core/axe.min.js"
LIMIT = 60_000.0
"""Most milliseconds that the page takes to draw anything on a slow machine."""
WIDE = (1280, 800)
NARROW = (390, 844)
VIEWS = (
    *("accounts", "chats", "charts", "playground", "log"),
    *("setup/connect", "setup/keys", "setup/usage", "setup/doctor", "setup/settings"),
)
RUN_AXE = "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"

expect.set_options(timeout=LIMIT)


@dataclass
class Dashboard:
    """The page, with its requests and its complaints so far."""

    page: Page
    origin: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    excused: Callable[[str], bool] = lambda _: False
    """Tells which complaints the test itself has caused."""

    async def go(self, view: str) -> None:
        """Show a view by its link."""
        name, _, part = view.partition("/")
        await self._follow("Views", name)
        if part:
            await self._follow("Setup", view)
        await expect(self.page.locator("main h1")).to_be_visible()
        await expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    async def _follow(self, navigation: str, view: str) -> None:
        """Click a link, and wait until its view is shown; the previous view stays for a moment."""
        link = self.page.locator(f'nav[aria-label="{navigation}"] a[href="#{view}"]')
        await link.click()
        await expect(link).to_have_attribute("aria-current", "page")

    def account(self, name: str) -> Locator:
        """Return the row of an account."""
        return self.page.locator(f'li.account[aria-labelledby="account-{name}"]')

    async def choose(self, name: str, action: str) -> None:
        """Choose an item of an account's menu."""
        await self.page.get_by_role("button", name=f"Actions for {name}").click()
        await self.page.get_by_role("menuitem", name=action).click()

    async def told(self, text: str) -> None:
        """Wait until the page has announced a text, on the screen and to screen readers."""
        toast = self.page.locator(".toast:not(.busy)", has_text=text).first
        await expect(toast).to_be_visible()
        await expect(self.page.locator("p[role=status]")).to_contain_text(text)
        await toast.get_by_role("button", name="Dismiss").click()

    async def violations(self) -> list[str]:
        """Return the faults that axe-core finds."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(await asyncio.to_thread(AXE.read_text, "utf-8"))
        found: list[dict[str, Any]] = await self.page.evaluate(RUN_AXE)
        return [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wider: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider

    def forget(self) -> None:
        """Forget all requests and complaints so far, for tests that share a page."""
        self.requests.clear()
        self.complaints.clear()
        self.excused = lambda _: False

    def check(self) -> None:
        """Assert that the page sent nothing to another machine, and that it had no complaint."""
        foreign = [url for url in self.requests if not url.startswith((self.origin, "blob:", "data:"))]
        assert foreign == [], foreign
        complaints = [text for text in self.complaints if not self.excused(text)]
        assert complaints == [], complaints


def _is_no_session(text: str) -> bool:
    """Tell whether the complaint is about the answer that nobody is signed in."""
    return "/admin/api/session" in text and "401" in text


@asynccontextmanager
async def opened(
    chromium: Chromium, address: str, size: tuple[int, int] = WIDE, scheme: str = "light"
) -> AsyncGenerator[Dashboard]:
    """Open an address of the dashboard in its own browser context."""
    width, height = size
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "has_touch": width < 500}
    options |= {"reduced_motion": "reduce"}  # animations take most of the processor while a page waits
    async with chromium.context({**options, "accept_downloads": True, "locale": "en-GB"}) as context:
        context.set_default_timeout(LIMIT)
        page = await context.new_page()
        origin = "/".join(address.split("/")[:3])
        dashboard = Dashboard(page, origin)
        page.on("request", lambda request: dashboard.requests.append(request.url))
        page.on("console", lambda message: dashboard.complaints.extend(_complaint(message)))
        page.on("pageerror", lambda error: dashboard.complaints.append(str(error)))
        page.on("dialog", lambda dialog: dashboard.complaints.append(f"dialog: {dialog.message}"))
        await page.goto(address)
        yield dashboard
        dashboard.check()


def _complaint(message: ConsoleMessage) -> list[str]:
    text = f"{message.text} {message.location.get('url', '')}"
    return [text] if message.type in ("error", "warning") and not _is_no_session(text) else []
