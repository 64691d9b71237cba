"""A person with their own browser, who uses the bridge's pages only through its live view."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page, expect

from bridge.browser.browser import Chromium
from tests.support.live import Live
from tests.support.waiting import LIMIT, until

WIDE: dict[str, Any] = {"viewport": {"width": 1000, "height": 700}, "reduced_motion": "reduce"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
    "reduced_motion": "reduce",
}


PASSWORD = "Pässwörd-日本-€"


@dataclass
class Person:
    """The person's own `page`; the test gives the positions of things on the page that it shows."""

    page: Page
    run: Live
    touches: bool
    complaints: list[str]
    """The page's complaints; none may be left at the end."""

    async def look(self, **what: str) -> None:
        """Open the live view of an account or a login, signed in by a one-time link."""
        query = "&".join(f"{name}={value}" for name, value in what.items())
        path = self.run.bridge.sign_in_path()
        assert path is not None
        await self.page.goto(f"{self.run.bridge.url}/dashboard/live?{query}#{path.partition('#')[2]}")

    async def take(self) -> None:
        """Request the controls, and wait until the person has them."""
        await self.page.get_by_role("button", name="Take the controls").click()
        await self.has_controls()

    async def has_controls(self) -> None:
        """Wait until the person has the controls."""
        await self.page.get_by_role("button", name=re.compile("Give (back|up)")).wait_for(timeout=LIMIT * 1000)
        await expect(self.page.locator("#address")).to_be_enabled(timeout=LIMIT * 1000)

    async def click(self, what: Locator) -> None:
        """Click or tap something on the picture."""
        x, y = await self.spot(what)
        if self.touches:
            await self.page.touchscreen.tap(x, y)
        else:
            await self.page.mouse.click(x, y)

    async def spot(self, what: Locator) -> tuple[float, float]:
        """Return the position of something's middle in the person's window, when the picture shows its page."""
        await what.wait_for(timeout=LIMIT * 1000)
        screen, size = self.page.locator("#screen"), what.page.viewport_size
        assert size is not None
        # the picture first has the page's own width; the view then scales it
        await expect(screen).to_have_css("width", f"{size['width']}px", timeout=LIMIT * 1000)
        there, picture = await what.bounding_box(), await screen.bounding_box()
        assert there is not None
        assert picture is not None
        x = picture["x"] + (there["x"] + there["width"] / 2) * picture["width"] / size["width"]
        y = picture["y"] + (there["y"] + there["height"] / 2) * picture["height"] / size["height"]
        return x, y

    async def type(self, text: str) -> None:
        """Type; on a phone, with the keyboard that a button opens."""
        if self.touches:
            await self.page.get_by_role("button", name="Keyboard").tap()
        await self.page.keyboard.type(text)

    async def paste(self, text: str) -> None:
        """Paste, as the browser does on Control and V."""
        script = """text => {
          const data = new DataTransfer();
          data.setData("text/plain", text);
          const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
          document.activeElement.dispatchEvent(event);
        }"""
        await self.page.evaluate(script, text)

    async def seen(self, what: Locator, value: str) -> None:
        """Wait until a field of the shown page has a value."""
        await expect(what).to_have_value(value, timeout=LIMIT * 1000)


async def fill_form(someone: Person, shown: Page) -> None:
    """Sign in with the site's own form, with a typing error and a password that no keyboard can type."""
    user, password = shown.locator("input[autocomplete=username]"), shown.locator("input[type=password]")
    await someone.click(user)
    await someone.type("bpb")
    for _ in "pb":
        await someone.page.keyboard.press("Backspace")
    await someone.type("ob@")
    await someone.paste("example.com")
    await someone.seen(user, "bob@example.com")
    await someone.click(password)
    await someone.paste(PASSWORD)
    await someone.seen(password, PASSWORD)
    await someone.click(shown.locator("select"))
    await someone.page.locator("#choice").select_option(label="Freedonia")
    await someone.page.get_by_role("button", name="Choose").click()
    await someone.seen(shown.locator("select"), "Freedonia")
    await someone.click(shown.locator("input[type=date]"))
    await someone.page.locator("#choice").fill("1999-12-31")
    await someone.page.get_by_role("button", name="Set").click()
    await someone.seen(shown.locator("input[type=date]"), "1999-12-31")
    await someone.click(shown.locator("input[type=checkbox]"))
    await someone.click(shown.get_by_role("button", name="Log in", exact=True))


@asynccontextmanager
async def person(run: Live, chromium: Chromium, device: dict[str, Any] | None = None) -> AsyncGenerator[Person]:
    """Open a browser for a person."""
    device = device or WIDE
    async with chromium.context(device) as context:
        page = await context.new_page()
        page.set_default_timeout(LIMIT * 1000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        yield Person(page, run, bool(device.get("has_touch")), complaints)
        assert complaints == []


def account_page(run: Live, name: str = "alice") -> Page:
    """Return the page of an account that the bridge drives."""
    worker: Any = run.bridge.pool.worker(name)
    page: Page = worker.shown.page
    return page


async def login_page(run: Live, id: str) -> Page:  # noqa: A002
    """Wait for the sign-in page of a remote login, and return it."""
    assert run.bridge.views is not None
    login = run.bridge.views._login(id)
    await until(lambda: login.session is not None)
    assert login.session is not None
    return login.session.page
