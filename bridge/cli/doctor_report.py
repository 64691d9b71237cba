"""`bridge doctor`: makes the checks and prints a line for each."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bridge.browser.browser import Chromium
from bridge.health_checks import Check, made, of_browser, of_files, of_pages, of_port
from bridge.settings import Settings
from bridge.telemetry import Telemetry


async def examine(
    settings: Settings, file: Path | None, console: Console, *, site: bool = False, send: bool = False
) -> bool:
    """Make all checks, print a line for each, and return whether none failed.

    With `site` only the browser and the accounts' pages are looked at; `send` adds one chat an account.
    """
    browser = Chromium(settings, Telemetry())
    try:
        first = [] if site else [*of_files(settings, file), of_port(settings)]
        results = [await passes(check, console) for check in (*first, of_browser(settings, browser))]
        if results[-1]:
            results += [await passes(check, console) for check in of_pages(settings, browser, send=send)]
    finally:
        await browser.close()
    failed = results.count(False)
    console.print(f"\n{failed} of {len(results)} checks failed." if failed else "\nAll checks passed.", style="bold")
    return not failed


async def passes(check: Check, console: Console) -> bool:
    """Make one check, print its line, and return whether it passed."""
    with console.status(f"{check.name} …"):
        result = await made(check)
    mark = ("ok    ", "green") if result.ok else ("FAILED", "bold red")
    console.print(Text.assemble(mark, "  ", (f"{result.name:16}", "bold"), " ", result.text), soft_wrap=True)
    return bool(result.ok)
