"""An answer by an `EventSource` that was cut goes on when that connects again, if its frames can be told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from aiohttp import web

from bridge.browser.browser import Chromium
from bridge.telemetry import WorkerState
from tests.support.hostile import states
from tests.support.one_page_sites import HEAD, TEXT_UNTIL_END, served
from tests.support.small_site import bridged, changed

Cut = Literal["breaks", "ends"]
PAGE = """<!doctype html><title>Events</title><textarea id="box"></textarea><button id="stop" hidden>Stop</button>
<script>
const box = document.getElementById("box"), stop = document.getElementById("stop");
box.onkeydown = async event => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  const prompt = box.value;
  box.value = "";
  stop.hidden = false;
  await fetch("/prompt", {method: "POST", body: JSON.stringify({prompt})});
  const events = new EventSource("/events");
  stop.onclick = () => { events.close(); stop.hidden = true; };
  events.onmessage = message => { if (JSON.parse(message.data).end) stop.onclick(); };
};
</script>"""
FILE = (
    HEAD
    + """
[composer]
box = ["#box"]
stop_button = ["#stop"]

[request]
path = "/prompt"
prompt = ["prompt"]

[answer]
framing = "sse"
call = { path = "/events", method = "GET" }
dedupe = "number"
"""
    + TEXT_UNTIL_END
)
WORDS = ("One ", "two ", "three ", "four ", "five.")


class EventSite:
    """The site; each of `cuts` is how a connection ends, once it has given two more words."""

    def __init__(self, *cuts: Cut) -> None:
        self.cuts = list(cuts)
        self.url = ""
        self.asked: list[str] = []
        """From which event on each connection has asked."""

    async def prompt(self, _: web.Request) -> web.Response:
        """Take a prompt."""
        return web.json_response({})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Give the answer from the word before that which was asked for, as a careful site does."""
        last = request.headers.get("Last-Event-ID", "0")
        self.asked.append(last)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 50\n\n")
        for number in range(max(int(last), 1), len(WORDS) + 1):
            document: dict[str, Any] = {"number": number, "text": WORDS[number - 1]}
            await response.write(f"id: {number}\ndata: {json.dumps(document)}\n\n".encode())
            if self.cuts and number >= int(last) + 2:
                if self.cuts.pop(0) == "breaks":
                    await asyncio.sleep(0.1)  # else the browser drops what it has with the connection
                    assert request.transport is not None
                    request.transport.abort()
                return response
        await response.write(f"data: {json.dumps({'number': 99, 'end': True})}\n\n".encode())
        await asyncio.Event().wait()
        return response


@asynccontextmanager
async def event_site(*cuts: Cut) -> AsyncGenerator[EventSite]:
    """Run the site on a free port."""
    site = EventSite(*cuts)
    async with served(PAGE, {"POST /prompt": site.prompt, "GET /events": site.events}) as site.url:
        yield site


@pytest.mark.parametrize("cuts", [("breaks",), ("ends",), ("ends", "breaks")])
async def test_an_event_source_that_connects_again_goes_on_with_its_answer(
    tmp_path: Path, chromium: Chromium, cuts: tuple[Cut, ...]
) -> None:
    async with event_site(*cuts) as site, bridged(tmp_path, site, chromium, FILE) as run:
        assert await run.ask("Count") == "".join(WORDS)
        assert site.asked == ["0", "2", "4"][: len(cuts) + 1]


@pytest.mark.parametrize("cut", ["breaks", "ends"])
async def test_an_event_source_whose_frames_cannot_be_told_apart_breaks_off(
    tmp_path: Path, chromium: Chromium, cut: Cut
) -> None:
    file = changed(('dedupe = "number"\n', ""), file=FILE)
    async with event_site(cut) as site, bridged(tmp_path, site, chromium, file) as run:
        with pytest.raises(openai.APIStatusError, match=r"broke off|was cut"):
            await run.ask("Count")
        assert await run.ask("Count") == "".join(WORDS)
        assert WorkerState.BROKEN not in states(run.facts)
