"""The driver on pages that it has never seen: written by hand, each different from the known one in its own ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from openai import APIStatusError, AsyncOpenAI

from bridge.app import running
from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.log import log_fact
from bridge.settings import ConversationSettings, PoolSettings, TurnSettings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerState
from tests.support.listening import listening
from tests.support.live import QUICK_SITE, Facts, Live, directive, live, served, settings_for
from tests.support.sdk import sdk
from tests.support.stress import stress
from tests.support.waiting import LIMIT, until

PAGES = Path(__file__).parent.parent / "pages"
TURN = TurnSettings(ready=60, submit=6, first_byte=20, silence=30, stop=10)
LACKING = TURN.model_copy(update={"ready": 12})
"""The page lacks what makes it ready, and is given up when this is over."""
LONG = "[long]"
THINK = '<span role="switch" aria-checked="false" aria-label="DeepThink">R1</span>'
SEARCH = '<span role="switch" aria-checked="true" aria-label="Search">Web</span>'
BOX = '<div><textarea id="chat-input" placeholder="有问题，尽管问"></textarea></div>'
SENDS = "send(prompt, on, id => `/a/chat/s/${id}`, shown(row));"


@dataclass
class Backend:
    """A site of one page, which says back what it is told."""

    page: str
    url: str = ""
    without: str = ""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve the page at whatever address it likes."""
        if request.path == "/chat.js":
            return web.Response(text=(PAGES / "chat.js").read_text("utf-8"), content_type="text/javascript")
        if request.path in ("/agreed", "/stopped"):
            self.received.append((request.path, {}))
        text = (PAGES / self.page).read_text("utf-8")
        if self.without:
            assert self.without in text
            text = text.replace(self.without, "")
        return web.Response(text=text, content_type="text/html")

    async def create(self, _: web.Request) -> web.Response:
        """Begin a conversation."""
        return web.json_response(
            {"code": 0, "data": {"biz_code": 0, "biz_data": {"chat_session": {"id": str(uuid4())}}}}
        )

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer; a long answer only in part."""
        body = await self._note(request)
        text = answer_to(body["prompt"])
        half = len(text) // 2 if LONG in body["prompt"] else len(text)
        return stream(text[:3], text[3:half], "INCOMPLETE" if LONG in body["prompt"] else "FINISHED")

    async def go_on(self, request: web.Request) -> web.Response:
        """Answer the rest: at first one character of it, then all."""
        await self._note(request)
        prompt = next(body["prompt"] for path, body in reversed(self.received) if path.endswith("completion"))
        text, is_first = answer_to(prompt), self.received[-2][0].endswith("completion")
        half = len(text) // 2
        if is_first:
            return stream(text[:half], text[half : half + 1], "INCOMPLETE")
        return stream(text[: half + 1], text[half + 1 :], "FINISHED")

    async def _note(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.received.append((request.path, body))
        return body


def answer_to(prompt: str) -> str:
    return f"You said «{prompt}», and that is all."


def stream(known: str, rest: str, status: str) -> web.Response:
    """Return an answer in the site's own form; `known` stands in the snapshot."""
    fragment = {"id": 2, "type": "RESPONSE", "content": known, "references": [], "stage_id": 1}
    message = {"message_id": 2, "parent_id": 1, "role": "ASSISTANT", "status": "WIP", "fragments": [fragment]}
    frames: list[tuple[str, Any]] = [
        ("ready", {"request_message_id": 1, "response_message_id": 2}),
        ("", {"v": {"response": message}}),
        ("", {"p": "response/fragments/-1/content", "o": "APPEND", "v": rest}),
        ("", {"p": "response/status", "o": "SET", "v": status}),
        ("close", {"click_behavior": "none", "auto_resume": False}),
    ]
    text = "".join(f"{f'event: {name}{chr(10)}' if name else ''}data: {json.dumps(data)}\n\n" for name, data in frames)
    return web.Response(text=text, content_type="text/event-stream")


@dataclass
class Run:
    """The bridge in front of such a page."""

    backend: Backend
    client: AsyncOpenAI
    facts: Facts
    folder: Path

    async def ask(self, prompt: str, model: str = "deepseek-chat") -> str:
        """Return the whole answer."""
        answer = await self.client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}])
        return answer.choices[0].message.content or ""

    def switches(self) -> list[tuple[bool, bool]]:
        """Return how the switches stood in what reached the site."""
        bodies = [body for path, body in self.backend.received if path.endswith("completion")]
        return [(body["thinking_enabled"], body["search_enabled"]) for body in bodies]


