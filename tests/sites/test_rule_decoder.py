"""The streams of the sites mean the same wherever the network cuts them; no document makes the decoder fail."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Rewritten, Text, Thinking
from bridge.errors import (
    BridgeError,
    HumanNeeded,
    LoginRequired,
    Muted,
    NoAnswer,
    RateLimited,
    SiteBusy,
    SiteChanged,
    SiteError,
)
from bridge.sites.site_file.rule_decoder import PAGE_LIMIT, AnswerRules, RuleDecoder
from tests.sites.frame_rate import BODIES, seconds
from tests.support.site_files import FILES, rules_of, site_file
from tests.support.site_streams import GLM, STREAMS, Stream, connect, glm, joined, part, sse


def decoded(stream: Stream, pieces: Iterable[bytes]) -> tuple[list[ChatEvent], BridgeError | None, RuleDecoder]:
    """Return the events of a stream, and the error that ends it."""
    decoder, events = RuleDecoder(rules_of(stream.site)), list[ChatEvent]()
    try:
        decoder.begin(stream.response)
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
        events += decoder.feed(b"")  # an error behind the last events
    except BridgeError as error:
        return joined(events), error, decoder
    return joined(events), None, decoder


def check(stream: Stream, pieces: Sequence[bytes]) -> None:
    events, error, decoder = decoded(stream, pieces)
    assert tuple(events) == stream.events, error
    assert type(error) is (stream.error or type(None))
    assert stream.says in (error.message if error else "")
    assert decoder.drift == {} or stream.error


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_means_the_same_whole_and_byte_by_byte(stream: Stream) -> None:
    check(stream, [stream.body])
    check(stream, [stream.body[at : at + 1] for at in range(len(stream.body))])


@pytest.mark.slow
@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_means_the_same_cut_in_two_at_any_byte(stream: Stream) -> None:
    for at in range(len(stream.body)):
        check(stream, [stream.body[:at], stream.body[at:]])


INVENTED = """
[request]
path = "/api/chat"
prompt = ["prompt"]

[answer]
framing = "%s"
%s

[[answer.rules]]
when = { kind = "ping" }
emit = "ignore"

[[answer.rules]]
when = { kind = "piece" }
emit = "text"
value = "text"

[[answer.rules]]
when = { kind = "whole" }
emit = "text"
value = "text"
mode = "set"

[[answer.rules]]
emit = "title"
value = "title"

[[answer.rules]]
when = { kind = "fails" }
emit = "error"
value = "why"

[[answer.rules]]
when = { kind = "end" }
emit = "finish"

[[answer.rules]]
when = { kind = "cut" }
emit = "finish"
reason = "length"

[[answer.rules]]
when = { kind = "thought" }
emit = "thinking"
value = "text"

[[refusals]]
kind = "muted"
when = { muted = { exists = true } }
until = "muted"

