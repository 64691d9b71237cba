"""What the parameters of a request do to its answer: where it ends, how many there are, what is switched on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.answer.stop import StopFilter
from bridge.chat.history_digests import after, digest
from bridge.chat.types import ChatEvent, Finish, Message, Opened, Searched, Source, Text, Thinking
from bridge.errors import PoolFull
from bridge.settings import ApiSettings
from tests.api.test_api import frames
from tests.support.fake_backend import Served, serving, soon

FOUND = Searched(("q",), (Source(1, "https://a.example/x?(1)", "A"), Source(2, "https://b.example/", "B", "Text.")))


async def whole(served: Served, **body: Any) -> dict[str, Any]:
    async with served.post(**body) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def streamed(served: Served, **body: Any) -> list[Any]:
    async with served.post(stream=True, **body) as response:
        *chunks, done = frames(await response.read())
    assert done == "[DONE]"
    return chunks


def text_of(chunks: list[Any], choice: int = 0) -> str:
    choices = [one for chunk in chunks for one in chunk["choices"] if one["index"] == choice]
    return "".join(one["delta"].get("content") or "" for one in choices)


# stop and max_tokens


@pytest.mark.parametrize("stop", ["END", ["nothing", "END"], ["D!", "END"]])
@pytest.mark.parametrize("size", [1, 2, 3, 50])
async def test_an_answer_ends_before_a_stop_sequence_wherever_it_was_cut(served: Served, stop: Any, size: int) -> None:
    text = "One. EN, E. END! Two."
    pieces = [Text(text[place : place + size]) for place in range(0, len(text), size)]
    served.backend.script = (Opened(), *pieces, Finish())
    answer = await whole(served, stop=stop)
    assert answer["choices"][0]["message"]["content"] == "One. EN, E. "
    assert answer["choices"][0]["finish_reason"] == "stop"
    chunks = await streamed(served, stop=stop)
    assert text_of(chunks) == "One. EN, E. "
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("limit", [{"stop": "END"}, {"max_tokens": 2}])
async def test_an_answer_that_is_cut_stops_the_page(served: Served, stream: bool, limit: dict[str, Any]) -> None:
    served.backend.script = (Opened(), Text("A END of the text"), asyncio.Event(), Finish())
    async with served.post(stream=stream, **limit) as response:
        await response.read()
    await soon(served.backend.closed)
    assert not served.backend.ran_out


async def test_what_may_begin_a_stop_sequence_is_given_out_at_the_end(served: Served) -> None:
    served.backend.script = (Opened(), Text("One. EN"), Finish())
    assert (await whole(served, stop="END"))["choices"][0]["message"]["content"] == "One. EN"


@given(st.lists(st.text("ab", max_size=4), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_a_cut_gives_the_same_text_as_if_it_had_come_in_one_piece(pieces: list[str], stop: list[str]) -> None:
    def cut(parts: list[str]) -> tuple[str, str | None]:
        one, given_out = StopFilter(stop, None), ""
        for part in parts:
            given_out += one.text(part)
            if one.reason:
                return given_out, one.sequence
        return given_out + one.finish(), one.sequence

    text = "".join(pieces)
    ends = [(place + len(sequence), place, sequence) for sequence in stop if (place := text.find(sequence)) >= 0]
    _, place, sequence = min(ends, default=(0, len(text), None))
    assert cut(pieces) == cut([text]) == (text[:place], sequence)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_an_answer_ends_at_its_number_of_tokens(served: Served, field: str) -> None:
    served.backend.script = (Opened(), *[Text("word ")] * 100, Finish())
    answer = await whole(served, **{field: 16})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 16
    chunks = await streamed(served, **{field: 16}, stream_options={"include_usage": True})
    assert text_of(chunks) == answer["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == answer["usage"]


async def test_thinking_counts_among_the_tokens(served: Served) -> None:
    served.backend.script = (Opened(), Thinking("x" * 100), Text("Hello"), Finish())
    choice = (await whole(served, max_tokens=10))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")
    assert len(choice["message"]["reasoning_content"]) == 33


async def test_an_answer_that_fits_is_not_touched(served: Served) -> None:
    choice = (await whole(served, max_tokens=3))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello", "stop")


# n


async def test_several_answers_are_several_chats_side_by_side(served: Served) -> None:
    gate = asyncio.Event()
    one: tuple[ChatEvent | asyncio.Event, ...] = (Opened(), gate, Text("One"), Finish())
    served.backend.choices = [one, (Opened(), Text("Two"), Finish())]
    asking = asyncio.gather(whole(served, n=2))
    await soon(served.backend.closed)
    gate.set()
    (answer,) = await asking
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["One", "Two"]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert len({request.id for request in served.backend.requests}) == 2
    assert answer["usage"]["completion_tokens"] == 2


async def test_several_answers_stream_under_their_numbers(served: Served) -> None:
    served.backend.choices = [(Opened(), Text(name), Finish()) for name in ("One", "Two", "Three")]
    chunks = await streamed(served, n=3, stream_options={"include_usage": True})
    assert [text_of(chunks, choice) for choice in range(3)] == ["One", "Two", "Three"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-1]["usage"]["completion_tokens"] == 4


async def test_the_failure_of_one_answer_is_that_of_all(served: Served) -> None:
    served.backend.scripts = [(Opened(), asyncio.Event(), Finish()), (PoolFull("Full.", retry_after=1),)]
    async with served.post(n=2) as response:
        assert response.status == 429


async def test_the_settings_say_how_many_answers_there_may_be() -> None:
    async with serving(api=ApiSettings(max_choices=1)) as served, served.post(n=2) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "n"


# Switches


@pytest.mark.parametrize(
    ("model", "switches", "thinking", "search"),
    [
        ("deepseek", {"reasoning_effort": "high"}, True, False),
        ("deepseek", {"thinking": {"type": "enabled", "budget_tokens": 1}}, True, False),
        ("deepseek", {"thinking": {"type": "adaptive"}}, True, False),
        ("deepseek", {"thinking": True}, True, False),
        ("deepseek", {"enable_thinking": True}, True, False),
        ("deepseek-r1", {"enable_thinking": False}, False, False),
        ("deepseek-r1", {"thinking": "disabled"}, False, False),
        ("deepseek", {"thinking": "enabled"}, True, False),
        ("deepseek", {"reasoning": {"effort": "high"}}, True, False),
        ("deepseek-r1", {"reasoning": {"effort": "none"}}, False, False),
        ("deepseek-r1", {"reasoning": {"enabled": False, "effort": "high"}}, False, False),
        ("deepseek", {"reasoning": {"enabled": True}}, True, False),
        ("deepseek-r1", {"reasoning": {}}, True, False),
        ("deepseek", {"reasoning": "high"}, True, False),
        ("deepseek-r1", {"reasoning": "none"}, False, False),
        ("deepseek-r1", {"reasoning": False}, False, False),
        ("deepseek-r1", {"reasoning": {"enabled": "false"}}, False, False),
        ("deepseek-r1", {"enable_thinking": "false"}, False, False),
        ("deepseek", {"enable_thinking": "True"}, True, False),
        ("deepseek-r1", {"chat_template_kwargs": {"enable_thinking": "no", "thinking": ""}}, False, False),
        ("deepseek", {"chat_template_kwargs": {"thinking": True}}, True, False),
        ("deepseek-r1", {"chat_template_kwargs": {"enable_thinking": False}}, False, False),
        ("deepseek-r1", {"reasoning_effort": "none"}, False, False),
        ("deepseek", {"reasoning_effort": ""}, False, False),
        ("deepseek-r1", {"reasoning_effort": " ", "thinking": ""}, True, False),
        ("deepseek-r1", {"thinking": {"type": "disabled"}}, False, False),
        ("deepseek-r1", {}, True, False),
        ("deepseek", {"web_search_options": {}}, False, True),
        ("deepseek-search", {"web_search_options": None}, False, True),
    ],
)
async def test_a_request_can_switch_thinking_and_search(
    served: Served, model: str, switches: dict[str, Any], thinking: bool, search: bool
) -> None:
    async with served.post(model=model, **switches) as response:
        assert response.status == 200
        assert "x-bridge-ignored" not in response.headers
    asked = served.backend.requests[0].model
    assert (asked.thinking, asked.search) == (thinking, search)


# The beginning of an answer

BEGUN = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two, ", "prefix": True}]


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("three.", "three."),
        ("One, two, three.", "three."),
        ("\n One, two,  three.", "three."),
        ("One, three.", "One, three."),
        ("One, two,", "One, two,"),
    ],
)
async def test_an_answer_that_was_begun_is_gone_on_from_and_nothing_of_it_given_twice(
    served: Served, written: str, given: str, size: int
) -> None:
    pieces = [Text(written[place : place + size]) for place in range(0, len(written), size)]
    served.backend.script = (Opened(), *pieces, Finish())
    assert text_of(await streamed(served, messages=BEGUN)) == given
    request = served.backend.requests[0]
    whole = [*request.messages[:-1], Message("assistant", f"One, two, {given}")]
    assert digest(after(request.messages, request.returned(written))) == digest(whole)


async def test_json_that_was_begun_is_given_on_as_it_comes(served: Served) -> None:
    served.backend.script = (Opened(), Text('"a": 1}'), Finish())
    begun = [{"role": "user", "content": "JSON"}, {"role": "assistant", "content": "{"}]
    answer = await whole(served, messages=begun, response_format={"type": "json_object"})
    assert answer["choices"][0]["message"]["content"] == '"a": 1}'


# Citations


@pytest.mark.parametrize("style", ["link", "mark"])
@pytest.mark.parametrize("model", ["deepseek-search", "deepseek-think-search-fold"])
async def test_citations_are_known_by_their_place_in_the_text(style: str, model: str) -> None:
    async with serving(api=ApiSettings.model_validate({"citations": style})) as served:
        pieces = map(Text, ("It is so 😀 [cit", "ation:1]", ", or so [citation:1, 2][citation:9]."))
        served.backend.script = (Opened(), Thinking("Hm."), FOUND, *pieces, Finish())
        answer = await whole(served, model=model)
        chunks = await streamed(served, model=model)
    message = answer["choices"][0]["message"]
    cited = [note["url_citation"] for note in message["annotations"]]
    parts = [message["content"][note["start_index"] : note["end_index"]] for note in cited]
    link = "[[1]](https://a.example/x?%281%29)"
    both = "[citation:1, 2]"
    assert parts == ([link, link, "[[2]](https://b.example/)"] if style == "link" else ["[citation:1]", both, both])
    assert [note["url"] for note in cited] == [FOUND.sources[place].url for place in (0, 0, 1)]
    assert "[citation:9]" in message["content"]
    assert text_of(chunks) == message["content"]
    (notes,) = [
        one["delta"]["annotations"] for chunk in chunks for one in chunk["choices"] if "annotations" in one["delta"]
    ]
    assert notes == message["annotations"]
    assert answer["search_results"][1] == {"number": 2, "title": "B", "url": "https://b.example/", "snippet": "Text."}
    assert chunks[-1]["search_results"] == answer["search_results"]


async def test_a_citation_at_the_very_beginning_is_counted_behind_the_folded_thinking(served: Served) -> None:
    served.backend.script = (Opened(), Thinking("Hm."), FOUND, Text("[citation:2] says so."), Finish())
    message = (await whole(served, model="deepseek-think-search-fold"))["choices"][0]["message"]
    (note,) = [note["url_citation"] for note in message["annotations"]]
    assert message["content"][note["start_index"] : note["end_index"]] == "[[2]](https://b.example/)"


async def test_silent_answers_cite_nothing(served: Served) -> None:
    served.backend.script = (Opened(), FOUND, Text("So [citation:1]."), Finish())
    answer = await whole(served, model="deepseek-search-silent")
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "So .", "refusal": None}
    assert "search_results" not in answer


async def test_json_of_a_search_is_nothing_but_json(served: Served) -> None:
    served.backend.script = (Opened(), FOUND, Text('{"a": "[citation:1]"}'), Finish())
    wanted = {"type": "json_object"}
    answer = await whole(served, model="deepseek-search", response_format=wanted)
    assert answer["choices"][0]["message"]["content"] == '{"a": "[citation:1]"}'
