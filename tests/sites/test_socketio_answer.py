"""An answer by socket.io is the same by polling, by the socket, and wherever a page moves from the one to the other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Text, Thinking
from bridge.errors import SiteError
from bridge.sites.site_file.rule_decoder import EMPTY_END_LIMIT, AnswerRules, RuleDecoder
from tests.support.site_files import site_file
from tests.support.site_streams import joined

FILE = """
[request]
method = "WEBSOCKET"
path = "/socket.io/"
body = "socketio"
when = { "[0]" = "prompt" }
prompt = ["[1]"]

[answer]
framing = "socketio"
rules = [
  { when = { "[0]" = "thought" }, emit = "thinking", value = "[1]" },
  { when = { "[0]" = "piece" }, emit = "text", value = "[1]" },
  { when = { "[0]" = "end" }, emit = "finish" },
]
"""
END = b'42["end"]'
PACKETS = (b'42["piece","Ra"]', b"2", '42["piece","in 雨"]'.encode(), b'42["piece"," falls."]', END)
ANSWER: list[ChatEvent] = [Opened(), Text("Rain 雨 falls."), Finish()]
SOCKET = PageResponse("wss://p.test/socket.io/?EIO=4&transport=websocket", 101, {}, 1000)


def decoder_of(**answer: object) -> RuleDecoder:
    more = "".join(f"{name} = {value}\n" for name, value in answer.items())
    return RuleDecoder(AnswerRules(site_file(FILE.replace("rules = [", f"{more}rules = ["))))


def poll(decoder: RuleDecoder, number: int, *pieces: bytes) -> list[ChatEvent]:
    """Take one body of long polling, in pieces."""
    decoder.begin(PageResponse("https://p.test/socket.io/?EIO=4&transport=polling", 200, {}, number))
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.end()]


def polled(decoder: RuleDecoder, bodies: Sequence[Sequence[bytes]]) -> list[ChatEvent]:
    return [event for number, pieces in enumerate(bodies) for event in poll(decoder, number, *pieces)]


def by_socket(decoder: RuleDecoder, packets: Sequence[bytes]) -> list[ChatEvent]:
    decoder.begin(SOCKET)
    return [event for packet in packets for event in decoder.feed(packet)]


@pytest.mark.parametrize("split", range(1, 2 ** (len(PACKETS) - 1), 3))
def test_an_answer_is_the_same_however_its_packets_are_spread_over_polls(split: int) -> None:
    bodies = [[PACKETS[0]]]
    for number, packet in enumerate(PACKETS[1:]):
        if split >> number & 1:
            bodies.append([packet])
        else:
            bodies[-1].append(packet)
    assert joined(polled(decoder_of(), [[b"\x1e".join(body)] for body in bodies])) == ANSWER


def test_an_answer_is_the_same_wherever_the_body_of_a_poll_is_cut() -> None:
    body = b"\x1e".join(PACKETS)
    for at in range(len(body) + 1):
        assert joined(polled(decoder_of(), [[body[:at], body[at:]]])) == ANSWER


@pytest.mark.parametrize("moved", range(len(PACKETS) + 1))
def test_an_answer_is_the_same_wherever_the_page_moves_to_its_socket(moved: int) -> None:
    decoder = decoder_of()
    events = polled(decoder, [[packet] for packet in PACKETS[:moved]])
    events += by_socket(decoder, [b"3probe", *PACKETS[moved:]])
    assert joined(events) == ANSWER


def test_what_came_of_a_prompt_that_was_posted_is_no_answer_and_ends_none() -> None:
    decoder = decoder_of()
    decoder.sent(PageRequest("POST", "https://p.test/socket.io/", b'42["prompt","What is rain?"]'))
    assert poll(decoder, 1, b"ok") == []
    assert joined(poll(decoder, 2, b"\x1e".join(PACKETS))) == ANSWER


def test_a_session_that_the_site_does_not_know_is_told() -> None:
    decoder = decoder_of()
    with pytest.raises(SiteError, match="400"):
        decoder.begin(PageResponse("https://p.test/socket.io/", 400, {"content-type": "text/plain"}, 1))


def test_a_web_page_in_place_of_a_poll_is_told() -> None:
    with pytest.raises(SiteError, match="web page"):
        poll(decoder_of(), 1, b"<!doctype html><title>One moment</title>")


@pytest.mark.parametrize("then_wait", [0, 1])
def test_an_end_before_the_answer_is_that_of_the_chat_before(then_wait: int) -> None:
    in_one_body = decoder_of(then_wait=then_wait)
    events = poll(in_one_body, 1, b"\x1e".join([END, *PACKETS]))
    decoder = decoder_of(then_wait=then_wait)
    assert by_socket(decoder, [END]) == []
    waits = [decoder.patience]
    assert decoder.feed(PACKETS[0]) == [Opened(), Text("Ra")]
    assert [*waits, decoder.patience] == [EMPTY_END_LIMIT, None]
    rest = [event for packet in PACKETS[1:] for event in decoder.feed(packet)]
    if then_wait:
        assert decoder.patience == then_wait
        events += in_one_body.expired()
        rest += decoder.expired()
    assert joined(events) == ANSWER
    assert joined([Opened(), Text("Ra"), *rest]) == ANSWER


def test_an_end_after_which_nothing_comes_is_an_answer_without_text() -> None:
    decoder = decoder_of()
    by_socket(decoder, [END])
    with pytest.raises(SiteError, match="finished without an answer"):
        decoder.expired()


def test_an_end_after_thinking_alone_is_told_at_once() -> None:
    decoder = decoder_of()
    assert by_socket(decoder, [b'42["thought","Hm"]']) == [Opened(), Thinking("Hm")]
    with pytest.raises(SiteError, match="after thinking, without an answer"):
        decoder.feed(END)


def test_an_early_end_counts_where_nobody_else_has_a_part_in_the_response() -> None:
    rules = 'rules = [{ when = { done = true }, emit = "finish" }, { emit = "text", value = "text" }]'
    own = RuleDecoder(AnswerRules(site_file(f'[answer]\nframing = "ndjson"\n{rules}')))
    own.begin(PageResponse("https://p.test/api/chat", 200, {}, 1))
    with pytest.raises(SiteError, match="finished without an answer"):
        own.feed(b'{"done":true}\n')
    call = 'call = { method = "GET", path = "/events" }\nopened = "before"'
    shared = RuleDecoder(AnswerRules(site_file(f'[answer]\nframing = "ndjson"\n{call}\n{rules}')))
    shared.begin(PageResponse("https://p.test/events", 200, {}, 1))
    assert shared.feed(b'{"done":true}\n') == []
    assert joined([*shared.feed(b'{"text":"Rain"}\n{"done":true}\n')]) == [Opened(), Text("Rain"), Finish()]
