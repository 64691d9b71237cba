"""The contract that each third-party page keeps, driven by its site file alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from bridge.browser.browser import Chromium
from bridge.errors import SiteError
from bridge.login.interactive_login import Credentials
from bridge.sites.site_file.schema import load_site_file
from bridge.telemetry import WorkerState
from tests.real_pages.bridged_page import NAME, BridgedPage, capture, empty_profile, served, settings_of, store_of
from tests.real_pages.by_hand import ask
from tests.real_pages.model_behind import ANSWERS, ENDLESS, ModelBehind
from tests.real_pages.running_pages import RealPage, page_parameters
from tests.support.waiting import until

pytestmark = pytest.mark.pages

NO_LOGIN = {"deep-chat": "it has no login"}
NO_ADDRESS = dict.fromkeys(("chainlit", "gradio", "deep-chat", "gradio-4"), "its chats have no address")
NO_OTHER_TAB = {**NO_LOGIN, **dict.fromkeys(("gradio", "gradio-4"), "it answers one prompt at a time")}
ONLY_ADDS = dict.fromkeys(("chainlit", "deep-chat", "open-webui", "open-webui-polled"), "it only appends to an answer")


def on_pages(lacks: Mapping[str, str] | None = None) -> pytest.MarkDecorator:
    """Run a test on each page; `lacks` gives the reason for each page on which it does not apply."""
    return pytest.mark.parametrize("real_page", page_parameters(lacks), indirect=True)


async def texts(stream: openai.AsyncStream[ChatCompletionChunk]) -> AsyncGenerator[str]:
    """Yield the pieces of an answer as they arrive; raise unless it finishes with `stop`."""
    finish = None
    async for chunk in stream:
        finish = chunk.choices[0].finish_reason
        if text := chunk.choices[0].delta.content:
            yield text
    assert finish == "stop"


@on_pages()
@pytest.mark.parametrize("answer", ["multiline", "instant", "markdown", "unicode", "pieces", "fast"])
async def test_an_answer_arrives_as_the_model_wrote_it(run: BridgedPage, answer: str) -> None:
    wanted = run.page.makes_of("".join(ANSWERS[answer]))
    assert await run.ask(answer) == wanted
    assert "".join([text async for text in texts(await run.stream(answer))]) == wanted


@on_pages()
async def test_an_answer_is_streamed_while_the_model_writes_it(run: BridgedPage) -> None:
    assert len([text async for text in texts(await run.stream("pieces"))]) >= len(ANSWERS["pieces"]) / 4
    async with await run.stream("endless") as stream:
        assert await anext(texts(stream))
        assert not run.model.last("endless").ended.is_set()


@on_pages()
async def test_a_prompt_reaches_the_model_as_it_was_written(run: BridgedPage) -> None:
    prompt = "First line: größe 你好 🚀\n\n  - <b>&amp;</b> `code`\n    indented\nlast line"
    await run.ask(prompt)
    assert [one.prompt for one in run.model.requests] == [prompt]


@on_pages()
async def test_a_new_chat_contains_nothing_of_the_previous_one(run: BridgedPage) -> None:
    await run.ask("instant")
    await run.ask("unicode")
    assert [(one.prompt, one.history) for one in run.model.requests] == [("instant", []), ("unicode", [])]


@on_pages()
async def test_a_history_from_the_client_reaches_the_model(run: BridgedPage) -> None:
    said = await run.ask("My word is kestrel", "Fine.", "What is my word?")
    (asked,) = run.model.requests
    assert "kestrel" in asked.prompt
    assert "What is my word?" in said


@on_pages(NO_ADDRESS)
async def test_a_second_turn_continues_the_conversation_on_the_page(run: BridgedPage) -> None:
    said = await run.ask("unicode")
    await run.ask("unicode", said, "instant")
    assert [(one.prompt, one.history) for one in run.model.requests] == [("unicode", []), ("instant", ["unicode"])]


@on_pages(NO_OTHER_TAB)
async def test_an_answer_to_another_tab_of_the_account_is_left_out(run: BridgedPage, chromium: Chromium) -> None:
    site = await asyncio.to_thread(load_site_file, run.page.site_file)
    profile = await asyncio.to_thread(run.store.load, NAME)
    async with chromium.context({"storage_state": profile.storage_state}) as context:
        tab = await context.new_page()
        await tab.goto(run.page.url)
        await ask(tab, site, run.model, "endless")
        for answer in ("unicode", "instant"):
            assert await run.ask(answer) == run.page.makes_of("".join(ANSWERS[answer]))
        assert not run.model.last("endless").ended.is_set()


@on_pages()
async def test_a_client_that_disconnects_stops_the_model(run: BridgedPage) -> None:
    async with await run.stream("endless") as stream:
        assert await anext(texts(stream))
    asked = run.model.last("endless")
    await until(asked.ended.is_set)
    assert asked.how == "left"
    assert asked.sent < ENDLESS
    assert await run.ask("instant") == "instant"


@on_pages()
@pytest.mark.parametrize("status", [500, 429])
async def test_an_error_of_the_model_is_reported(run: BridgedPage, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as failure:
        await run.ask(f"error {status}")
    assert f"The model says no ({status})" in failure.value.message
    assert failure.value.status_code in (429, 502, 503)
    await run.made_ready()
    assert await run.ask("instant") == "instant"


@on_pages()
async def test_an_answer_that_breaks_off_ends_with_an_error(run: BridgedPage) -> None:
    with pytest.raises(openai.APIError):
        await run.ask("broken")
    await run.made_ready()
    said: list[str] = []
    with pytest.raises(openai.APIError):
        said.extend([text async for text in texts(await run.stream("broken"))])
    assert run.page.makes_of("".join(ANSWERS["broken"])).startswith("".join(said))
    await run.made_ready()
    assert await run.ask("instant") == "instant"


@on_pages(ONLY_ADDS)
async def test_an_answer_that_the_page_rewrites_is_complete_or_ends_with_an_error(run: BridgedPage) -> None:
    wanted = "".join(ANSWERS["indented"])
    assert await run.ask("indented") == wanted
    await run.made_ready()
    with pytest.raises(openai.APIError, match="has changed text"):
        assert "".join([text async for text in texts(await run.stream("indented"))]) == wanted


@on_pages(NO_LOGIN)
async def test_a_login_by_form_is_captured_and_signs_in_a_fresh_browser(
    run: BridgedPage, chromium: Chromium, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, run.page)
    await capture(chromium, settings, run.page, run.page.credentials)
    async with served(settings, run.page, run.model, chromium) as second:
        assert await second.ask("instant") == "instant"


@on_pages(NO_LOGIN)
async def test_a_wrong_password_is_reported_and_nothing_is_stored(
    real_page: RealPage, chromium: Chromium, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, real_page)
    assert real_page.credentials is not None
    wrong = Credentials(real_page.credentials.user, "wrong")
    with pytest.raises(SiteError, match=rf"did not sign '{wrong.user}' in, and nothing was stored\. It says: "):
        await capture(chromium, settings, real_page, wrong)
    assert not store_of(settings).exists(NAME)


@on_pages(NO_LOGIN)
async def test_an_account_without_a_login_counts_as_logged_out(
    real_page: RealPage, model: ModelBehind, chromium: Chromium, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, real_page)
    store_of(settings).save(empty_profile(real_page))
    async with served(settings, real_page, model, chromium, WorkerState.LOGGED_OUT):
        pass
