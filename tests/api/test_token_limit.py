"""Usage and `max_tokens` by the model's vocabulary: the same however the answer came in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.answer.pipeline import AnswerPipeline
from bridge.chat.tokens.vocabularies import tokenizer_of
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Message, Model, Opened, Text, Thinking, Withdrawn

MODEL = Model("deepseek", thinking=True, vocabulary="deepseek")
REQUEST = ChatRequest("1", MODEL, (Message("user", "Hello world"),))
PIECES = st.lists(st.sampled_from([" unbelie", "vable", " words", "\n\n", "世界", "END", "!", "  ", "😀"]), max_size=12)


async def answered(events: Sequence[ChatEvent], answer_format: AnswerFormat) -> tuple[str, str, AnswerEnd]:
    """Return the thinking, the text and the end of an answer."""
    pipeline = await AnswerPipeline.of(REQUEST, answer_format)
    made: list[AnswerEvent] = []
    for event in (Opened(), *events, Finish()):
        made += await pipeline.take(event)
        if pipeline.is_over:
            break
    end = made[-1]
    assert isinstance(end, AnswerEnd)
    thinking = "".join(event.text for event in made if isinstance(event, Thinking))
    return thinking, "".join(event.text for event in made if isinstance(event, Text)), end


@given(PIECES, PIECES, st.integers(1, 20), st.sampled_from([(), ("END",)]))
@pytest.mark.slow
async def test_an_answer_is_cut_alike_however_it_came(
    thinking: list[str], text: list[str], most: int, stop: tuple[str, ...]
) -> None:
    form, text = AnswerFormat(max_tokens=most, stop=stop), [*text, "."]
    whole = await answered([Thinking("".join(thinking)), Text("".join(text))], form)
    assert await answered([*map(Thinking, thinking), *map(Text, text)], form) == whole
    assert await answered([*map(Thinking, "".join(thinking)), *map(Text, "".join(text))], form) == whole
    thought, said, end = whole
    count = tokenizer_of("deepseek").tokens
    assert "".join(thinking).startswith(thought)
    assert "".join(text).startswith(said)
    assert end.usage.completion == count(thought) + count(said) <= most
    assert not end.usage.is_estimate
    assert (end.reason == "length") == ((thought, said) != ("".join(thinking), "".join(text).split(*stop or "\0")[0]))


async def test_an_answer_has_exactly_as_many_tokens_as_are_allowed() -> None:
    form = AnswerFormat(max_tokens=16)
    _, said, end = await answered([Text("word ")] * 100, form)
    assert (end.reason, end.usage.completion) == ("length", 16)
    assert said == "word" + " word" * 15


async def test_what_is_held_of_the_thinking_comes_before_the_text() -> None:
    thinking, said, _ = await answered([Thinking("One two"), Text("Three")], AnswerFormat(max_tokens=4))
    assert (thinking, said) == ("One two", "Three")


async def test_what_is_held_is_given_out_before_the_site_takes_the_answer_back() -> None:
    pipeline = await AnswerPipeline.of(REQUEST, AnswerFormat(max_tokens=3))
    await pipeline.take(Text("One two"))
    assert await pipeline.take(Withdrawn("Sorry.")) == [Text(" two"), Withdrawn("Sorry.")]
