"""The promises of the server-sent events: the WHATWG's rules, whatever the cuts, in linear time."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.sse import ServerSentEvent, SSEDecoder, encode_sse


def read(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def data(*pieces: bytes) -> list[str]:
    return [event.data for event in read(*pieces)]


def test_an_event_has_a_name_a_text_and_an_id() -> None:
    assert read(b"event: title\nid: 7\ndata: hello\n\n") == [ServerSentEvent("title", "hello", "7")]


def test_an_event_without_a_name_is_a_message() -> None:
    assert read(b"data: a\n\nevent:\ndata: b\n\n") == [
        ServerSentEvent("message", "a", ""),
        ServerSentEvent("message", "b", ""),
    ]


def test_a_name_is_for_one_event_and_an_id_for_all_that_follow() -> None:
    events = read(b"event: a\nid: 1\ndata: x\n\ndata: y\n\nid\ndata: z\n\n")
    assert [(event.event, event.id) for event in events] == [("a", "1"), ("message", "1"), ("message", "")]


def test_a_name_without_data_is_no_event_and_names_nothing_after_it() -> None:
    assert read(b"event: lost\n\ndata: x\n\n") == [ServerSentEvent("message", "x", "")]


def test_lines_of_data_are_joined_by_line_feeds() -> None:
    assert data(b"data: a\ndata\ndata:b\ndata:  c\n\n") == ["a\n\nb\n c"]


def test_data_may_be_empty() -> None:
    assert data(b"data\n\ndata:\n\ndata: \n\n") == ["", "", ""]


def test_one_space_behind_the_colon_is_no_part_of_the_value() -> None:
    assert read(b"event:  e \nid:\t1\ndata:  x \n\n") == [ServerSentEvent(" e ", " x ", "\t1")]


def test_comments_and_unknown_fields_are_ignored() -> None:
    assert data(b": \n\n:data: x\n\nretry: 5\nfoo: bar\n data: y\ndatum: z\ndata: a\n: mid\n\n") == ["a"]


def test_an_id_with_a_null_is_ignored() -> None:
    assert read(b"id: 1\nid: a\0b\ndata: x\n\n")[0].id == "1"


def test_a_leading_byte_order_mark_is_ignored_wherever_it_is_cut() -> None:
    stream = b"\xef\xbb\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n"
    for cut in range(len(stream)):
        assert data(stream[:cut], stream[cut:]) == ["x"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_with_any_of_the_three_ends(end: bytes) -> None:
    stream = end.join([b"event: e", b"data: x", b"data: y", b"", b"data: z", b"", b""])
    expected = [ServerSentEvent("e", "x\ny", ""), ServerSentEvent("message", "z", "")]
    assert read(stream) == expected
    assert read(*(bytes([byte]) for byte in stream)) == expected


def test_an_event_is_given_at_its_last_byte_and_not_later() -> None:
    assert data(b"data: x\r\n\r") == ["x"]


def test_only_the_three_line_ends_end_a_line() -> None:
    text = "a\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029b"
    assert data(f"data: {text}\n\n".encode()) == [text]


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert data(b"data: a\xffb\xe4\n\n") == ["a\ufffdb\ufffd"]


@pytest.mark.parametrize(
    ("rest", "unfinished"),
    [
        (b"", False),
        (b": heartbea", False),
        (b": \n", False),
        (b"data: x\n", True),
        (b"data: x", True),
        (b"event: x\n", True),
        (b"d", True),
    ],
)
def test_the_end_tells_whether_an_event_was_left_unfinished(rest: bytes, unfinished: bool) -> None:
    decoder = SSEDecoder()
    assert len(decoder.feed(b"data: a\n\n" + rest)) == 1
    assert decoder.end() is unfinished


LINES = st.lists(
    st.sampled_from(
        [b"data: x", b"data:\xe4\xbd\xa0\xf0\x9f\x90\x88", b"data", b"", b"", b": ", b"event: e", b"id: 4", b"\xff"]
    )
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(derandomize=True, database=None)
@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(0, 400)))
def test_the_cuts_change_nothing(parts: list[tuple[list[bytes], bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for lines, end in parts for line in lines)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    whole = read(stream)
    assert read(*(stream[a:b] for a, b in pairwise(places))) == whole
    assert read(*(bytes([byte]) for byte in stream)) == whole
    assert whole == read_simply(stream)


def read_simply(stream: bytes) -> list[ServerSentEvent]:
    """Read a whole stream as the standard's text says it, with no thought of cuts or speed."""
    events: list[ServerSentEvent] = []
    name, lines, last_id = "", list[str](), ""
    for line in re.split("\r\n|\n|\r", stream.decode("utf-8", "replace"))[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if lines:
                events.append(ServerSentEvent(name or "message", "\n".join(lines), last_id))
            name, lines = "", []
        elif field == "data":
            lines.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            last_id = value
    return events


@settings(derandomize=True, database=None)
@given(st.text(st.sampled_from("ab :\n\r猫🐈\u2028")), st.sampled_from([None, "e", "título"]))
def test_what_is_written_is_read_back(text: str, name: str | None) -> None:
    [event] = read(encode_sse(text, name))
    assert event == ServerSentEvent(name or "message", text.replace("\r\n", "\n").replace("\r", "\n"), "")
    assert encode_sse(text.encode(), name) == encode_sse(text, name)


def test_events_are_written_with_a_space_behind_the_colon() -> None:
    assert encode_sse("[DONE]") == b"data: [DONE]\n\n"
    assert encode_sse(b"a\nb", "two") == b"event: two\ndata: a\ndata: b\n\n"
    assert encode_sse("") == b"data: \n\n"


def test_a_name_of_two_lines_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="one line"):
        encode_sse("x", "a\ndata: forged")


@pytest.mark.slow
def test_an_event_in_single_bytes_is_read_without_reading_it_again_and_again() -> None:
    line = b"data: " + b"x" * 250_000 + b"\n\n"
    assert [len(text) for text in data(*(line[i : i + 1] for i in range(len(line))))] == [250_000]


@pytest.mark.slow
def test_an_event_of_many_short_lines_is_read_without_reading_it_again_and_again() -> None:
    lines = b"data: x\n" * 200_000
    assert [len(text) for text in data(*(lines[i : i + 8] for i in range(0, len(lines), 8)), b"\n")] == [399_999]