@asynccontextmanager
async def bridge_to(
    folder: Path, chromium: Chromium, page: str, without: str = "", *, ready: bool = True
) -> AsyncGenerator[Run]:
    backend = Backend(page, without=without)
    app = web.Application()
    app.add_routes(
        [
            web.post("/api/v0/chat_session/create", backend.create),
            web.post("/api/v0/chat/completion", backend.complete),
            web.post("/api/v0/chat/continue", backend.go_on),
            web.get("/{path:.*}", backend.serve),
        ]
    )
    async with listening(app) as backend.url:
        pool, native = PoolSettings(min_interval=0, queue_limit=3), ConversationSettings(enabled=False)
        settings = settings_for(folder, turn=TURN if ready else LACKING, pool=pool, conversations=native)
        profile = Profile(name="alice", site="deepseek", url=backend.url, storage_state={"cookies": [], "origins": []})
        ProfileStore(settings.profiles, load_identity(settings.key_source)).save(profile)
        facts = Facts()
        async with running(settings, Telemetry(facts, log_fact), chromium) as bridge:
            key = KeyFile(settings.config).keys()[0]
            async with sdk(f"{bridge.url}/v1", key) as client:
                await facts.state("alice", WorkerState.READY if ready else WorkerState.BROKEN)
                yield Run(backend, client, facts, folder)


