"""Three clients for the same stream: plain HTTP (the floor), a hand-written Playwright script, and the bridge.

Each token carries the time at which the site sent it, so its delay is what the client's way adds.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from playwright.async_api import Browser, Page, async_playwright

from bridge.bench.measured_processes import Served, Site
from bridge.browser import chromium
from bridge.errors import SetupError
from bridge.settings import BrowserSettings

STAMP = re.compile(r"(\d+)@(\d+\.\d{6}) ")
LOOK_EVERY = 0.05
PUT = """prompt => {
  const box = document.querySelector("textarea");
  box.focus();
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, prompt);
  box.dispatchEvent(new InputEvent("input", {bubbles: true}));
}"""

Say = Callable[[str], None]
"""Prints which measurement runs."""


@dataclass(slots=True)
class StreamTimes:
    """The times of one stream: the delay of each token in seconds, and Unix times of its steps."""

    asked: float
    first: float = 0.0
    ended: float = 0.0
    last_sent: float = 0.0
    chunks: int = 0
    name: str = ""
    delays: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note the next piece of the answer."""
        now = time.time()
        self.first = self.first or now
        self.chunks += 1
        for number, sent in STAMP.findall(text):
            self.numbers.append(int(number))
            self.last_sent = float(sent)
            self.delays.append(now - self.last_sent)


class Way(Protocol):
    """A client that reads a stream."""

    async def stream(self, account: str, prompt: str) -> StreamTimes:
        """Send a prompt as `account` and read the whole answer."""
        ...


class Direct:
    """Plain HTTP to a demo site whose checks are off."""

    def __init__(self, http: aiohttp.ClientSession, site: Site, tokens: dict[str, str]) -> None:
        self._http = http
        self._site = site
        self._tokens = tokens

    async def stream(self, account: str, prompt: str) -> StreamTimes:
        """Send a prompt to the site's own API."""
        headers = {"authorization": f"Bearer {self._tokens[account]}"}
        api = f"{self._site.url}/api/v0"
        async with self._http.post(f"{api}/chat_session/create", json={}, headers=headers) as answer:
            session = (await answer.json())["data"]["biz_data"]["chat_session"]["id"]
        body = {
            "chat_session_id": session,
            "parent_message_id": None,
            "model_type": "default",
            "prompt": prompt,
            "ref_file_ids": [],
            "thinking_enabled": False,
            "search_enabled": False,
            "action": None,
            "preempt": False,
        }
        times = StreamTimes(time.time())
        async with self._http.post(f"{api}/chat/completion", json=body, headers=headers) as answer:
            async for data in answer.content.iter_any():
                times.add(data.decode("utf-8", "replace"))
        times.ended = time.time()
        return times


class Bridged:
    """The bridge's endpoint; any account answers."""

    def __init__(self, http: aiohttp.ClientSession, served: Served) -> None:
        self._http = http
        self._served = served

    async def stream(self, account: str, prompt: str, **more: Any) -> StreamTimes:
        """Send a prompt to the bridge."""
        body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": prompt}], "stream": True, **more}
        times = StreamTimes(time.time())
        url = f"{self._served.url}/v1/chat/completions"
        async with self._http.post(url, json=body, headers=self._served.headers) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    chunk = json.loads(line[6:])
                    times.name = chunk["id"]
                    choices = chunk["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        times.add(text)
        times.ended = time.time()
        return times

    async def leave(self, prompt: str, after: int) -> float:
        """Send a prompt, and disconnect after `after` chunks; return the Unix time of that."""
        body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": prompt}], "stream": True}
        url = f"{self._served.url}/v1/chat/completions"
        async with self._http.post(url, json=body, headers=self._served.headers) as answer:
            answer.raise_for_status()
            left = after
            async for line in answer.content:
                left -= line.startswith(b"data: {")
                if not left:
                    answer.close()
                    return time.time()
        raise SetupError("The answer ended before the client could leave.")


class Scripted:
    """A script as a user would write it: types into the page, and polls its text."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages = pages

    async def send(self, account: str, prompt: str) -> float:
        """Put a prompt into a new chat in the fastest possible way, and send it; return the Unix time before that."""
        page = await self._fresh(account)
        await asyncio.sleep(LOOK_EVERY)
        asked = time.time()
        await page.evaluate(PUT, prompt)
        await page.keyboard.press("Enter")
        return asked

    async def _fresh(self, account: str) -> Page:
        page = self._pages[account]
        await page.goto(page.url.split("/a/")[0], wait_until="load")
        await page.locator("textarea").wait_for()
        return page

    async def stream(self, account: str, prompt: str) -> StreamTimes:
        """Send a prompt through the page."""
        page = await self._fresh(account)
        box = page.locator("textarea")
        times = StreamTimes(time.time())
        await box.fill(prompt)
        await box.press("Enter")
        known = ""
        while not times.ended:
            text = " ".join(await page.locator(".ds-markdown").all_inner_texts())
            if len(text) > len(known):
                times.add(text[len(known.rstrip()) :].lstrip() + " ")
                known = text
            elif known and not await page.locator("path[d^='M2 4.88']").count():
                times.ended = time.time()
            await asyncio.sleep(LOOK_EVERY)
        return times


@asynccontextmanager
async def scripted(site: Site, accounts: list[str]) -> AsyncGenerator[Scripted]:
    """Open a page for each account in a Chromium with Playwright's defaults."""
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(
            executable_path=chromium.find(BrowserSettings()), chromium_sandbox=chromium.sandboxed(BrowserSettings())
        )
        pages = {}
        for name in accounts:
            state = await site.control("POST", f"/accounts/{name}/session")
            page = await browser.new_page(storage_state=state)
            await page.goto(site.url)
            pages[name] = page
        yield Scripted(pages)
        await browser.close()


async def tokens_of(site: Site, accounts: Sequence[str]) -> dict[str, str]:
    """Return the accounts' bearer tokens."""
    tokens = {}
    for name in accounts:
        state = await site.control("POST", f"/accounts/{name}/session")
        items = {item["name"]: item["value"] for item in state["origins"][0]["localStorage"]}
        tokens[name] = json.loads(items["userToken"])["value"]
    return tokens


def directive(**script: Any) -> str:
    """Return the part of a prompt that tells the demo site what to answer."""
    return f"[[demo {json.dumps(script)}]]"


async def together(way: Way, accounts: list[str], prompt: str) -> list[StreamTimes]:
    """Run one stream for each account at the same time."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(way.stream(account, prompt)) for account in accounts]
    return [task.result() for task in running]
