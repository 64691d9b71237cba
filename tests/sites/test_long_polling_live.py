"""A page that polls for its answer is driven by a site file alone: each response brings one event, or none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web

from bridge.browser.browser import Chromium
from tests.support.one_page_sites import HEAD, TEXT_UNTIL_END, served
from tests.support.small_site import TURN, bridged, changed
from tests.support.waiting import until

PAGE = """<!doctype html><title>Polls</title><textarea id="box"></textarea><button id="stop" hidden>Stop</button>
<script>
const box = document.getElementById("box"), stop = document.getElementById("stop");
let seen = 0, mine = "";
const poll = async () => {
  for (;;) {
    const answer = await fetch(`/poll?after=${seen}`);
    if (!answer.ok) { stop.hidden = true; continue; }
    const event = await answer.json();
    seen = event.number ?? seen;
    if (event.end && event.turn === mine) stop.hidden = true;
  }
};
poll();
const post = (path, body) => fetch(path, {method: "POST", body: JSON.stringify(body)});
stop.onclick = () => { stop.hidden = true; post("/stop", {}); };
box.onkeydown = async event => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  const prompt = box.value;
  box.value = "";
  stop.hidden = false;
  mine = crypto.randomUUID();
  await post("/prompt", {prompt, turn: mine});
};
</script>"""
FILE = (
    HEAD
    + """
[login]
guest = true

[composer]
box = ["#box"]
stop_button = ["#stop"]

[request]
path = "/prompt"
prompt = ["prompt"]

[answer]
framing = "json"
call = { path = "/poll", method = "GET" }
polled = true
opened = "before"
is_for = "turn"
is_for_request = "turn"
"""
    + TEXT_UNTIL_END
)
WORDS = ("One ", "two ", "three — 数🚀 ", "four ", "five.")
HUSHED = TURN.model_copy(update={"silence": 2})


class PollingSite:
    """The site: what it tells, numbered, to whoever asks for what came after a number."""

    def __init__(self) -> None:
        self.url = ""
        self.tasks = asyncio.TaskGroup()
        self.told: list[dict[str, Any]] = []
        self.prompts: list[str] = []
        self.polls = 0
        self.stops = 0
        self.fails_next = False
        self.others = False
        """Whether another tab is answered at the same time."""
        self.go_on = asyncio.Event()
        """Set where an answer goes on behind its second word."""
        self.go_on.set()
        self._more = asyncio.Condition()

    async def tell(self, **event: Any) -> None:
        """Tell everybody who waits."""
        async with self._more:
            self.told.append({"number": len(self.told) + 1, **event})
            self._more.notify_all()

    async def poll(self, request: web.Request) -> web.Response:
        """Give the next event, once there is one, or nothing after a moment."""
        self.polls += 1
        after = int(request.query["after"])
        try:
            async with asyncio.timeout(0.2), self._more:
                await self._more.wait_for(lambda: len(self.told) > after or self.fails_next)
        except TimeoutError:
            return web.json_response({})
        if self.fails_next:
            self.fails_next = False
            return web.json_response({"detail": "restarted"}, status=503)
        return web.json_response(self.told[after])

    async def prompt(self, request: web.Request) -> web.Response:
        """Take a prompt, and begin to answer it."""
        sent = json.loads(await request.text())
        self.prompts.append(sent["prompt"])
        self.tasks.create_task(self._answer(sent["turn"]))
        return web.json_response({"queued": True})

    async def _answer(self, turn: str) -> None:
        for number, word in enumerate(WORDS):
            if number == 2:
                await self.go_on.wait()
            if self.others:
                await self.tell(turn="another tab's", text="not for you ")
            await self.tell(turn=turn, text=word)
        await self.tell(turn=turn, end=True)

    async def stop(self, _: web.Request) -> web.Response:
        """Note that the page was stopped."""
        self.stops += 1
        return web.json_response({})


@asynccontextmanager
async def polling_site() -> AsyncGenerator[PollingSite]:
    """Run the site on a free port."""
    site = PollingSite()
    calls = {"GET /poll": site.poll, "POST /prompt": site.prompt, "POST /stop": site.stop}
    async with site.tasks, served(PAGE, calls) as site.url:
        yield site
        site.go_on.set()


async def test_an_answer_in_many_polls_is_whole_turn_after_turn_and_has_nothing_of_others(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with polling_site() as site, bridged(tmp_path, site, chromium, FILE) as run:
        site.others = True
        for prompt in ("Count", "Once more"):
            assert await run.ask(prompt) == "".join(WORDS)
        assert site.prompts == ["Count", "Once more"]
        assert site.polls > len(site.prompts) * len(WORDS) * 2


async def test_a_piece_is_passed_on_while_the_site_still_writes_and_empty_polls_end_nothing(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with polling_site() as site, bridged(tmp_path, site, chromium, FILE) as run:
        site.go_on.clear()
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": "Count"}], stream=True
        )
        said = ""
        async for chunk in stream:
            said += chunk.choices[0].delta.content or "" if chunk.choices else ""
            if said == "".join(WORDS[:2]) and not site.go_on.is_set():
                polls = site.polls
                await until(lambda before=polls: site.polls > before + 2)  # type: ignore[misc]
                site.go_on.set()
        assert said == "".join(WORDS)


async def test_a_client_that_leaves_has_the_stop_button_pressed_and_the_next_chat_is_whole(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with polling_site() as site, bridged(tmp_path, site, chromium, FILE) as run:
        site.go_on.clear()
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": "Count"}], stream=True
        )
        await anext(aiter(stream))
        await stream.close()
        await until(lambda: site.stops == 1)
        site.go_on.set()
        await until(lambda: site.told[-1].get("end"))
        assert await run.ask("And now?") == "".join(WORDS)


async def test_an_answer_that_never_ends_is_told(tmp_path: Path, chromium: Chromium) -> None:
    async with polling_site() as site, bridged(tmp_path, site, chromium, FILE, turn=HUSHED) as run:
        site.go_on.clear()
        with pytest.raises(openai.APIStatusError) as silent:
            await run.ask("Count")
        assert (silent.value.status_code, silent.value.code) == (504, "site_timeout")


async def test_a_poll_that_fails_in_the_middle_ends_the_answer(tmp_path: Path, chromium: Chromium) -> None:
    async with polling_site() as site, bridged(tmp_path, site, chromium, FILE) as run:
        site.go_on.clear()
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": "Count"}], stream=True
        )
        await anext(aiter(stream))
        site.fails_next = True
        with pytest.raises(openai.APIError, match="HTTP 503"):
            await anext(chunk async for chunk in stream if chunk.choices[0].finish_reason)


async def test_a_poll_that_is_not_said_to_be_one_is_an_answer_that_was_cut(tmp_path: Path, chromium: Chromium) -> None:
    file = changed(("polled = true\n", ""), file=FILE)
    async with polling_site() as site, bridged(tmp_path, site, chromium, file) as run:
        with pytest.raises(openai.APIStatusError, match="was cut"):
            await run.ask("Count")
