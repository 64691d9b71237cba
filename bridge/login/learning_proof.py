"""Tests a learned site file with three chats through its driver, one of them stopped.

If it has switches or several models, one more chat uses the last model with all switches on.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from bridge.browser.browser import Chromium
from bridge.chat.types import ChatEvent, ChatRequest, Message, Model, Text
from bridge.errors import BridgeError, SiteChanged
from bridge.settings import PageSettings
from bridge.sites.guarded_page import retried
from bridge.sites.known_sites import load_driver
from bridge.sites.learning.canary import Canary, long, to_be_typed, with_code
from bridge.sites.learning.letters import letters, overlap
from bridge.sites.learning.operator import Operator
from bridge.storage.profiles import Profile
from bridge.telemetry import Telemetry, Timeline
from bridge.worker.worker import Worker

SAME = 0.9
"""Share of the answer that the page must show, or that must match the text that the prompt asked for."""
SHOWN_LIMIT = 10.0
"""Seconds until the page shows all of an answer: it may reload after the first one."""
STOP_LIMIT = 20.0
LOOK_EVERY = 0.2
PAGE_TEXT = """() => {
  const below = node => [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes];
  const text = node => node.nodeType === Node.TEXT_NODE ? node.data
    : node.nodeType === Node.COMMENT_NODE ? "" : below(node).map(text).join("\\n");
  return text(document.body).slice(0, 400000);
}"""


class Proof(NamedTuple):
    """The result of one test chat."""

    name: str
    failure: str
    """Empty if it succeeded."""


async def prove(chromium: Chromium, settings: PageSettings, profile: Profile, operator: Operator) -> list[Proof]:
    """Send the test chats through the site file that the profile names; keep none of their texts."""
    tests = list(TESTS)
    proofs: list[Proof] = []

    def note(name: str, failure: str) -> None:
        proofs.append(Proof(name, failure))
        operator.show_proof(name, failure)

    try:
        # reads the file off the event loop; the worker then finds it in the cache
        await asyncio.to_thread(load_driver, profile.site, settings.folders.site_files)
        worker = Worker(profile, None, chromium, settings, Telemetry())
        async with worker.opened():
            if _usual(worker) != _unusual(worker):
                tests.insert(-1, UNUSUAL)
            for name, test in tests:
                operator.say(f"Testing the site file: {name} ...")
                note(name, await _outcome(test(worker)))
    except BridgeError as error:
        for name, _ in tests[len(proofs) :]:
            note(name, error.message)
    return proofs


async def _outcome(test: Awaitable[str]) -> str:
    try:
        return await test
    except BridgeError as error:
        return error.message


async def _long(worker: Worker) -> str:
    return await _whole(worker, long())


async def _coded(worker: Worker) -> str:
    return await _whole(worker, with_code())


async def _whole(worker: Worker, canary: Canary, model: Model | None = None) -> str:
    """Return what is wrong with the answer to a prompt, or an empty text: it must match what the page shows."""
    text = "".join([event.text async for event in _events(worker, canary, model) if isinstance(event, Text)])
    said = letters(text)
    if not said:
        return "the answer had no text"
    if overlap(said, letters(canary.wanted)).share >= SAME:
        return ""
    shown, end = 0.0, asyncio.get_running_loop().time() + SHOWN_LIMIT
    while shown < SAME and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(LOOK_EVERY)
        shown = overlap(letters(await _page_text(worker)), said).share
    return "" if shown >= SAME else f"the page shows {shown:.0%} of the answer that was read"


async def _switched(worker: Worker) -> str:
    """Chat with the last model and all its switches on; the gate checks the request for them.

    A page that was still loading may have reset a switch; then nothing was sent, and the prompt is tried again.
    """
    try:
        return await _whole(worker, to_be_typed(), _unusual(worker))
    except SiteChanged as error:
        if error.sent:
            raise
        return await _whole(worker, to_be_typed(), _unusual(worker))


async def _stopped(worker: Worker) -> str:
    """Stop an answer after its first text; the page must then stop generating, and take another prompt."""
    async with _leaving(worker, long()) as events:
        async for event in events:
            if isinstance(event, Text):
                break
    session = worker.shown
    if session is None:
        return "the page was lost"
    end = asyncio.get_running_loop().time() + STOP_LIMIT
    while await session.driver.is_generating():
        if asyncio.get_running_loop().time() > end:
            return "the page still shows that it is answering"
        await asyncio.sleep(LOOK_EVERY)
    return await _whole(worker, to_be_typed())


@asynccontextmanager
async def _leaving(worker: Worker, canary: Canary) -> AsyncGenerator[AsyncGenerator[ChatEvent]]:
    async with aclosing(_events(worker, canary)) as events:
        yield events


def _usual(worker: Worker) -> Model:
    return worker.models[0]


def _unusual(worker: Worker) -> Model:
    last = worker.models[-1]
    return replace(last, thinking=last.can_think, search=last.can_search)


async def _events(worker: Worker, canary: Canary, model: Model | None = None) -> AsyncGenerator[ChatEvent]:
    request = ChatRequest(uuid.uuid4().hex, model or _usual(worker), (Message("user", canary.prompt),))
    async with aclosing(worker.chat(request, Timeline(request.id, worker.name))) as events:
        async for event in events:
            yield event
    await asyncio.sleep(0)


async def _page_text(worker: Worker) -> str:
    session = worker.shown
    return "" if session is None else str(await retried(lambda: session.page.evaluate(PAGE_TEXT)))


TESTS = (
    ("a long answer", _long),
    ("lines, other scripts and code", _coded),
    ("an answer that is stopped", _stopped),
)
UNUSUAL = ("other switches and another model", _switched)