[[refusals]]
kind = "quota"
status = [402]
message = "why"
"""
EVENTS = PageResponse("https://chat.invented.test/api/chat", 200, {"content-type": "text/event-stream"})
PIECE, END = {"kind": "piece", "text": "Rain"}, {"kind": "end"}


def decoder_by(rules: str) -> RuleDecoder:
    """Return the decoder of a site file with these rules."""
    return RuleDecoder(AnswerRules(site_file(rules)))


def invented(framing: str = "sse", answer: str = "") -> RuleDecoder:
    """Return the decoder of an invented site."""
    return decoder_by(INVENTED % (framing, answer))


def begun(decoder: RuleDecoder, response: PageResponse = EVENTS) -> RuleDecoder:
    """Return the decoder once the response has begun."""
    decoder.begin(response)
    return decoder


def answered(status: int, content_type: str) -> PageResponse:
    """Return a response to the prompt."""
    return PageResponse(EVENTS.url, status, {"content-type": content_type})


def heard(decoder: RuleDecoder, *pieces: bytes, response: PageResponse = EVENTS) -> list[ChatEvent]:
    """Return the events of a response; raise the error that ends it."""
    decoder.begin(response)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return joined([*events, *decoder.end(), *decoder.feed(b"")])


@pytest.mark.parametrize(
    ("body", "status", "content_type", "error", "says"),
    [
        (b"", 200, "text/event-stream", SiteError, "an empty body"),
        (b" \n", 200, "text/event-stream", SiteError, "an empty body"),
        (sse({"kind": "ping"}), 200, "text/event-stream", SiteError, "ended its stream before it answered"),
        (sse(PIECE), 200, "text/event-stream", SiteError, "cut after 4 characters"),
        (sse(END), 200, "text/event-stream", SiteError, "finished without an answer"),
        (sse({"kind": "piece", "text": " \n"}, END), 200, "text/event-stream", SiteError, "finished without an answer"),
        (sse({"kind": "thought", "text": "Hm."}, END), 200, "text/event-stream", NoAnswer, "after thinking"),
        (sse({"kind": "fails", "why": "I am\x1b[31m tired"}), 200, "text/event-stream", SiteError, "I am[31m tired"),
        (sse({"kind": "fails"}), 200, "text/event-stream", SiteError, "its answer failed"),
        (sse({"kind": "fails", "why": 7, "msg": "no"}), 200, "text/event-stream", SiteError, "no"),
        (b'\xef\xbb\xbf {"msg":"not now"}', 200, "text/event-stream", SiteBusy, "says: not now"),
        (b'{"what":1}', 200, "application/json", SiteChanged, "JSON of an unknown shape"),
        (b"[1]", 200, "application/json", SiteChanged, "cannot be read"),
        (b'{"muted":4102444800}', 200, "application/json", Muted, "muted the account"),
        (b"<!doctype html><p>Hi", 200, "text/event-stream", HumanNeeded, "web page"),
        (b"<p>", 200, "text/html", HumanNeeded, "web page"),
        (b'{"why":"buy more"}', 402, "application/json", RateLimited, "used up its quota on the site: buy more"),
        (b"", 402, "text/plain", RateLimited, "used up"),
        (b"{}", 401, "application/json", LoginRequired, "not signed in"),
        (b"", 500, "application/json", SiteBusy, "HTTP 500"),
        (b"no", 404, "text/plain", SiteChanged, "HTTP 404"),
        (
            b'{"error":{"text":"No such words"}}',
            400,
            "application/json",
            SiteBusy,
            "says: No such words",
        ),
        (b'{"detail":[{"msg":"too short"}]}', 422, "application/json", SiteBusy, "(HTTP 422), and says: too short"),
        (b'{"what":1}', 400, "application/json", SiteChanged, "HTTP 400"),
    ],
)
def test_an_answer_that_is_none_says_why(
    body: bytes, status: int, content_type: str, error: type[BridgeError], says: str
) -> None:
    response = answered(status, content_type)
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        with pytest.raises(BridgeError, match=re.escape(says)) as failed:
            heard(invented(), *pieces, response=response)
        assert type(failed.value) is error


@pytest.mark.parametrize("framing", ["sse", "ndjson", "text"])
def test_an_answer_that_calls_itself_a_web_page_is_read_unless_it_is_one(framing: str) -> None:
    """Frameworks give that type to whatever has none."""
    rules = f"""
