"""What is told of a chat while it runs: each new step at once, tokens now and then, sizes at its end; never a text."""

from __future__ import annotations

import time

from bridge.chat.model_names import resolve
from bridge.chat.tokens.vocabularies import ESTIMATE, tokenizer_of
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Message, Model, Opened, Text, Thinking, Withdrawn
from bridge.pool.chat_progress import Progress
from bridge.telemetry import ChatEnded, ChatProgress, Fact, Telemetry, Timeline


def begun() -> tuple[Progress, list[Fact]]:
    facts: list[Fact] = []
    request = ChatRequest("c", Model("m"), (Message("system", "Be brief."), Message("user", "A secret?")))
    return Progress(request, Timeline("c", "m", "alice"), Telemetry(facts.append)), facts


def test_each_new_step_is_told_at_once_and_a_fast_answer_only_now_and_then() -> None:
    progress, facts = begun()
    events: list[ChatEvent] = [Opened(), *[Thinking("Hm. ")] * 200, *[Text("word ")] * 5000, Finish()]
    for event in events:
        progress.add(event)
    told = [fact for fact in facts if isinstance(fact, ChatProgress)]
    assert [fact.step for fact in told][:1] == ["thinking"]
    assert "writing" in [fact.step for fact in told]
    assert len(told) < 100
    assert told[-1].tokens >= told[0].tokens > 0


def test_each_time_is_told_as_soon_as_it_is_known() -> None:
    progress, facts = begun()
    for mark in ("queued", "started", "sent", "sent", "first_byte"):
        progress.timeline.mark(mark)
    told = [[*fact.marks] for fact in facts if isinstance(fact, ChatProgress)]
    assert told == [["queued", "started"], ["queued", "started", "sent"], ["queued", "started", "sent", "first_byte"]]


def test_the_end_tells_the_sizes_and_no_text() -> None:
    progress, facts = begun()
    with progress.reported():
        for event in (Thinking("Hm."), Text("Never mind."), Withdrawn("No."), Finish()):
            progress.add(event)
    (ended,) = [fact for fact in facts if isinstance(fact, ChatEnded)]
    assert (ended.prompt_chars, ended.answer_chars, ended.account, ended.result) == (18, 3, "alice", "stop")
    assert ended.tokens > 0
    assert "end" in ended.marks
    assert not [word for word in ("secret", "Never", "Hm") if word in repr(facts)]


def test_tokens_are_counted_by_the_model_s_vocabulary() -> None:
    text = ["Der", "Zuckerstreuer:", "1234", "+", "5678", "=", "6912;", ""]
    pieces = [f"{word} " for word in text] * 200
    tokenizer = tokenizer_of("deepseek")
    facts: list[Fact] = []
    request = ChatRequest("c", Model("m", vocabulary="deepseek"), (Message("user", "Hi"),), prompt_tokens=1)
    progress = Progress(request, Timeline("c", "m", "alice"), Telemetry(facts.append))
    with progress.reported():
        progress.add(Thinking("Hm. I see."))
        for piece in pieces:
            progress.add(Text(piece))
        progress.add(Finish())
    assert isinstance(ended := facts[-1], ChatEnded)
    assert ended.tokens == tokenizer.tokens("Hm. I see.") + tokenizer.tokens("".join(pieces))
    assert ended.tokens != ESTIMATE.tokens("Hm. I see." + "".join(pieces))


def test_each_chunk_is_told_once_with_its_delay_and_its_distance_from_the_one_before() -> None:
    progress, facts = begun()
    now = time.monotonic()
    with progress.reported():
        for at in (now - 2.0, now - 1.5):
            progress.timeline.arrived(at)
        progress.add(Text("Two chunks."))
        progress.timeline.arrived(now - 1.4)
        progress.timeline.arrived(now + 1e6)  # of a browser with another clock
    told = [chunk for fact in facts if isinstance(fact, ChatProgress) for chunk in fact.chunks]
    assert [one.interval and round(one.interval, 2) for one in told] == [None, 0.5, 0.1]
    assert [1.0 < one.delay < 30.0 for one in told] == [True] * 3


def test_the_end_tells_what_was_asked_of_the_site_however_the_client_called_it() -> None:
    names = {
        "deepseek": "deepseek",
        "DeepSeek-R1-0528": "deepseek-think",
        "deepseek-search-silent-r1": "deepseek-think-search",
    }
    for name, variant in names.items():
        facts: list[Fact] = []
        request = ChatRequest("c", resolve(name, [Model("deepseek")]), (), dialect="ollama", prompt_tokens=5)
        with Progress(request, Timeline("c", "m"), Telemetry(facts.append)).reported():
            pass
        (ended,) = [fact for fact in facts if isinstance(fact, ChatEnded)]
        assert (ended.model, ended.variant, ended.dialect, ended.prompt_tokens) == (name, variant, "ollama", 5)
