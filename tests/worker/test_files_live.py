"""Files on their way through the real page: the site gets the very bytes with the very prompt, or nothing at all."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from bridge.browser.browser import Chromium
from bridge.sites.deepseek.driver import Driver
from bridge.telemetry import ChatEnded, WorkerChanged, WorkerState
from bridge.worker.turn_plan import LONG_PROMPT
from tests.support.live import QUICK_SITE, Live, changed, directive, live, other_site
from tests.support.waiting import LIMIT

PICTURE = bytes(range(256)) * 40
NOTES = "Zwölf Boxkämpfer · 十二 🥊\r\n".encode() * 50
SITE = replace(QUICK_SITE, file_seconds=0.1)
MOST_LINES = Driver.prompt_lines or 0
RECEIPT = directive(files=True)
Files = dict[str, tuple[int, str]]


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def image(data: bytes = PICTURE) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(data)}}


def file(data: bytes = NOTES, name: str = "notes.txt") -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data_url(data, "text/plain")}}


def said(*parts: Mapping[str, Any], text: str = RECEIPT, role: str = "user") -> ChatCompletionMessageParam:
    return cast(ChatCompletionMessageParam, {"role": role, "content": [{"type": "text", "text": text}, *parts]})


async def answer(run: Live, *messages: ChatCompletionMessageParam, model: str = "deepseek-chat") -> str:
    completion = await run.client.chat.completions.create(model=model, messages=messages)
    return completion.choices[0].message.content or ""


async def receipt(run: Live, *messages: ChatCompletionMessageParam) -> Files:
    """Return size and digest of what the site got with the prompt, by name."""
    return {one["name"]: (one["size"], one["sha256"]) for one in json.loads(await answer(run, *messages))}


def figures(data: bytes) -> tuple[int, str]:
    return len(data), sha256(data).hexdigest()


def picture(data: bytes = PICTURE) -> Files:
    return {f"image-{sha256(data).hexdigest()[:8]}.png": figures(data)}


def notes(data: bytes = NOTES) -> Files:
    return {"notes.txt": figures(data)}


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("files"), chromium=chromium, demo=SITE) as running:
        yield running


async def test_pictures_and_files_arrive_byte_for_byte_and_only_with_their_prompt(run: Live) -> None:
    assert await receipt(run, said(image(), file())) == picture() | notes()
    assert await receipt(run, said()) == {}
    assert await receipt(run, said(file(b"other"))) == notes(b"other")
    turns = run.account().turns[-3:]
    assert [turn.prompt for turn in turns] == [RECEIPT] * 3
    assert [turn.model_type for turn in turns] == ["vision", "default", "default"], "pictures need the model that sees"
    assert [turn.outcome for turn in turns] == ["finished"] * 3


async def test_a_stored_file_is_named_by_its_id_until_it_is_deleted(run: Live) -> None:
    kept = await run.client.files.create(file=("notes.txt", NOTES), purpose="user_data")
    named = {"type": "file", "file": {"file_id": kept.id}}
    assert await receipt(run, said(named)) == notes()
    await run.client.files.delete(kept.id)
    with pytest.raises(openai.NotFoundError) as caught:
        await receipt(run, said(named))
    assert (caught.value.code, caught.value.param) == ("file_not_found", "messages[0].content[1].file.file_id")
    assert run.account().turns[-1].files == ("notes.txt",)


async def test_a_large_file_goes_through_whole_and_does_not_hold_up_the_browser(run: Live) -> None:
    large = random.Random(1).randbytes(24 * 1024**2)
    kept = await run.client.files.create(file=("large.bin", large), purpose="user_data")
    after = len(run.facts.seen)
    assert await receipt(run, said({"type": "file", "file": {"file_id": kept.id}})) == {"large.bin": figures(large)}
    assert not [fact for fact in run.facts.seen[after:] if isinstance(fact, WorkerChanged)]


async def test_two_files_of_one_name_both_arrive(run: Live) -> None:
    await answer(run, said(file(b"one"), file(b"two")))
    assert run.account().turns[-1].files == ("notes.txt", "notes.txt")
    *_, first, second = run.account().files.values()
    assert {first.content, second.content} == {b"one", b"two"}


async def test_a_message_may_be_a_picture_alone(run: Live) -> None:
    await answer(run, cast(ChatCompletionMessageParam, {"role": "user", "content": [image()]}))
    turn = run.account().turns[-1]
    assert turn.files == tuple(picture())
    assert turn.prompt == f"[attached: {turn.files[0]}]"


async def test_going_on_uploads_only_what_is_new_and_another_picture_is_another_history(run: Live) -> None:
    first, other = said(image(), text=directive(text="One.")), said(image(b"other"), text=directive(text="One."))
    reply = said(text=await answer(run, first), role="assistant")
    assert await receipt(run, other, reply, said(file())) == picture(b"other") | notes()
    assert await receipt(run, first, reply, said(file())) == notes()
    begun, anew, gone_on = run.account().turns[-3:]
    assert anew.conversation != begun.conversation == gone_on.conversation
    assert f" attached: {next(iter(picture(b'other')))}]" in anew.prompt
    assert " attached: notes.txt]" in anew.prompt
    assert gone_on.prompt == RECEIPT


async def test_a_turn_given_up_leaves_no_file_to_the_next_one(run: Live) -> None:
    sends, known = len(run.account().turns), len(run.account().files)
    run.account().fault("upload_slow", seconds=3600)
    chat = asyncio.get_running_loop().create_task(receipt(run, said(file())))
    await run.account().wait_for(lambda account: len(account.files) > known, LIMIT)
    after = len(run.facts.seen)
    chat.cancel()
    await run.facts.wait_for(lambda fact: isinstance(fact, ChatEnded), after)
    assert await receipt(run, said(image())) == picture()
    run.account().fault("upload_fails")
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        await receipt(run, said(file(), file(b"more", "more.txt")))
    assert caught.value.code == "file_rejected"
    assert await receipt(run, said()) == {}
    turns = run.account().turns[sends:]
    changes = [fact for fact in run.facts.seen[after:] if isinstance(fact, WorkerChanged)]
    assert [(turn.files, turn.outcome) for turn in turns] == [(tuple(picture()), "finished"), ((), "finished")]
    assert changes == [], "a bad file says nothing about the account"


@pytest.mark.parametrize(("limit", "says"), [("max_file_size", "too large"), ("max_files", "at most 1 files")])
async def test_what_the_page_itself_refuses_is_said_in_its_words(run: Live, limit: str, says: str) -> None:
    async with other_site(run, **{limit: 1}):
        with pytest.raises(openai.UnprocessableEntityError, match=says):
            await receipt(run, said(file(), file(b"more than that", "more.txt")))
        assert await receipt(run, said()) == {}


async def test_a_prompt_beyond_the_limit_goes_as_a_file_where_that_is_allowed(run: Live) -> None:
    long = "wörter 🥊 " * 20
    with changed(run.settings.files, prompt_limit=150, long_prompts="attach"):
        await answer(run, said(file(), text=long))
    (turn,) = run.account().turns
    (typed,) = (one for one in run.account().files.values() if one.name == "prompt.txt")
    assert turn.prompt == LONG_PROMPT
    assert sorted(turn.files) == ["notes.txt", "prompt.txt"]
    assert typed.content.decode() == long


async def test_a_prompt_beyond_the_limit_is_refused_before_anything_is_sent(run: Live) -> None:
    with changed(run.settings.files, prompt_limit=150):
        with pytest.raises(openai.BadRequestError) as caught:
            await run.ask("🥊" * 76)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
        assert "152 characters" in caught.value.message
        assert await run.ask(directive(text="short")) == "short"
        assert len(run.account().turns) == 1


async def test_a_million_line_breaks_are_refused_at_once_and_as_many_as_are_taken_reach_the_site(run: Live) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await run.ask("x" + "\n" * 1_000_000)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert f"1000001 lines, and the site's page takes {MOST_LINES}" in caught.value.message
    assert run.account().turns == []
    prompt = "x" + "\n" * (MOST_LINES - 2) + directive(text="taken")
    assert await run.ask(prompt) == "taken"
    assert run.account().turns[0].prompt == prompt
    changes = [fact.state for fact in run.facts.seen if isinstance(fact, WorkerChanged)]
    assert changes == [WorkerState.READY]


async def test_a_million_line_breaks_go_as_a_file_where_that_is_allowed(run: Live) -> None:
    with changed(run.settings.files, long_prompts="attach"):
        await answer(run, said(text="x" + "\n" * 1_000_000))
    (typed,) = run.account().files.values()
    assert (run.account().turns[0].prompt, typed.content) == (LONG_PROMPT, b"x" + b"\n" * 1_000_000)


async def test_too_many_files_are_refused_by_the_field_of_the_first_one_too_many(run: Live) -> None:
    with changed(run.settings.files, max_prompt_files=2):
        with pytest.raises(openai.BadRequestError) as caught:
            await receipt(run, said(file(), file(b"b", "b.txt"), file(b"c", "c.txt")))
        assert caught.value.param == "messages[0].content[3].file.file_data"
        assert run.account().files == {}


async def test_a_picture_in_a_search_is_sent_without_changing_the_model(run: Live) -> None:
    await answer(run, said(image(), text=directive(text="Found.")), model="deepseek-chat-search-silent")
    turn = run.account().turns[-1]
    assert (turn.model_type, turn.search_enabled, turn.files) == ("default", True, tuple(picture()))
