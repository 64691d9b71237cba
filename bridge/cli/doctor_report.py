"""Runs the checks of `bridge doctor` and prints a line for each."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bridge.browser.browser import Chromium
from bridge.health_checks import Check, browser_check, file_checks, page_checks, port_check, run_check
from bridge.settings import Settings
from bridge.telemetry import Telemetry


async def run_checks(
    settings: Settings, file: Path | None, console: Console, *, site: bool = False, send: bool = False
) -> bool:
    """Run all checks, print a line for each, and return whether none failed.

    With `site` only the browser and the accounts' pages are looked at; `send` adds one chat an account.
    """
    browser = Chromium(settings, Telemetry())
    try:
        first = [] if site else [*file_checks(settings, file), port_check(settings.server)]
        results = [await run_and_print(check, console) for check in (*first, browser_check(settings.browser, browser))]
        if results[-1]:
            results += [await run_and_print(check, console) for check in page_checks(settings, browser, send=send)]
    finally:
        await browser.close()
    failed = results.count(False)
    console.print(f"\n{failed} of {len(results)} checks failed." if failed else "\nAll checks passed.", style="bold")
    return not failed


async def run_and_print(check: Check, console: Console) -> bool:
    """Run one check, print its line, and return whether it passed."""
    with console.status(f"{check.name} …"):
        result = await run_check(check)
    mark = ("ok    ", "green") if result.ok else ("FAILED", "bold red")
    console.print(Text.assemble(mark, "  ", (f"{result.name:16}", "bold"), " ", result.text), soft_wrap=True)
    return bool(result.ok)
