"""What the DeepSeek page's short messages mean for a prompt that it does not send."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, ContextTooLong, RateLimited, SiteBusy
from bridge.sites.deepseek.notices import is_generating, news, refusal


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("Content is too long. Please shorten it and try again.", ContextTooLong),
        ("内容超长，请删减后再试", ContextTooLong),
        ("Messages too frequent. Try again later.", RateLimited),
        ("消息发送过于频繁，请稍后重试", RateLimited),
        ("Server busy, please try again later.", SiteBusy),
        ("服务器繁忙，请稍后重试", SiteBusy),
        ("Another message is being generated.", SiteBusy),
        ("有消息正在生成", SiteBusy),
    ],
)
def test_a_message_of_the_page_says_why_it_does_not_send(says: str, error: type[BridgeError]) -> None:
    told = refusal(["Copied", says])
    assert type(told) is error
    assert says in told.message


def test_a_reason_that_nobody_knows_counts_only_where_the_prompt_was_told_to_go() -> None:
    assert refusal(["The weather is too fine."]) is None
    told = refusal(["Copied", "The weather is too fine."], also_unknown=True)
    assert type(told) is SiteBusy
    assert "Copied; The weather is too fine." in told.message
    assert refusal([], also_unknown=True) is None


@pytest.mark.parametrize("says", ["Another message is being generated.", "It is still generating", "有消息正在生成"])
def test_a_page_that_is_at_another_answer_says_so(says: str) -> None:
    assert is_generating(["Copied", says])
    assert not is_generating(["Copied", "The answer was generated."])


def test_messages_that_were_there_before_are_no_news() -> None:
    assert sorted(news(["Busy", "Copied", "Busy"], ["Busy", "Gone"])) == ["Busy", "Copied"]
