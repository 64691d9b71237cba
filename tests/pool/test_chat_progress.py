"""What is told of a chat while it runs: each new step at once, tokens now and then, sizes at its end; never a text."""

from __future__ import annotations

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