async def test_real_buttons_another_text_box_and_a_cookie_banner_are_no_hindrance(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with bridge_to(tmp_path, chromium, "buttons.html") as run:
        for prompt in ("Bonjour", "  encore\nune fois  "):
            assert await run.ask(prompt) == answer_to(prompt.strip())
        assert run.switches() == [(False, False)] * 2


async def test_what_comes_over_the_page_in_mid_click_is_sent_away_and_not_clicked_through(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with bridge_to(tmp_path, chromium, "terms.html") as run:
        assert await run.ask("Hello", "deepseek-reasoner-search") == answer_to("Hello")
        assert run.switches() == [(True, True)]
        assert "/agreed" not in [path for path, _ in run.backend.received]


async def test_what_a_page_still_generates_by_itself_is_stopped_when_it_takes_no_prompt_for_that(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with bridge_to(tmp_path, chromium, "generating.html") as run:
        with pytest.raises(APIStatusError) as refused:
            await run.ask("Hello")
        assert (refused.value.status_code, refused.value.code) == (503, "site_busy")
        # The page tells its server by a request of its own, which nobody waits for.
        await until(lambda: "/stopped" in [path for path, _ in run.backend.received])
        assert run.switches() == []


async def test_a_page_that_loses_the_prompt_and_computes_for_seconds_sends_it_once(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with bridge_to(tmp_path, chromium, "hydrated.html") as run:
        assert await run.ask("Hola", "deepseek-reasoner") == answer_to("Hola")
        assert await run.ask("otra vez", "deepseek-search") == answer_to("otra vez")
        assert run.switches() == [(True, False), (False, True)]


async def test_a_page_deaf_to_enter_is_sent_by_its_button_and_its_long_answers_are_continued(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with bridge_to(tmp_path, chromium, "deaf.html") as run:
        assert await run.ask("你好", "deepseek-r1-search") == answer_to("你好")
        assert await run.ask(f"说长一点 {LONG}") == answer_to(f"说长一点 {LONG}")
        assert run.switches() == [(True, True), (False, False)]
        assert [path.rpartition("/")[2] for path, _ in run.backend.received][2:] == ["continue", "continue"]


@pytest.mark.parametrize(
    ("without", "model", "says"),
    [
        (THINK, "deepseek-reasoner", "switch for DeepThink"),
        *stress((SEARCH, "deepseek-search", "switch for Search")),
    ],
)
async def test_a_switch_that_is_gone_is_named_by_the_error(
    tmp_path: Path, chromium: Chromium, without: str, model: str, says: str
) -> None:
    async with bridge_to(tmp_path, chromium, "hydrated.html", without) as run:
        with pytest.raises(APIStatusError, match=says) as caught:
            await run.ask("Hola", model)
        assert (caught.value.status_code, caught.value.code) == (502, "site_changed")
        assert run.backend.received == []


@pytest.mark.parametrize(
    ("control", "model", "deaf", "says"),
    [
        ("send", "deepseek-chat", True, "Neither Enter nor the send button"),
        ("thinking", "deepseek-reasoner", False, "'switch for DeepThink' was not found"),
        *stress(("search", "deepseek-search", False, "'switch for Search' was not found")),
        ("search", "deepseek-chat", False, "'switch for Search' was not found"),  # it is on and must be switched off
    ],
)
async def test_a_control_that_became_something_else_is_named_within_the_limit_of_a_turn(
    tmp_path: Path, chromium: Chromium, control: str, model: str, deaf: bool, says: str
) -> None:
    async with with_unknown(control, tmp_path, chromium) as run:
        if deaf:
            run.account().fault("enter_ignored", None)
            await run.account().pages_informed()
        async with asyncio.timeout(TURN.ready + TURN.submit):
            with pytest.raises(APIStatusError, match=says) as caught:
                await run.ask("hello", model)
        assert (caught.value.status_code, caught.value.code) == (502, "site_changed")
        assert run.account().turns == []


@pytest.mark.parametrize("control", ["send", "thinking", "new_chat"])
async def test_a_control_that_became_something_else_is_not_missed_where_there_is_another_way(
    tmp_path: Path, chromium: Chromium, control: str
) -> None:
    async with with_unknown(control, tmp_path, chromium) as run:
        for text in ("one", "two"):
            assert await run.ask(directive(text=text)) == text


async def test_a_composer_that_is_gone_is_named_by_the_error(tmp_path: Path, chromium: Chromium) -> None:
    async with bridge_to(tmp_path, chromium, "deaf.html", BOX, ready=False) as run:
        with pytest.raises(APIStatusError, match="'composer' was not found") as caught:
            await run.ask("hello")
        assert caught.value.status_code == 503


async def test_a_page_that_nothing_makes_send_says_so_and_what_it_did_call(tmp_path: Path, chromium: Chromium) -> None:
    async with bridge_to(tmp_path, chromium, "deaf.html", SENDS) as run:
        with pytest.raises(APIStatusError, match="sent no request to /api/v0/chat/completion") as caught:
            await run.ask("hello")
        assert (caught.value.status_code, caught.value.code) == (502, "site_changed")


async def test_a_prompt_that_the_box_does_not_take_is_too_long_at_once_and_the_next_one_is_answered(
    tmp_path: Path, chromium: Chromium
) -> None:
    site = replace(QUICK_SITE, input_character_limit=2_000)
    limits = TURN.model_copy(update={"submit": 10 * LIMIT, "first_byte": 10 * LIMIT})
    async with live(tmp_path, chromium=chromium, demo=site, turn=limits) as run:
        async with asyncio.timeout(LIMIT):
            with pytest.raises(APIStatusError, match="exceeds the limit") as caught:
                await run.ask("x" * 3_000)
        assert (caught.value.status_code, caught.value.code) == (400, "context_length_exceeded")
        assert await run.ask(directive(text="short")) == "short"
        assert [turn.outcome for turn in run.account().turns] == ["finished"]


@asynccontextmanager
async def with_unknown(control: str, folder: Path, chromium: Chromium) -> AsyncGenerator[Live]:
    """Run a bridge on a page one of whose controls has become something else."""
    async with DemoSite(replace(QUICK_SITE, accounts=("alice",))) as site:
        site.account("alice").fault("unknown_control", None, control=control)
        async with served(folder, site, chromium, turn=TURN) as run:
            yield run


async def test_a_page_deaf_to_enter_and_click_is_told_apart_from_one_that_is_slow(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=chromium, turn=TURN) as run:
        run.account().fault("enter_ignored", None)
        run.account().fault("click_ignored", None)
        await run.account().pages_informed()
        with pytest.raises(APIStatusError, match="Neither Enter nor the send button") as caught:
            await run.ask("hello")
        assert (caught.value.status_code, caught.value.code) == (502, "site_changed")
        run.account().clear_fault()
        assert await run.ask(directive(text="again")) == "again"
        assert len(run.account().turns) == 1


async def test_an_answer_is_continued_no_more_often_than_the_setting_says(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium, turn=TURN.model_copy(update={"continues": 0})) as run:
        run.account().fault("incomplete")
        answer = await run.client.chat.completions.create(
            model="deepseek-chat", messages=[{"role": "user", "content": directive(text="0123456789" * 4)}]
        )
        assert answer.choices[0].finish_reason == "length"
        assert answer.choices[0].message.content == "012345678901"
        assert len(run.account().turns) == 1
