"""A script is read from a prompt or from JSON, and says what is answered."""

from __future__ import annotations

import pytest

from bridge.demo import DemoSite, Script
from bridge.demo.model import compose, tokenize


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ('[[demo {"text": "one"}]]', "one"),
        ('first [[demo {"text": "one"}]] then [[demo {"text": "two"}]] and more', "two"),
        ('[[demo {"text": "one"}]] [[demo {"text": ]] broken', "one"),
        ('[[demo {"text": "a ]] b"}]]', "a ]] b"),
        ('[[demo {"text": "one"}]] [[demo {"nonsense": 1}]]', "one"),
    ],
)
def test_the_last_readable_directive_of_a_prompt_counts(prompt: str, text: str) -> None:
    script = Script.from_prompt(prompt)
    assert script is not None
    assert script.text == text


@pytest.mark.parametrize("prompt", ["", "hello", "[[demo ", '[[demo {"text": "one"}', '[[demo ["text"]]]'])
def test_a_prompt_without_a_directive_has_no_script(prompt: str) -> None:
    assert Script.from_prompt(prompt) is None


def test_a_queued_script_comes_before_the_prompts_own() -> None:
    alice = DemoSite().account("alice")
    alice.script(Script(text="queued"))
    talk = alice.add_conversation()
    assert alice.next_script('[[demo {"text": "own"}]]', talk).text == "queued"
    assert alice.next_script('[[demo {"text": "own"}]]', talk).text == "own"


def test_what_follows_a_script_answers_the_next_prompts_of_its_conversation_alone() -> None:
    alice = DemoSite().account("alice")
    talk, other = alice.add_conversation(), alice.add_conversation()
    alice.next_script('[[demo {"text": "one", "then": [{"text": "two"}, {"text": "three"}]}]]', talk)
    assert alice.next_script("meanwhile", other) == Script()
    assert [alice.next_script("go on", talk).text for _ in range(3)] == ["two", "three", None]


def test_a_new_directive_ends_the_script_before_it() -> None:
    alice = DemoSite().account("alice")
    talk = alice.add_conversation()
    for prompt in ('[[demo {"text": "one", "then": [{"text": "two"}]}]]', '[[demo {"text": "new"}]]'):
        alice.next_script(prompt, talk)
    assert alice.next_script("go on", talk) == Script()


@pytest.mark.parametrize("directive", ['{"fault": "flood"}', '{"text": "one", "then": [{"fault": "flood"}]}'])
def test_a_directive_with_an_unknown_fault_is_no_directive(directive: str) -> None:
    alice = DemoSite().account("alice")
    assert alice.next_script(f"[[demo {directive}]]", alice.add_conversation()) == Script()


@pytest.mark.parametrize("document", [[], {"words": 3}, {"then": {"text": "two"}}, {"then": [{"words": 3}]}])
def test_a_document_that_is_no_script_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="a script"):
        Script.from_json(document)


def _answer(prompt: str, script: Script = Script(), *, thinking: bool = False, search: bool = False) -> str:  # noqa: B008
    return "".join(token.text for token in compose(prompt, script, thinking=thinking, search=search).answer)


def test_the_same_prompt_gets_the_same_answer_which_quotes_its_last_line() -> None:
    answer = _answer("a long story\nwith an end")
    assert answer == _answer("a long story\nwith an end")
    assert "**with an end**" in answer
    assert "a long story" not in answer


def test_an_echo_is_exactly_the_prompt() -> None:
    prompt = " spaces \n\ttabs 汉字\r\n"
    assert _answer(prompt, Script(echo=True)) == prompt


def test_the_default_model_searches_only_if_asked_for_news() -> None:
    assert compose("hello", Script(), thinking=False, search=True).results is None
    assert "[citation:1]" in _answer("the latest news", search=True)
    assert "[reference:0]" in _answer("the latest news", search=True, thinking=True)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_tokens_add_up_to_the_text_and_marks_stay_whole(size: int) -> None:
    text = "汉字 [citation:12] and [reference:0]!"
    tokens = list(tokenize(text, size))
    assert "".join(token.text for token in tokens) == text
    assert [token.reference for token in tokens if token.text.startswith("[")] == [None, 0]