[answer]
framing = "{framing}"
payload = "text"
ends_on_close = true
rules = [{{ emit = "text", value = "$text" }}]
"""
    body = {"sse": b"data: <b>Rain</b>\n\n", "ndjson": b"Rain\n", "text": b"<b>Rain</b>"}[framing]
    said = heard(decoder_by(rules), body, response=answered(200, "text/html"))
    assert said == [Opened(), Text("Rain" if framing == "ndjson" else "<b>Rain</b>"), Finish()]
    with pytest.raises(HumanNeeded):
        heard(decoder_by(rules), b"\n<!DOCTYPE html><p>Are you human?", response=answered(200, "text/html"))


def test_a_response_that_calls_itself_a_web_page_and_brings_nothing_is_taken_for_one_in_time() -> None:
    decoder = begun(invented(), answered(200, "text/html"))
    assert decoder.patience == PAGE_LIMIT
    with pytest.raises(HumanNeeded):
        decoder.expired()
    decoder = begun(invented(), answered(200, "text/html"))
    assert decoder.feed(sse(PIECE)) == [Opened(), Text("Rain")]
    assert decoder.patience is None


def test_an_error_behind_events_is_due_at_once() -> None:
    decoder = begun(invented(answer="then_wait = 9"))
    assert decoder.feed(sse(PIECE, {"kind": "fails", "why": "no"})) == [Opened(), Text("Rain")]
    assert decoder.patience == 0
    with pytest.raises(SiteError, match="The site says: no"):
        decoder.expired()


def test_a_refusal_whose_body_does_not_come_is_judged_by_its_status() -> None:
    decoder = begun(invented(), answered(402, "application/json"))
    assert decoder.patience is not None
    with pytest.raises(RateLimited, match="used up"):
        decoder.expired()


def test_a_prompt_that_is_sent_again_is_not_judged_by_what_refused_it_before() -> None:
    decoder = invented()
    with pytest.raises(HumanNeeded):
        begun(decoder, answered(403, "text/html"))
    begun(decoder)
    assert decoder.patience is None
    assert decoder.feed(sse(PIECE, END)) == [Opened(), Text("Rain"), Finish()]


def test_a_mute_names_its_end() -> None:
    with pytest.raises(Muted) as failed:
        heard(invented(), sse({"muted": 4102444800000}))
    assert failed.value.until == datetime(2100, 1, 1, tzinfo=UTC)


def test_events_before_an_error_are_given_out_before_it_is_raised() -> None:
    decoder = begun(invented())
    assert decoder.feed(sse(PIECE, {"kind": "fails", "why": "no"}, PIECE)) == [Opened(), Text("Rain")]
    with pytest.raises(SiteError, match="The site says: no"):
        decoder.feed(b"")


def test_a_refusal_behind_the_end_counts_only_where_there_is_no_answer_or_the_file_waits_for_one() -> None:
    muted = {"muted": 4102444800}
    decoder = invented()
    assert heard(decoder, sse(PIECE, END, muted)) == [Opened(), Text("Rain"), Finish()]
    assert decoder.drift == {"refusal after the end": 1}
    with pytest.raises(Muted):
        heard(invented(), sse(END, muted))
    with pytest.raises(Muted):
        heard(invented(answer="then_wait = 1"), sse(PIECE, END), sse(muted))


def test_the_end_waits_for_an_error_as_long_as_the_file_says() -> None:
    decoder = begun(invented(answer="then_wait = 1.5"))
    waits = [decoder.patience]
    assert decoder.feed(sse(PIECE, END)) == [Opened(), Text("Rain")]
    waits.append(decoder.patience)
    assert decoder.expired() == [Finish()]
    assert [*waits, decoder.patience] == [None, 1.5, None]
    assert heard(invented(answer="then_wait = 1.5"), sse(PIECE, END)) == [Opened(), Text("Rain"), Finish()]


def test_the_end_of_the_response_may_be_the_end_of_the_answer() -> None:
    assert heard(invented(answer="ends_on_close = true"), sse(PIECE)) == [Opened(), Text("Rain"), Finish()]
    with pytest.raises(SiteError, match="without an answer"):
        heard(invented(answer="ends_on_close = true"), sse({"kind": "ping"}))


def test_an_answer_that_was_cut_at_its_length_may_be_thinking_alone() -> None:
    events = heard(invented(), sse({"kind": "thought", "text": "Hm"}, {"kind": "cut"}))
    assert events == [Opened(), Thinking("Hm"), Finish("length")]


def test_a_text_that_is_changed_is_told_once_with_all_of_it() -> None:
    frames = [PIECE, {"kind": "whole", "text": "Rain falls"}, {"kind": "whole", "text": "Snow"}, PIECE, END]
    decoder = invented()
    events = heard(decoder, sse(*frames))
    assert events == [Opened(), Text("Rain falls"), Rewritten("Snow"), Rewritten("SnowRain"), Finish()]
    assert decoder.drift == {"text differs": 1}
    assert heard(invented(answer="holds = 20"), sse(*frames)) == [Opened(), Text("SnowRain"), Finish()]


def test_what_is_not_known_is_counted_by_its_shape() -> None:
    decoder = invented()
    unknown = [{"secret words here": 1, "kind": "new"}, ("odd", {"a": 1}), "no JSON", [1], {"title": ""}]
    heard(decoder, sse(*unknown, PIECE, END))
    assert decoder.drift == {"frame ?/kind": 1, "frame odd/a": 1, "payload": 1, "frame": 1}


def test_frames_of_other_tabs_are_left_out() -> None:
    answer = 'is_for = "chat"\nis_for_request = "id"'
    frames = sse({**PIECE, "chat": "b"}, {**PIECE, "chat": "a"}, {"kind": "ping"}, {**END, "chat": "b"}, END)
    decoder = invented(answer=answer)
    decoder.sent(PageRequest("POST", EVENTS.url, b'{"id":"a"}'))
    assert heard(decoder, frames) == [Opened(), Text("Rain"), Finish()]
    assert heard(invented(answer=answer), frames) == [Opened(), Text("RainRain"), Finish()]


SOCKET = PageResponse("wss://chat.invented.test/socket", 101, {}, number=7)
BY_SOCKET = 'call = { path = "/socket", method = "WEBSOCKET" }'


def test_an_answer_may_come_by_a_socket_while_the_prompt_gets_one_of_its_own() -> None:
    decoder = begun(invented("socketio", BY_SOCKET), SOCKET)
    prompt = PageResponse(EVENTS.url, 200, {"content-type": "application/json"}, number=3)
    assert decoder.feed(b"2") == []
    decoder.begin(prompt)
    assert decoder.feed(b'{"status":true}') == []
    decoder.select(SOCKET)
    assert decoder.feed(b'42["events",{"kind":"piece"}]') == []
    decoder.select(prompt)
    assert decoder.end() == []
    decoder.select(SOCKET)
    assert decoder.end() == []


def test_the_pieces_of_a_socket_are_found_by_their_place_in_the_packet() -> None:
    rules = """
