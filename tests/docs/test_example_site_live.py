"""The driver of `docs/adding-a-site.md` answers chats through a page, goes on in conversations, and tells refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from bridge.app import running
from bridge.browser.browser import Chromium
from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Text
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerState
from tests.docs.echo_site import EchoSite, echo_site
from tests.docs.example_site import EchoDecoder
from tests.support.live import Facts, settings_for
from tests.support.sdk import sdk

HI = {"role": "user", "content": "Hi"}
EMPTY: dict[str, Any] = {"cookies": [], "origins": []}


@asynccontextmanager
async def bridged(
    folder: Path, site: EchoSite, chromium: Chromium, state: WorkerState = WorkerState.READY
) -> AsyncGenerator[openai.AsyncOpenAI]:
    """Run a bridge with one account on the site, once it has come into `state`."""
    settings, facts = settings_for(folder), Facts()
    profile = Profile(name="me", site="tests.docs.example_site", url=site.url, storage_state=EMPTY)
    ProfileStore(settings.profiles, load_identity(settings.key_source)).save(profile)
    async with running(settings, Telemetry(facts), chromium) as bridge:
        await facts.state("me", state)
        async with sdk(f"{bridge.url}/v1", KeyFile(settings.config).keys()[0]) as client:
            yield client


async def ask(client: openai.AsyncOpenAI, *messages: dict[str, str]) -> str:
    answer = await client.chat.completions.create(model="echo", messages=list(messages))  # type: ignore[arg-type]
    return answer.choices[0].message.content or ""


async def test_the_example_answers_and_goes_on_in_the_sites_own_conversation(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with echo_site() as site, bridged(tmp_path, site, chromium) as client:
        said = await ask(client, HI)
        assert said == "You said — Hi"
        again = await ask(client, HI, {"role": "assistant", "content": said}, {"role": "user", "content": "And now?"})
        assert again == "You said — And now?"
        assert list(site.conversations.values()) == [["Hi", "And now?"]]


async def test_the_example_tells_what_the_site_refuses(tmp_path: Path, chromium: Chromium) -> None:
    async with echo_site() as site, bridged(tmp_path, site, chromium) as client:
        site.is_busy = True
        with pytest.raises(openai.RateLimitError, match="too often"):
            await ask(client, HI)
        assert site.conversations == {}


async def test_the_example_tells_that_nobody_is_signed_in(tmp_path: Path, chromium: Chromium) -> None:
    async with echo_site() as site:
        site.is_signed_in = False
        async with bridged(tmp_path, site, chromium, WorkerState.LOGGED_OUT) as client:
            with pytest.raises(openai.InternalServerError, match="signed out"):
                await ask(client, HI)


def test_the_example_decodes_a_stream_that_is_cut_anywhere() -> None:
    body = "You said — Hi".encode()
    for place in range(len(body) + 1):
        decoder = EchoDecoder()
        decoder.begin(PageResponse("https://echo.example.com/api/chat", 200, {"x-message": "1"}))
        events: list[ChatEvent] = [*decoder.feed(body[:place]), *decoder.feed(body[place:]), *decoder.end()]
        assert "".join(event.text for event in events if isinstance(event, Text)) == body.decode()
        assert (events[0], events[-1]) == (Opened(message="1"), Finish())
