"""Runs the checks of `bridge doctor` and prints a line for each."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bridge.browser.browser import Chromium
from bridge.chat.account_control import Finding
from bridge.health_checks import (
    Check,
    browser_check,
    chat_check,
    examine_page,
    file_checks,
    port_check,
    profiles_to_open,
    run_check,
)
from bridge.settings import Settings
from bridge.telemetry import Telemetry

PAGES_OF_NODES = (
    "not opened here, because nodes drive them; the dashboard and POST /admin/api/doctor/site check them there"
)


async def run_checks(
    settings: Settings, file: Path | None, console: Console, *, site: bool = False, send: bool = False
) -> bool:
    """Run all checks, print a line for each, and return whether none failed.

    With `site` only the browser and the accounts' pages are checked; `send` adds one chat for each account.
    """
    browser = Chromium(settings.pages, Telemetry())
    try:
        first = [] if site else [*file_checks(settings, file), port_check(settings.server)]
        results = [await run_and_print(check, console) for check in (*first, browser_check(settings.browser, browser))]
        if results[-1]:
            results += await _pages(settings, browser, console, send=send)
    finally:
        await browser.close()
    failed = results.count(False)
    console.print(f"\n{failed} of {len(results)} checks failed." if failed else "\nAll checks passed.", style="bold")
    return not failed


async def _pages(settings: Settings, browser: Chromium, console: Console, *, send: bool) -> list[bool]:
    """Check the page of each account and print what was found; return whether each check passed."""
    if settings.cluster.url is not None:  # only the node with an account's lease may open its page
        return [_print(Finding("pages", True, PAGES_OF_NODES), console)]
    results = []
    for profile in profiles_to_open(settings.key_source, settings.profiles):
        with console.status(f"page of {profile.name} …"):
            findings = await examine_page(settings.pages, browser, profile)
        results += [_print(finding, console) for finding in findings]
        if send:
            results.append(
                await run_and_print(chat_check(settings.pages, settings.key_source, browser, profile), console)
            )
    return results


async def run_and_print(check: Check, console: Console) -> bool:
    """Run one check, print its line, and return whether it passed."""
    with console.status(f"{check.name} …"):
        result = await run_check(check)
    return _print(result, console)


def _print(result: Finding, console: Console) -> bool:
    mark = ("ok    ", "green") if result.ok else ("FAILED", "bold red")
    console.print(Text.assemble(mark, "  ", (f"{result.name:16}", "bold"), " ", result.text), soft_wrap=True)
    return bool(result.ok)
