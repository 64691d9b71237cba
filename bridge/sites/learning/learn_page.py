"""Learns one site on an open page: two turns of a chat, a new chat, and the page as a signed-out visitor gets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page

from bridge.browser.page_calls import within
from bridge.browser.tab_session import TabSession
from bridge.errors import BrowserError, SetupError, SiteTimeout
from bridge.origins import origin_of
from bridge.sites.guarded_page import held
from bridge.sites.learning.canary import Canary, to_be_typed, with_code
from bridge.sites.learning.chat_trial import ChatTrial, Learned, loaded
from bridge.sites.learning.control_fields import control_fields
from bridge.sites.learning.control_search import BEFORE, new_chat_buttons
from bridge.sites.learning.control_trial import ControlTrial
from bridge.sites.learning.draft import Certainty, Finding
from bridge.sites.learning.inference import read_wire, read_with, wire_findings
from bridge.sites.learning.login_signs import PageState
from bridge.sites.learning.network_watch import NetworkWatch
from bridge.sites.learning.observation import SeenControls, SeenTurn
from bridge.sites.learning.operator import Operator
from bridge.sites.learning.page_findings import LoginSigns, NewChat, page_findings
from bridge.sites.learning.page_watch import PageWatch
from bridge.sites.learning.prompt_request import failed_send, is_exact

PERSON_LIMIT = 900.0
"""Seconds that a person has to sign in and to send the prompt."""
MORE_PROMPTS = 2
"""The most further prompts that are sent to see a stop button a second time."""
LOAD_LIMIT = 60.0
LOOK_EVERY = 0.1
REFUSAL = Finding(
    "refusals",
    {"kind": "login", "status": [401]},
    Certainty.GUESSED,
    "never seen here; 403, 429, 5xx and web pages are understood without a rule, the site's own words are not",
)
SETTLE = 2.0
"""Seconds that a page has to show whether the account is signed in."""


@asynccontextmanager
async def watched_page(context: BrowserContext, url: str) -> AsyncGenerator[ChatTrial]:
    """Open a page whose network is watched from the first request."""
    async with within(LOAD_LIMIT, f"{url} did not load"):
        page = await context.new_page()
        network = NetworkWatch(TabSession(await context.new_cdp_session(page), LOAD_LIMIT))
        await network.start()
        await loaded(page, url, LOAD_LIMIT)
    try:
        yield ChatTrial(page, origin_of(url), network)
    finally:
        await network.close()


async def chat_twice(trial: ChatTrial, operator: Operator) -> None:
    """Hold two turns of one conversation; a person sends the first prompt, unless the bridge does."""
    await _first_turn(trial, operator)
    if failure := await asyncio.to_thread(failed_send, trial.turns[-1]):
        raise SetupError(f"The page's request with the prompt failed ({failure}), so there is nothing to learn from.")
    operator.say("The first answer is over. Typing a second prompt into the same chat ...")
    await trial.chat(with_code())
    for filling in trial.other_fillings():
        if await asyncio.to_thread(is_exact, trial.turns[-1]):
            break
        operator.say("The page altered the prompt. Typing another prompt in another way ...")
        trial.learned.filling = filling
        await trial.chat(with_code())
    for _ in range(MORE_PROMPTS):
        if trial.learned.stop_button:
            break
        operator.say("Typing one more prompt, to find the stop button ...")
        await trial.chat(to_be_typed())
        if not trial.learned.stops:
            break


async def _first_turn(trial: ChatTrial, operator: Operator) -> None:
    """Hold the first turn: a person sends the prompt on the page that is handed over, or lets the bridge send it."""
    canary, began = to_be_typed(), time.monotonic()
    if not operator.wants_sending:
        operator.hand_over(trial.watch.page, canary.prompt)
    try:
        async with asyncio.timeout(PERSON_LIMIT):
            before = await _sent_by_person(trial, operator, canary, began)
    except TimeoutError as error:
        raise SiteTimeout(
            f"Nobody sent the prompt within {PERSON_LIMIT / 60:g} minutes; nothing was written."
        ) from error
    operator.take_back()
    if before is None:
        operator.say("Typing a first prompt into the page ...")
        await trial.chat(canary)
        return
    operator.say("The prompt is sent. Waiting for the end of its answer ...")
    await trial.notice_sending()
    await trial.finish(canary, began, before)


async def _sent_by_person(trial: ChatTrial, operator: Operator, canary: Canary, began: float) -> str | None:
    """Return the address at which a person typed the prompt, once it is sent; None if the bridge has to send it."""
    box_seen, before = False, trial.watch.page.url
    while not trial.is_sent(canary, began):
        if trial.watch.page.is_closed():
            raise BrowserError("The window was closed before the prompt was sent.")
        if operator.wants_sending:
            if await _takes_prompts(trial):
                return None
            operator.no_text_box()
        if not box_seen and trial.elements.is_on_site(trial.watch.page.url):
            box_seen, before = await trial.notice_typing(canary), trial.watch.page.url
        await asyncio.sleep(LOOK_EVERY)
    return before


async def _takes_prompts(trial: ChatTrial) -> bool:
    """Tell whether the page belongs to the site and shows a text box, but no sign-in form."""
    page, origin = trial.watch.page, trial.elements.origin
    return trial.elements.is_on_site(page.url) and (await page_state(page, origin)).has_box


async def try_controls(trial: ChatTrial, url: str, operator: Operator) -> tuple[tuple[SeenTurn, ...], SeenControls]:
    """Try the switches and the choice of a model; return the turns before that, and the results."""
    plain = tuple(trial.turns)
    models = (await asyncio.to_thread(read_wire, plain)).ids.models

    async def new_chat() -> None:
        await loaded(trial.watch.page, url, LOAD_LIMIT)
        await trial.wait_for_box()

    return plain, await ControlTrial(trial, operator).run(models, new_chat)


async def find_new_chat(trial: ChatTrial, url: str) -> NewChat:
    """Load the address and check whether it shows an empty chat; else try the buttons named as a new chat."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    looks = new_chat_buttons(await trial.watch.looks())
    await loaded(trial.watch.page, url, LOAD_LIMIT)
    await trial.wait_for_box()
    if await trial.shows_nothing():
        return NewChat(path, is_empty=True)
    for look in looks:
        if (element := await trial.watch.element("element", look.number)) is None:
            continue
        async with held(element):
            selectors = await trial.watch.lasting(element)
        if selectors and await trial.elements.click(selectors):
            await trial.wait_for_box()
            if await trial.shows_nothing():
                return NewChat(path, is_empty=False, buttons=selectors)
    return NewChat(path, is_empty=False)


