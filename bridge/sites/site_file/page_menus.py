"""Opens menus step by step, and closes them; a step is a click, or with the prefix `hover:` a hover."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.sites.guarded_page import QUICK
from bridge.sites.site_file.page_elements import NO_NAMES, Names, PageElements, lacking, waited

HOVER = "hover:"
TRIES = 3
"""How often a step is tried: a page that is still moving may ignore it."""
STEP_LIMIT = 1_000
"""Milliseconds that the next element has to appear after a step."""


async def open_menu(
    page: PageElements, steps: Sequence[str], target: Sequence[str], field: str, names: Names = NO_NAMES
) -> bool:
    """Do the steps until the target is there; tell whether it appeared, and raise if a step's element is missing."""
    for number, step in enumerate(steps):
        following = target if number + 1 == len(steps) else (steps[number + 1].removeprefix(HOVER),)
        if not await _step(page, step, following, f"{field}.open", names):
            return False
    return await page.wait_for(target, STEP_LIMIT, names)


async def close_menu(page: PageElements, steps: Sequence[str], way: str, inside: Sequence[str]) -> None:
    """Close a menu: by Escape, or with `trigger`, if it is still open, by a click on the first step's element."""
    if not steps or not way:
        return
    if way == "escape":
        await page.press("Escape")
    elif await page.has(inside):
        await page.click((steps[0].removeprefix(HOVER),))


async def _step(page: PageElements, step: str, following: Sequence[str], field: str, names: Names) -> bool:
    """Do one step; tell whether `following` appeared. If it is there already, a click would close it."""
    selector = (step.removeprefix(HOVER),)
    for _ in range(TRIES):
        if await page.has(following, names):
            return True
        if step.startswith(HOVER):
            if await page.hover(selector, lambda: page.has(following, names)):
                return True
        else:
            await page.click_required(selector, field)
        if await page.wait_for(following, STEP_LIMIT, names):
            return True
    if not await waited(lambda: page.has(selector), QUICK):
        raise lacking(field, selector)
    return False
