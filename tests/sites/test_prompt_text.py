"""What a page has made of a prompt is told from another text."""

from __future__ import annotations

import time

import pytest

from bridge.sites.prompt_text import AlteredPrompt, difference, is_altered

PROMPT = 'Say "hi" -- twice...\n\n\n\n<b>Élan</b>, and then go on for a while.'


@pytest.mark.parametrize(
    "sent",
    [
        "Say \u201chi\u201d \u2014 twice\u2026\n\n<b>Élan</b>, and then go on for a while.",
        PROMPT[:30],
        PROMPT.replace("<b>", "").replace("</b>", ""),
        PROMPT.replace("<", "&lt;").replace(">", "&gt;"),
        PROMPT.upper(),
        PROMPT.replace("É", "E\u0301"),
    ],
)
def test_a_text_that_the_page_has_altered_is_known(sent: str) -> None:
    assert isinstance(difference("text", sent, PROMPT), AlteredPrompt)


@pytest.mark.parametrize("sent", ["", " \n", "Tell me a joke", f"An old draft. {PROMPT}", f"{PROMPT} {PROMPT}"])
def test_another_text_and_one_with_something_added_is_not_altered(sent: str) -> None:
    reason = difference("text", sent, PROMPT)
    assert reason is not None
    assert not isinstance(reason, AlteredPrompt)


@pytest.mark.parametrize("prompt", [f"{PROMPT}\n", f"\ufeff{PROMPT}\u3000\ufeff", PROMPT.replace(" ", "\u00a0")])
def test_what_the_page_trims_and_how_it_spaces_words_is_no_difference(prompt: str) -> None:
    assert difference("text", f"  {PROMPT}\r\n", prompt) is None


def test_long_texts_are_compared_in_little_time() -> None:
    begun = time.process_time()
    assert is_altered("ab " * 1_000_000, "ab  " * 1_000_000)
    assert not is_altered("a" * 3_000_000, "b" * 3_000_000)
    assert time.process_time() - begun < 2