[answer]
framing = "socketio"
call = { path = "/socket", method = "WEBSOCKET" }
rules = [
  { when = { "[0]" = "token" }, emit = "text", value = "[1].token" },
  { when = { "[0]" = "task_end" }, emit = "finish" },
]
"""
    decoder = decoder_by(rules)
    packets = [b'42["token",{"token":"Ra"}]', b"3", b'42["token",{"token":"in"}]', b'42["task_end"]']
    assert heard(decoder, *packets, response=SOCKET) == [Opened(), Text("Rain"), Finish()]


BY_MESSAGE = """
[request]
path = "/api/chat/completions"
prompt = ["messages[-1].content"]

[answer]
framing = "socketio"
call = { path = "/socket", method = "WEBSOCKET" }
is_for = "[1].message_id"
is_for_request = "id"
rules = [
  { when = { "[1].data.type" = "delta" }, emit = "text", value = "[1].data.text" },
  { when = { "[1].data.done" = true }, emit = "finish" },
]
"""


@pytest.mark.parametrize("is_socket", [True, False])
def test_the_words_of_another_tab_on_the_same_channel_are_left_out(is_socket: bool) -> None:
    decoder = decoder_by(BY_MESSAGE)
    decoder.sent(PageRequest("POST", "https://p.test/api/chat/completions", b'{"id":"m1","messages":[]}'))
    said = [
        ("m2", {"type": "delta", "text": "Snow"}),
        ("m1", {"type": "delta", "text": "Rain"}),
        ("m2", {"done": True}),
    ]
    packets = [
        f"42{json.dumps(['events', {'message_id': message, 'data': data}])}".encode()
        for message, data in (*said, ("m1", {"done": True}))
    ]
    polled_body = [b"\x1e".join(packets)]
    response = SOCKET if is_socket else PageResponse("https://p.test/socket?transport=polling", 200, {})
    events = heard(decoder, *(packets if is_socket else polled_body), response=response)
    assert events == [Opened(), Text("Rain"), Finish()]


JIMENG = """
[request]
path = "/mweb/v1/aigc_draft/generate"
prompt = ["draft_content|json.component_list[0].abilities.generate.core_param.prompt"]

[answer]
framing = "json"
rules = [{ when = { ret = "0" }, emit = "ignore" }]

[poll]
call = { path = "/mweb/v1/get_history_by_ids" }
job = "data.aigc_data.history_record_id"
record = "data.{job}"
done = { "task.finish_time" = { at_least = 1 } } # never by the status alone
failed = { status = 30 }
message = "fail_msg"
media = "item_list[*].image.large_images[0].image_url"
count = "total_image_count"

[[refusals]]
kind = "login"
when = { ret = { in = ["1014", "1015", "1001"] } }

[[refusals]]
kind = "human"
when = { ret = "1019" }

[[refusals]]
kind = "quota"
when = { ret = "5000" }

