"""What is shown of thinking and sources, streamed and whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import FOLD_CLOSED, FOLD_OPEN, Fragment, PresentationStyle, Presenter, present
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import FinishReason, Model, Opened, Searched, Source, Text, Thinking, Withdrawn

FOLD = Model("m", thinking=True, search=True, show="fold")
SILENT = Model("m", thinking=True, search=True, show="silent")
SEPARATE = Model("m", thinking=True, search=True)
FOUND = Searched(("q",), (Source(2, "https://b.example/", "B"), Source(7, "https://g.example/", "G")))


def shown(model: Model, *events: AnswerEvent, reason: FinishReason = "stop") -> Fragment:
    """Return the whole answer, having checked that the stream of it is the same."""
    complete = (Opened(), *events, end(reason))
    presenter = Presenter(look(model))
    pieces = [presenter.piece(event) for event in complete]
    whole = present(look(model), complete)
    streamed = Fragment("".join(piece.text for piece in pieces), "".join(piece.thinking for piece in pieces))
    assert streamed == Fragment(whole.text, whole.thinking)
    return streamed


def look(model: Model) -> PresentationStyle:
    return PresentationStyle(model, marks="mark")


def end(reason: FinishReason = "stop") -> AnswerEnd:
    return AnswerEnd(reason, Usage(0, 0, 0))


def cut(kind: type[Text] | type[Thinking], text: str, size: int) -> list[AnswerEvent]:
    return [kind(text[index : index + size]) for index in range(0, len(text), size)]


def html(text: str) -> str:
    return str(MarkdownIt("commonmark").render(text))


def test_separate_thinking_stays_out_of_the_text() -> None:
    assert shown(SEPARATE, Thinking("Hm"), Thinking("."), Text("Hi")) == Fragment("Hi", "Hm.")


def test_silent_gives_neither_thinking_nor_sources() -> None:
    assert shown(SILENT, Thinking("Hm"), FOUND, Text("Hi")) == Fragment("Hi")


@pytest.mark.parametrize("size", range(1, 20))
def test_silent_takes_the_marks_out_wherever_the_text_was_cut(size: int) -> None:
    text = "A[citation:1][citation:12]. [see] [citation [citation:x] [b](c)[citation: 3, 4] end[cit"
    assert shown(SILENT, *cut(Text, text, size)) == Fragment("A. [see] [citation [citation:x] [b](c) end[cit")


@pytest.mark.parametrize("size", [7, 100_000])
def test_a_mark_of_thousands_of_digits_is_text(size: int) -> None:
    """No such number is read: Python refuses to, and the answer would end in an error of the bridge."""
    text = f"A[citation:{'9' * 5000}] end"
    assert shown(SILENT, FOUND, *cut(Text, text, size)) == Fragment(text)


def test_marks_stay_where_nobody_searched() -> None:
    assert shown(Model("m", show="silent"), Text("[citation:1]")) == Fragment("[citation:1]")


def test_only_what_could_be_a_mark_is_held_back() -> None:
    presenter = Presenter(look(SILENT))
    assert presenter.piece(Text("Hello [")) == Fragment("Hello ")
    assert presenter.piece(Text("x]")) == Fragment("[x]")


def test_sources_follow_the_text_under_the_numbers_of_their_marks() -> None:
    assert shown(SEPARATE, FOUND, Text("See [citation:7].")).text == (
        "See [citation:7].\n\n**Sources**\n\n- [2] [B](https://b.example/)\n- [7] [G](https://g.example/)"
    )


def test_a_search_without_sources_adds_nothing() -> None:
    assert shown(SEPARATE, Searched(("q",)), Text("Hi")) == Fragment("Hi")


def test_sources_that_come_in_several_events_are_listed_once_in_order() -> None:
    again = Searched((), (Source(7, "https://g.example/new", "New"), Source(1, "https://a.example/", "A")))
    lines = shown(SEPARATE, FOUND, again, Text("Hi")).text.splitlines()[-3:]
    assert lines == [
        "- [1] [A](https://a.example/)",
        "- [2] [B](https://b.example/)",
        "- [7] [New](https://g.example/new)",
    ]


@pytest.mark.parametrize(
    "title", ["a](http://evil) b", "`tick", "x\n\n# y", "<b>&amp;", "**bold", "back\\", "[", "]", "_a_", "|", "~~s~~"]
)
def test_a_title_cannot_break_its_link(title: str) -> None:
    text = shown(SEPARATE, Searched((), (Source(1, "https://a.example/p_(q)?a=1&b=[2]", title),)), Text("Hi")).text
    page = html(text)
    assert page.count("<a ") == 1
    assert 'href="https://a.example/p_%28q%29?a=1&amp;b=%5B2%5D"' in page
    for broken in ("<h1>", "<em>", "<b>", "<code>"):
        assert broken not in page


def test_a_source_that_is_no_web_address_is_no_link() -> None:
    assert shown(SEPARATE, Searched((), (Source(1, "javascript:alert(1)", "T"),)), Text("Hi")).text.endswith("- [1] T")


def test_an_address_with_broken_characters_is_still_a_link() -> None:
    found = Searched((), (Source(1, "https://a.example/\ud83d x", "T"),))
    assert shown(SEPARATE, found, Text("Hi")).text.endswith("- [1] [T](https://a.example/%3F%20x)")


def test_a_source_without_a_title_shows_its_address() -> None:
    found = Searched((), (Source(1, "https://a.example/"),))
    assert shown(SEPARATE, found, Text("Hi")).text.endswith("- [1] [https://a.example/](https://a.example/)")


def test_sources_stand_outside_a_code_block_that_was_left_open() -> None:
    text = shown(SEPARATE, FOUND, Text("```py\nx = 1"), reason="length").text
    assert "</code></pre>\n<p><strong>Sources</strong></p>" in html(text)


def test_fold_puts_the_thinking_before_the_answer() -> None:
    assert shown(FOLD, Thinking("Hm"), Thinking("."), Text("H"), Text("i")) == Fragment(
        f"{FOLD_OPEN}Hm.{FOLD_CLOSED}Hi"
    )


def test_fold_without_thinking_shows_no_block() -> None:
    assert shown(FOLD, Text("Hi")) == Fragment("Hi")


def test_fold_closes_a_block_that_no_text_followed() -> None:
    text = shown(FOLD, Thinking("Hm"), reason="content_filter").text
    assert text == FOLD_OPEN + "Hm" + FOLD_CLOSED


def test_thinking_after_text_gets_a_block_of_its_own() -> None:
    text = shown(FOLD, Thinking("A"), Text("B"), Thinking("C"), Text("D")).text
    assert text == f"{FOLD_OPEN}A{FOLD_CLOSED}B\n\n{FOLD_OPEN}C{FOLD_CLOSED}D"


@pytest.mark.parametrize(
    "thinking",
    [
        "Some `code` and\n\n- a list\n- of two",
        "```html\n<details>",
        "~~~~\nopen\n```\nstill open",
        "```py\nx\n```\ndone",
        "ends </details> early",
        "<DETAILS>\n\n<summary>",
        "<!-- a comment",
        "<script>",
        "<pre>\n\n<style>",
        "# A heading\n\n    indented",
        "a < b",
        "<det",
        "line\n```",
        "```\ncode\n``` is not closed",
    ],
)
def test_no_thinking_can_swallow_the_answer_or_leave_its_block(thinking: str) -> None:
    for size in (1, 2, 3, 7, 1000):
        page = html(shown(FOLD, *cut(Thinking, thinking, size), Text("# Answer")).text)
        assert page.count("<details>") == page.count("</details>") == 1, size
        assert page.endswith("</details>\n<h1>Answer</h1>\n"), size


@given(st.text(alphabet="`~<>/!?details\n -#[]()", max_size=60), st.integers(1, 9))
def test_random_thinking_keeps_to_its_block(thinking: str, size: int) -> None:
    whole = shown(FOLD, Thinking(thinking), Text("Answer")).text
    assert whole == shown(FOLD, *cut(Thinking, thinking, size), Text("Answer")).text
    assert html(whole).endswith(("</details>\n<p>Answer</p>\n",) if thinking else ("<p>Answer</p>\n",))


def test_a_withdrawn_answer_is_only_the_text_that_came_in_its_place() -> None:
    events = (Thinking("bad"), Text("bad"), FOUND, Withdrawn("Let us talk of something else."), end())
    for model in (SEPARATE, FOLD, SILENT):
        assert (shown := present(look(model), events)).text == "Let us talk of something else."
        assert (shown.thinking, shown.sources, shown.reason) == ("", (), "content_filter")


def test_a_stream_cannot_take_back_text_and_ends_with_content_filter() -> None:
    presenter = Presenter(look(SEPARATE))
    presenter.piece(FOUND)
    presenter.piece(Text("bad"))
    assert presenter.piece(Withdrawn("Sorry.")) == Fragment()
    assert presenter.piece(end()) == Fragment()
    assert presenter.reason(end()) == "content_filter"


def test_a_stream_that_showed_no_text_yet_shows_what_came_in_its_place() -> None:
    presenter = Presenter(look(FOLD))
    presenter.piece(Thinking("bad"))
    assert presenter.piece(Withdrawn("Sorry.")) == Fragment(f"{FOLD_CLOSED}Sorry.")
