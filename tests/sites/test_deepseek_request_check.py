"""The guard lets nothing out of the browser that the turn did not ask for, and never says a word of a prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.browser.page_messages import PageRequest
from bridge.sites.contract import Turn
from bridge.sites.deepseek.request_check import COMPLETION, FOREIGN, GOING_ON, CompletionCheck, conversation_of

TURN = Turn("Wie geht's?\nGut.")
BODY: dict[str, Any] = {
    "chat_session_id": "c-1",
    "parent_message_id": None,
    "prompt": TURN.prompt,
    "thinking_enabled": False,
    "search_enabled": False,
}


def held(path: str = COMPLETION, **body: Any) -> PageRequest:
    return PageRequest("POST", f"https://site.example{path}", json.dumps(body).encode())


@pytest.mark.parametrize("model_type", [None, "default", "default_v2"])
def test_a_plain_model_may_have_any_name(model_type: str | None) -> None:
    assert CompletionCheck().differences(TURN, held(**{**BODY, "model_type": model_type}), None) == []


@pytest.mark.parametrize("prompt", [TURN.prompt, f"  {TURN.prompt}\n", TURN.prompt.replace("\n", "\r\n")])
def test_a_prompt_that_only_its_box_has_changed_may_leave(prompt: str) -> None:
    assert CompletionCheck().differences(TURN, held(**{**BODY, "prompt": prompt}), None) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": "something else"}, "prompt is another prompt (14 characters instead of 16)"),
        ({"prompt": None}, "prompt is missing"),
        ({"thinking_enabled": True}, "thinking_enabled is True instead of False"),
        ({"search_enabled": "no secrets"}, "search_enabled is str instead of False"),
        ({"model_type": "expert"}, "model_type is expert"),
        ({"parent_message_id": 4}, "parent_message_id belongs to an old conversation"),
    ],
)
def test_what_differs_from_the_turn_is_named_without_a_text(change: dict[str, Any], says: str) -> None:
    reasons = CompletionCheck().differences(TURN, held(**{**BODY, **change}), None)
    assert reasons == [f"its {says}"]


def test_a_turn_in_a_conversation_must_stand_there_behind_its_last_answer() -> None:
    turn = Turn(TURN.prompt, conversation="c-1", parent="4")
    assert CompletionCheck().differences(turn, held(**{**BODY, "parent_message_id": 4}), None) == []
    assert CompletionCheck().differences(
        turn, held(**{**BODY, "chat_session_id": "c-2", "parent_message_id": 2}), None
    ) == [
        "its chat_session_id is another conversation",
        "its parent_message_id is 2 instead of 4",
    ]


@pytest.mark.parametrize("path", FOREIGN)
def test_no_other_kind_of_request_may_leave(path: str) -> None:
    assert CompletionCheck().differences(TURN, held(path, **BODY), None) == (f"an unexpected request to {path}",)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read_does_not_leave(body: bytes) -> None:
    request = PageRequest("POST", f"https://site.example{COMPLETION}", body)
    assert CompletionCheck().differences(TURN, request, None) == ("its body is not a JSON object",)
    assert conversation_of(request) is None


@pytest.mark.parametrize("path", GOING_ON)
def test_going_on_is_only_for_the_turns_own_answer(path: str) -> None:
    guard = CompletionCheck()
    mine = held(path, chat_session_id="c-1", message_id=2)
    assert guard.differences(TURN, mine, None) == ["its chat_session_id is not the one of the turn"]
    assert guard.differences(TURN, held(**BODY), None) == []
    assert guard.differences(TURN, mine, None) == []
    assert guard.differences(TURN, mine, "2") == []
    assert guard.differences(TURN, mine, "4") == ["its message_id is 2 instead of 4"]
    assert guard.differences(TURN, held(path, chat_session_id="c-2", message_id=2), "2") == [
        "its chat_session_id is not the one of the turn"
    ]
    assert guard.differences(TURN, held(path, chat_session_id="c-1", message_id=None), None) == [
        "its message_id is not a number"
    ]


def test_going_on_with_an_earlier_answer_of_the_conversation_is_stopped() -> None:
    guard, turn = CompletionCheck(), Turn(TURN.prompt, conversation="c-1", parent="4")
    assert guard.differences(turn, held(**{**BODY, "parent_message_id": 4}), None) == []
    assert guard.differences(turn, held(GOING_ON[0], chat_session_id="c-1", message_id=4), None) == [
        "its message_id is 4, an earlier message"
    ]
    assert guard.differences(turn, held(GOING_ON[0], chat_session_id="c-1", message_id=6), None) == []
