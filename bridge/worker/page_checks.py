"""Checks of the site on one of an account's pages: its controls, and the protocol of its scripts; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import within
from bridge.chat.account_control import Finding
from bridge.errors import BrowserError, SiteChanged
from bridge.printable import as_line
from bridge.settings import PageSettings
from bridge.sites.contract import SiteDriver
from bridge.sites.drift import MovedControl

NOT_READY = "The page was not ready"
INLINE_SCRIPTS = "() => [...document.scripts].map(one => one.text).join('\\n')"


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """The limits of a check's steps in seconds."""

    ready: float
    """Until the page takes a prompt."""
    call: float
    """Until the browser answers a call."""

    @classmethod
    def of(cls, settings: PageSettings) -> CheckLimits:
        """Return the limits from the settings."""
        return cls(settings.turn.ready, settings.browser.call_limit)


async def check_page(driver: SiteDriver, account: str, limits: CheckLimits) -> list[Finding]:
    """Run both checks on one page; raise an error if the account is signed out, challenged or muted."""
    findings = []
    for kind, check in (("page", check_controls), ("stream", check_protocol)):
        try:
            findings.append(Finding(f"{kind} of {account}", True, await check(driver, limits)))
        except (SiteChanged, BrowserError) as error:
            findings.append(Finding(f"{kind} of {account}", False, error.message))
    return findings


async def check_controls(driver: SiteDriver, limits: CheckLimits) -> str:
    """Return how each control was found; raise a `SiteChanged` that names the missing ones."""
    async with within(limits.ready, NOT_READY):
        await driver.ready()
        moved = await driver.moved_controls()  # a control that it finds counts as found
        controls = await driver.controls()
    if missing := [name for name, way in controls.items() if not way]:
        what = f"the page's controls were not all found: {', '.join(missing)}"
        raise SiteChanged(f"Signed in, but {what}. The site has changed; {_advice(moved)}.")
    if moved:
        what = f"found only in another place than its description says: {', '.join(_place(one) for one in moved)}"
        raise SiteChanged(f"Signed in, and it takes chats, but {what}. The site has changed; {_advice(moved)}.")
    return f"signed in at {driver.url}; found {', '.join(f'{name} by {way}' for name, way in controls.items())}"


def _advice(moved: Sequence[MovedControl]) -> str:
    if moved:
        return "`bridge sites heal` shows what may be changed in its site file"
    return "look for an update of the bridge, or see `bridge debug`"


def _place(control: MovedControl) -> str:
    return f"{control.field} {control.by} as {as_line(control.selectors[0])}"


async def check_protocol(driver: SiteDriver, limits: CheckLimits) -> str:
    """Return whether the page's own scripts still contain the protocol words that the driver and its decoder use.

    Raise `SiteChanged` if they do not even contain the address of the answers.
    """
    words = driver.grammar
    async with within(limits.ready, NOT_READY):
        await driver.ready()
    scripts = await _scripts(driver.page, limits.call)
    absent = [word for word in words if not any(word in script for script in scripts)]
    if words and absent[:1] == [words[0]]:
        raise SiteChanged(
            f"No script of the page names {words[0]}: it requests answers in a way that the bridge does not know. "
            "Look for an update of the bridge."
        )
    if absent:
        return (
            f"the page's scripts may have changed: they do not name {', '.join(absent)}; "
            "`bridge doctor --send` tells for sure"
        )
    return _all_named(words)


def _all_named(words: Sequence[str]) -> str:
    match words:
        case []:
            return "the site's description has no word of the protocol to look for in the page's scripts"
        case [word]:
            return f"the page's scripts name {word}, the one word of the protocol that was looked for"
        case _:
            return f"the page's scripts name all {len(words)} words of the protocol that were looked for"


async def _scripts(page: Page, limit: float) -> list[str]:
    """Return the sources of the page's loaded scripts."""
    async with within(limit, "The browser did not give the page's scripts"):
        cdp = await page.context.new_cdp_session(page)
        try:
            return await _texts(page, cdp)
        finally:
            with suppress(PlaywrightError, BrowserError):
                async with within(limit, "The browser did not end the session"):
                    await cdp.detach()


async def _texts(page: Page, cdp: CDPSession) -> list[str]:
    await cdp.send("Page.enable")
    tree = (await cdp.send("Page.getResourceTree"))["frameTree"]
    texts: list[str] = [await page.evaluate(INLINE_SCRIPTS)]
    for script in (one for one in tree["resources"] if one["type"] == "Script"):
        address = {"frameId": tree["frame"]["id"], "url": script["url"]}
        texts.append((await cdp.send("Page.getResourceContent", address))["content"])
    return texts
