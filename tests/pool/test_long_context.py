"""A conversation goes on while the model can hold it; before it overflows the history goes into a new one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.chat.types import Attachment, ChatRequest, ConversationStart, Message, Model, Opened, Role
from bridge.errors import ContextTooLong
from bridge.pool.pool import Pool
from bridge.storage.conversation_file import ConversationPosition
from bridge.storage.conversation_tokens import ANSWER_SHARE, has_room, tokens_after
from tests.pool.test_pool import ScriptedWorker, pool_of, start

LIMIT = 3_000
ROOM = LIMIT - LIMIT // ANSWER_SHARE
MODEL = Model("deepseek-chat", context_length=LIMIT)
PLACE = ConversationPosition("a", "c-1", "2")
WORD = "x" * 10
"""A text of 3 tokens, as they are estimated."""
RULES = f"{WORD * 100}\nThe status is {{status}}."


def chat(*texts: str, conversation: str | None = None) -> ChatRequest:
    """Return a chat whose messages are the user's and the assistant's by turns."""
    roles: tuple[Role, Role] = ("user", "assistant")
    messages = tuple(Message(roles[at % 2], text) for at, text in enumerate(texts))
    return ChatRequest("r", MODEL, messages, conversation)


async def step(pool: Pool, worker: ScriptedWorker, history: list[Message], number: int) -> ConversationStart | None:
    """Play a step of an agent whose system text has another status in each one."""
    worker.opened_as = Opened("c-1" if number < 5 else "c-2", str(number))
    system = Message("system", RULES.format(status=f"{number} {WORD * 90}"))
    history.append(Message("user", f"Step {number}."))
    begun = await start(pool, ChatRequest(f"{number}", MODEL, (system, *history)))
    history.append(Message("assistant", "a"))
    return begun


async def test_before_a_conversation_overflows_the_history_goes_into_a_new_one_which_goes_on() -> None:
    worker, history = ScriptedWorker("a"), list[Message]()
    async with pool_of(worker) as (pool, _):
        starts = [await step(pool, worker, history, number) for number in range(9)]
    assert starts == ["new", *["continued"] * 4, "context", *["continued"] * 3]
    assert [place and place.conversation for place in worker.places] == [None, *["c-1"] * 4, None, *["c-2"] * 3]


async def test_a_history_that_the_model_cannot_hold_is_refused_and_nothing_is_sent() -> None:
    worker = ScriptedWorker("a")
    worker.opened_as = Opened("c-1", "2")
    async with pool_of(worker) as (pool, _):
        assert await start(pool, chat(WORD * 900)) == "new"
        with pytest.raises(ContextTooLong, match=r"have \d+ tokens, and the model takes 3000; shorten") as caught:
            await start(pool, chat(WORD * 900, "a", WORD * 110))
    assert (caught.value.param, caught.value.sent, len(worker.places)) == ("messages", False, 1)


@pytest.mark.parametrize(
    ("held", "asked", "has"),
    [
        (None, chat(WORD, "a", WORD * 2000), True),
        (ROOM - 3, chat(WORD, "a", WORD), True),
        (ROOM - 2, chat(WORD, "a", WORD), False),
        (LIMIT - 3, chat(WORD * 950, "a", WORD), True),  # a new one would have no room for an answer either
        (LIMIT - 3, chat(WORD, conversation=PLACE.id), True),
        (LIMIT, replace(chat(WORD, "a", WORD), model=replace(MODEL, context_length=None)), True),
    ],
)
def test_a_conversation_goes_on_where_it_has_room_for_what_is_new_and_an_answer(
    held: int | None, asked: ChatRequest, has: bool
) -> None:
    assert has_room(asked, replace(PLACE, tokens=held)) is has


def test_a_conversation_that_a_client_names_is_not_left_for_another_one() -> None:
    with pytest.raises(ContextTooLong, match=r"the conversation has 3001 tokens.*start a new one") as caught:
        has_room(chat(WORD, conversation=PLACE.id), replace(PLACE, tokens=LIMIT - 2))
    assert caught.value.param == "conversation_id"


def test_a_conversation_holds_what_was_typed_and_answered_with_text_files() -> None:
    asked = chat(WORD)
    first = tokens_after(asked, None, WORD)
    assert first == 6
    assert tokens_after(chat(WORD, WORD, WORD), replace(PLACE, tokens=first), WORD) == 12
    assert tokens_after(chat(WORD, WORD, WORD), PLACE, WORD) is None
    files = (Attachment("a.txt", "text/plain", b"x" * 40), Attachment("a.png", "image/png", b"x" * 4000))
    assert tokens_after(replace(asked, messages=(Message("user", WORD, files),)), None, "") == 13
