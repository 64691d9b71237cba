"""Watches one chat on an unknown page, writes its site file, and tests it; for command and dashboard."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

from bridge.browser.browser import Chromium
from bridge.browser.egress_proxy import bounded
from bridge.browser.page_calls import first_line, within
from bridge.errors import BrowserError, SetupError
from bridge.login.learning_proof import Proof, prove
from bridge.origins import origin_of, own_state
from bridge.settings import BrowserSettings, PageSettings
from bridge.sites.learning.chat_trial import ChatTrial
from bridge.sites.learning.draft import Certainty, Finding, written
from bridge.sites.learning.learn_page import (
    Seen,
    chat_twice,
    find_new_chat,
    findings,
    page_state,
    signed_out_state,
    try_controls,
    watched_page,
)
from bridge.sites.learning.login_signs import PageState, login_signs
from bridge.sites.learning.operator import Operator
from bridge.sites.learning.page_findings import LoginSigns, NewChat
from bridge.sites.site_file.schema import parse_site_file
from bridge.storage.atomic import create_file
from bridge.storage.profiles import Profile

VIEWPORT = {"width": 1280, "height": 800}
UNNAMED = "learned"
"""The name of a site whose address yields none, and of the account that chats while it is learned."""
SITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Lesson:
    """The address of the page to learn, the name of its site, and the path of the site file to write."""

    url: str
    name: str
    out: Path


@dataclass(frozen=True, slots=True)
class LearnedSite:
    """The fields that were learned, and the results of the test chats; `profile` has the page's login at the end."""

    findings: tuple[Finding, ...]
    profile: Profile
    proofs: tuple[Proof, ...] = ()

    @property
    def counts(self) -> Counter[Certainty]:
        """Return the number of fields of each certainty."""
        return Counter(one.certainty for one in self.findings)

    @property
    def needed(self) -> list[Finding]:
        """Return the fields that need a person's input."""
        return [one for one in self.findings if one.certainty is Certainty.NEEDED]

    @property
    def is_proven(self) -> bool:
        """Tell whether all test chats succeeded."""
        return bool(self.proofs) and not any(proof.failure for proof in self.proofs)


async def learn_site(
    chromium: Chromium, settings: PageSettings, lesson: Lesson, profile: Profile, operator: Operator
) -> LearnedSite:
    """Learn a site from chats on its page, write the file, and test it; uses the profile's login, if it has one.

    The profile's `site` must be the path or the name under which the file is found once it is written. Raises
    `BridgeError`; never overwrites a file.
    """
    try:
        found, captured = await _watched(chromium, settings.browser, lesson, profile, operator)
    except PlaywrightError as error:
        raise BrowserError(f"The page was lost: {first_line(error)}") from error
    await asyncio.to_thread(_write, lesson.out, written(found))
    operator.show_findings(found)
    operator.say(f"Wrote {lesson.out}.")
    proofs = await prove(chromium, settings, captured, operator)
    return LearnedSite(tuple(found), captured, tuple(proofs))


def _write(path: Path, text: str) -> None:
    parse_site_file(text, str(path))
    try:
        create_file(path, text.encode())
    except FileExistsError:
        raise SetupError(f"{path} was created in the meantime; it was not overwritten.") from None


async def _watched(
    chromium: Chromium, settings: BrowserSettings, lesson: Lesson, profile: Profile, operator: Operator
) -> tuple[Sequence[Finding], Profile]:
    url = lesson.url
    async with (
        _context(chromium, settings, url, profile.storage_state) as context,
        watched_page(context, url) as trial,
    ):
        try:
            return await _taught(chromium, settings, lesson, profile, operator, trial)
        finally:
            operator.page_closes()


async def _taught(
    chromium: Chromium,
    settings: BrowserSettings,
    lesson: Lesson,
    profile: Profile,
    operator: Operator,
    trial: ChatTrial,
) -> tuple[Sequence[Finding], Profile]:
    url, context = lesson.url, trial.watch.page.context
    await chat_twice(trial, operator)
    plain, controls = await try_controls(trial, url, operator)
    operator.say("Looking for the address of a new chat, and at the page without a login ...")
    new_chat, login = await _looked_at(chromium, settings, url, trial)
    found = await findings(trial, lesson.name, url, Seen(plain, controls, new_chat, login))
    return found, await _captured(context, profile, settings.call_limit)


async def _looked_at(
    chromium: Chromium, settings: BrowserSettings, url: str, trial: ChatTrial
) -> tuple[NewChat, LoginSigns]:
    """Find how the page opens a new chat and, at the same time, what a browser without the login sees."""
    try:
        async with asyncio.TaskGroup() as tasks:
            signed_out = tasks.create_task(_seen_signed_out(chromium, settings, url))
            new_chat = await find_new_chat(trial, url)
            mine = await page_state(trial.watch.page, trial.elements.origin)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return new_chat, login_signs(mine, signed_out.result(), next(iter(trial.learned.box), ""))


async def _seen_signed_out(chromium: Chromium, settings: BrowserSettings, url: str) -> PageState:
    async with _context(chromium, settings, url, None) as fresh:
        return await signed_out_state(fresh, url)


async def _captured(context: BrowserContext, profile: Profile, limit: float) -> Profile:
    """Return the profile with the current login of the page."""
    async with within(limit, "The browser did not return the login"):
        state: Any = await context.storage_state(indexed_db=True)
    return profile.with_state(own_state(state, origin_of(profile.url), ()), {})


@asynccontextmanager
async def _context(
    chromium: Chromium, settings: BrowserSettings, url: str, state: dict[str, Any] | None
) -> AsyncGenerator[BrowserContext]:
    """Open a context that may reach every public host that the settings allow: the page's hosts are not known yet."""
    size: dict[str, Any] = {"no_viewport": True} if settings.headed else {"viewport": VIEWPORT}
    browser = settings.model_copy(update={"hosts": "public"}) if settings.hosts == "named" else settings
    async with bounded(origin_of(url), (), browser, chromium.is_attached) as bounds:
        options = {**size, **bounds, "accept_downloads": False} | ({"storage_state": state} if state else {})
        async with chromium.context(options) as context:
            yield context


def name_of(url: str) -> str:
    """Return a name for the site of an address: the label of its host before the top-level domain."""
    host = (urlsplit(url).hostname or "").lower()
    parts = [part for part in host.split(".") if part not in ("www", "chat")]
    known = parts[-2] if len(parts) > 1 and not host.replace(".", "").isdigit() else parts[0] if parts else ""
    return known if SITE_NAME.fullmatch(known) else UNNAMED


def report(site: LearnedSite, line: Callable[[str], None]) -> None:
    """Print the certainty of each field, then the results of the test chats."""
    for finding in site.findings:
        line(f"  {finding.certainty:9}  {finding.field:24}  {finding.why}".rstrip())
    counts = site.counts
    line(", ".join(f"{counts[one]} {one}" for one in Certainty if counts[one]) + ".")
    for proof in site.proofs:
        line(
            f"  {'failed' if proof.failure else 'passed':9}  {proof.name}"
            + (f": {proof.failure}" if proof.failure else "")
        )