async def page_state(page: Page, origin: str) -> PageState:
    """Return what a page shows and stores, after the time it has to show whether the account is signed in."""
    await asyncio.sleep(SETTLE)
    watch = PageWatch(page, origin)
    await watch.mark(0, BEFORE)
    cookies = await page.context.cookies()
    return PageState(
        page.url,
        bool(await watch.elements("editables")) and not await watch.count("input[type='password']"),
        bool(await watch.count("input[type='password']")),
        tuple(look.element for look in await watch.looks()),
        frozenset(map(str, await watch.ask("stored") or [])),
        frozenset(str(cookie.get("name")) for cookie in cookies),
    )


async def signed_out_state(context: BrowserContext, url: str) -> PageState:
    """Open the page in a new context, and return what it shows there."""
    async with within(2 * LOAD_LIMIT, f"{url} did not load in a fresh browser"):
        page = await context.new_page()
        await loaded(page, url, LOAD_LIMIT)
        return await page_state(page, origin_of(page.url))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed on a site, besides what the trial itself learned about its page."""

    plain: tuple[SeenTurn, ...]
    """The turns before any control was tried."""
    controls: SeenControls
    new_chat: NewChat
    login: LoginSigns


async def findings(trial: ChatTrial, name: str, url: str, seen: Seen) -> list[Finding]:
    """Derive all fields of the site file from the observations, off the event loop."""
    title = str(await trial.watch.page.title())[:60]
    return await asyncio.to_thread(_findings, trial.learned, name, title, url, seen)


def _findings(learned: Learned, name: str, title: str, url: str, seen: Seen) -> list[Finding]:
    host, turns = urlsplit(url).netloc, seen.plain
    if not turns:
        raise SetupError("There was no chat, so there is nothing to learn from.")
    wire = read_with(turns, [switch.turn for switch in seen.controls.switches])
    calls = [one.call for one in wire.prompts] + ([wire.answer.stream.call] if wire.answer else [])
    hosts = sorted({urlsplit(call.url).hostname or "" for call in calls if urlsplit(call.url).netloc != host})
    page = page_findings(name, title, url, learned, seen.new_chat, seen.login, wire.ids, hosts)
    controls = control_fields(name, seen.controls, wire, turns)
    own = controls.without(wire_findings(wire, host))
    only = Finding("models", {"id": name}, Certainty.GUESSED, "the page's own choice of a model is left as it is")
    return [*page, *(controls.models or (only,)), *own, *controls.findings, REFUSAL]
