"""Writes diagnostic bundles: folders of files that show an operator why a page is not as the driver expects.

A bundle holds a screenshot with user content masked, an outline without texts, and the requests without contents.
"""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator

from bridge import __version__
from bridge.browser.page_calls import first_line
from bridge.storage.atomic import write_file
from bridge.worker.page_session import Session

KEPT = 10
"""Most bundles that are kept, the latest ones."""
PICTURE_LIMIT = 5_000
"""Milliseconds that a screenshot may take."""
OUTLINE = """() => {
  const KEPT = new RegExp("^(role|type|class|id|disabled|hidden|readonly|tabindex|data-.*"
    + "|aria-(pressed|checked|disabled|expanded|hidden|modal|selected|busy))$");
  const SHORT = /^[\\w:.\\- ]{0,60}$/;
  const lines = [];
  const walk = (element, depth) => {
    if (lines.length >= 4000 || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) return;
    const shown = [...element.attributes].filter(one => KEPT.test(one.name)).map(one =>
      one.name === "class" ? "." + [...element.classList].join(".") :
      SHORT.test(one.value) ? `${one.name}=${one.value}` : one.name);
    const box = element.getBoundingClientRect();
    const size = box.width && box.height ? "" : " (not visible)";
    lines.push("  ".repeat(Math.min(depth, 40)) + [element.tagName.toLowerCase(), ...shown].join(" ") + size);
    if (element.tagName.toLowerCase() !== "svg") for (const child of element.children) walk(child, depth + 1);
  };
  walk(document.documentElement, 0);
  return lines.join("\\n") + "\\n";
}"""
"""Returns tags with their roles, classes and states, but no text, no value, and no possible name or address."""


async def write_bundle(session: Session, folder: Path, account: str, reason: str) -> Path:
    """Write a bundle into a new folder in `folder`, and return it; files that cannot be made are left out."""
    contents: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for name, read in (("outline.txt", _outline), ("screenshot.png", _picture), ("network.txt", _network)):
        try:
            contents[name] = await read(session)
        except PlaywrightError as error:
            missing[name] = first_line(error)
    report = {"account": account, "reason": reason, "missing": missing, **await _report(session)}
    contents["report.json"] = json.dumps(report, ensure_ascii=False, indent=2).encode()
    return await asyncio.to_thread(_write, folder, account, contents)


async def _outline(session: Session) -> bytes:
    text: str = await session.page.evaluate(OUTLINE)
    return text.encode()


async def _picture(session: Session) -> bytes:
    hidden: list[Locator] = [session.page.locator(session.driver.private)]
    return await session.page.screenshot(mask=hidden, mask_color="#888888", timeout=PICTURE_LIMIT)


async def _network(session: Session) -> bytes:
    return "".join(f"{call}\n" for call in session.request_log.calls).encode()


async def _report(session: Session) -> dict[str, Any]:
    controls: Mapping[str, str] = {}
    language = ""
    with suppress(PlaywrightError):
        controls = await session.driver.controls()
        language = await session.page.evaluate("document.documentElement.lang")
    browser = session.context.browser
    return {
        "controls": controls,
        "language": language,
        "bridge": __version__,
        "chromium": browser.version if browser else "",
        "playwright": await asyncio.to_thread(version, "playwright"),
        "python": platform.python_version(),
    }


def _write(folder: Path, account: str, contents: Mapping[str, bytes]) -> Path:
    """Write the files into a new folder, remove all but the newest bundles, and return the folder."""
    bundle = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{account}"
    for name, content in contents.items():
        write_file(bundle / name, content)
    for old in sorted(path for path in folder.iterdir() if path.is_dir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return bundle
