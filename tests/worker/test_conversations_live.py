"""Going on in the site's own conversations, through the real page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError

from bridge.browser.browser import Chromium
from bridge.chat.prompt import AGAIN
from bridge.demo import DemoSite, Script
from bridge.settings import ConversationSettings
from bridge.telemetry import CANCELLED, ChatEnded
from tests.support.live import QUICK_SITE, Live, directive, live, served
from tests.support.stress import stress

Messages = list[dict[str, Any]]


async def chat(run: Live, messages: Messages, **more: Any) -> Any:
    model = more.pop("model", "deepseek-chat")
    return await run.client.chat.completions.create(model=model, messages=messages, **more)  # type: ignore[arg-type]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def test_the_next_turn_of_a_known_history_sends_only_what_is_new_until_the_site_has_deleted_it(run: Live) -> None:
    ask, messages = run.client.chat.completions.with_raw_response, list[Any]()
    starts = list[str]()

    async def go_on(number: int) -> None:
        messages.append(user(f"question {number} {directive(text=f'answer {number}')}"))
        answer = await ask.create(model="deepseek-chat", messages=messages)
        starts.append(answer.headers["x-bridge-conversation"])
        text = answer.parse().choices[0].message.content
        assert text == f"answer {number}"
        messages.append({"role": "assistant", "content": text})

    messages.append({"role": "system", "content": "Be brief."})
    for number in range(3):
        await go_on(number)
    turns = run.account().turns
    assert len({turn.conversation for turn in turns}) == 1
    assert [turn.parent for turn in turns] == [None, 2, 4]
    assert [turn.prompt for turn in turns[1:]] == [message["content"] for message in messages[3::2]]
    run.account().conversations.clear()
    await run.ask(directive(text="elsewhere"))
    await go_on(3)
    assert starts == ["new", "continued", "continued", "new; reason=lost"]
    assert turns[-1].parent is None
    assert "\n=== User " in turns[-1].prompt


async def test_an_answer_that_broke_off_is_asked_for_again_in_its_conversation(run: Live) -> None:
    messages = [user(f"one {directive(text='one')}"), {"role": "assistant", "content": "one"}, user("two")]
    await chat(run, messages[:1])
    for script in (Script(text="A long answer. " * 99, rate=20), Script(text="two")):
        run.account().script(script)
    async with await chat(run, messages, stream=True) as chunks:
        async for chunk in chunks:
            if chunk.choices[0].delta.content:
                break
    await run.facts.wait_for(lambda fact: isinstance(fact, ChatEnded) and fact.result == CANCELLED)
    again = await chat(run, messages)
    messages += [{"role": "assistant", "content": "two"}, user(f"three {directive(text='three')}")]
    await chat(run, messages)
    first, *turns = run.account().turns
    assert again.choices[0].message.content == "two"
    assert [turn.parent for turn in turns] == [2, 4, 6]
    assert {turn.conversation for turn in turns} == {first.conversation}
    assert AGAIN in turns[1].prompt
    assert turns[2].prompt == messages[-1]["content"]


@pytest.mark.parametrize("turns_each", [2, *stress(5)])
async def test_of_all_turns_but_the_first_only_what_is_new_is_sent_also_across_a_restart(
    tmp_path: Path, chromium: Chromium, turns_each: int
) -> None:
    messages: Messages = []
    async with DemoSite(replace(QUICK_SITE, accounts=("alice",))) as site:
        for half in range(2):
            async with served(tmp_path, site, chromium) as run:
                for number in range(turns_each):
                    messages.append(user(f"turn {half} {number} {directive(text=f'answer {half} {number}')}"))
                    answer = await chat(run, messages)
                    messages.append({"role": "assistant", "content": answer.choices[0].message.content})
        turns = site.account("alice").turns
    assert [turn.prompt for turn in turns] == [message["content"] for message in messages[::2]]
    assert [turn.parent for turn in turns] == [None, *range(2, 4 * turns_each, 2)]


@pytest.mark.parametrize(
    "model", ["deepseek-r1-search-fold", *stress("deepseek-r1-search-silent", "deepseek-r1-search")]
)
async def test_what_was_added_to_the_answer_does_not_break_the_conversation(run: Live, model: str) -> None:
    messages = [user(directive(text="answer", citations="citation"))]
    answer = await chat(run, messages, model=model)
    messages.append({"role": "assistant", "content": answer.choices[0].message.content})
    messages.append(user(directive(text="next")))
    await chat(run, messages, model=model)
    turns = run.account().turns
    assert turns[1].conversation == turns[0].conversation
    assert turns[1].parent == 2


async def test_the_id_of_an_answer_goes_on_natively_streaming_and_not(run: Live) -> None:
    first = await chat(run, [user(directive(text="one"))])
    assert first.id == first.conversation_id
    stream = await chat(run, [user(directive(text="two"))], stream=True, extra_body={"conversation_id": first.id})
    ids = {chunk.id async for chunk in stream}
    (second,) = ids
    conversation = run.account().turns[0].conversation
    assert (first.id, second) == (f"{conversation}@2", f"{conversation}@4")
    third = await chat(run, [user(directive(text="three"))], extra_body={"conversation_id": second})
    assert third.id == f"{conversation}@6"
    assert [turn.parent for turn in run.account().turns] == [None, 2, 4]


async def test_an_unknown_or_outdated_conversation_is_a_404_and_sends_nothing(run: Live) -> None:
    first = await chat(run, [user(directive(text="one"))])
    await chat(run, [user(directive(text="two"))], extra_body={"conversation_id": first.id})
    for name in ("nowhere@2", first.id):
        with pytest.raises(NotFoundError, match="conversation") as caught:
            await chat(run, [user("x")], extra_body={"conversation_id": name})
        assert caught.value.param == "conversation_id"
    assert len(run.account().turns) == 2


async def test_another_account_gets_the_whole_history_when_the_first_one_stays_busy(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, "alice", "bob", chromium=chromium, conversations=ConversationSettings(wait=0.1)) as run:
        await run.ask(directive(text="one"))
        first, other = ("alice", "bob") if run.account("alice").turns else ("bob", "alice")
        await run.bridge.pool.pause(other)
        busy = await run.stream(directive(tokens=5000, rate=50))
        await run.bridge.pool.resume(other)
        messages = [
            user(directive(text="one")),
            {"role": "assistant", "content": "one"},
            user(f"and now? {directive(text='four')}"),
        ]
        answer = await chat(run, messages)
        assert answer.choices[0].message.content == "four"
        assert run.account(first).generating
        turn = run.account(other).turns[-1]
        assert turn.parent is None
        assert "\n=== User " in turn.prompt
        await busy.close()