[[refusals]]
kind = "busy"
when = { ret = { not = "0" } }
message = "errmsg"
"""
JSON_BODY = {"content-type": "application/json"}


def polled(*bodies: object) -> list[ChatEvent]:
    """Return the events of a job: what the prompt gets, then its states."""
    decoder, events = decoder_by(JIMENG), list[ChatEvent]()
    for number, body in enumerate(bodies):
        path = "/mweb/v1/get_history_by_ids" if number else "/mweb/v1/aigc_draft/generate"
        response = PageResponse(f"https://jimeng.jianying.com{path}?aid=513695", 200, JSON_BODY, number)
        events += heard(decoder, json.dumps(body).encode(), response=response)
    return events


def state(**record: object) -> dict[str, object]:
    return {"ret": "0", "data": {"7001": record, "7002": DONE}}


JOB = {"ret": "0", "errmsg": "success", "data": {"aigc_data": {"history_record_id": "7001", "submit_id": "s-1"}}}
PICTURE = {"common_attr": {"id": "i1"}, "image": {"large_images": [{"image_url": "https://p.test/1.png?sign=x(1)"}]}}
DONE = {"status": 50, "task": {"finish_time": 1790}, "total_image_count": 1, "item_list": [PICTURE]}


def test_a_job_is_followed_until_all_of_it_is_there() -> None:
    early = [state(status=20, item_list=[], task={"finish_time": 0}, total_image_count=4), {"ret": "0", "data": {}}]
    early.append(state(**{**DONE, "status": 45, "task": {"finish_time": 0}}))
    few = [state(**{**DONE, "total_image_count": 2}), state(**{**DONE, "item_list": []})]
    link = Text("![](https://p.test/1.png?sign=x%281%29)")
    assert polled(JOB, *early, *few) == []
    assert polled(JOB, *early, *few, state(**DONE)) == [Opened(), link, Finish()]
    assert polled(state(**DONE), state(**DONE)) == []


@pytest.mark.parametrize(
    ("bodies", "error", "says"),
    [
        ([{"ret": "1310", "errmsg": "too many at once", "data": None}], SiteBusy, "too many at once"),
        ([JOB, state(status=30, fail_code="9999", fail_msg="not allowed")], SiteError, "the image: not allowed"),
        ([JOB, {"ret": "1014"}], LoginRequired, "not signed in"),
    ],
)
def test_a_job_that_comes_to_nothing_says_why(bodies: list[object], error: type[BridgeError], says: str) -> None:
    with pytest.raises(error, match=says):
        polled(*bodies)


WORDS = ("kind", "text", "op", "mask", "block", "data", "phase", "choices", "delta", "id", "end", "piece", "[DONE]")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=12,
)


@pytest.mark.parametrize("site", sorted(file.stem for file in FILES.glob("*.toml")))
@given(frames=st.lists(ANYTHING, max_size=5), cut=st.integers(1, 50))
def test_no_document_makes_the_decoder_of_a_site_fail_otherwise_than_by_saying_why(
    site: str, frames: list[object], cut: int
) -> None:
    body = connect(*frames) if rules_of(site).answer.framing == "connect" else sse(*frames)
    decoder = begun(RuleDecoder(rules_of(site)))
    with suppress(BridgeError):
        for at in range(0, len(body), cut):
            decoder.feed(body[at : at + cut])
        decoder.end()
        decoder.expired()


def test_a_refusal_whose_body_the_page_never_reads_counts_by_its_status() -> None:
    decoder = begun(RuleDecoder(rules_of("chatglm")), answered(401, "application/json"))
    assert decoder.patience
    with pytest.raises(LoginRequired):
        decoder.expired()


@pytest.mark.slow
@pytest.mark.parametrize("site", sorted(BODIES))
def test_the_time_of_an_answer_grows_with_its_frames_alone(site: str) -> None:
    def taken(frames: int) -> float:
        body = BODIES[site](frames)
        return min(seconds(rules_of(site), body, frames) for _ in range(3))

    short, long = 2_000, 16_000
    assert taken(long) / taken(short) < long / short * 2


@pytest.mark.slow
def test_the_time_of_a_text_that_is_sent_whole_each_time_grows_with_its_bytes_alone() -> None:
    def taken(frames: int) -> float:
        texts = [part("p3", {"type": "text", "text": "answer " * number}) for number in range(1, frames)]
        body = sse(*(glm("processing", one) for one in texts), GLM[5])
        decoder, since = RuleDecoder(rules_of("chatglm")), time.process_time()
        heard(decoder, body)
        return (time.process_time() - since) / len(body)

    once, often = (min(taken(frames) for _ in range(3)) for frames in (200, 1_600))
    assert often / once < 2
