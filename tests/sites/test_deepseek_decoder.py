"""The DeepSeek decoder's promises: recorded streams in every cut, random streams, refusals.

The random streams are few and always the same; `EXAMPLES=10000` in the environment tries more.
"""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Rewritten, Searched, Source, Text, Thinking, Title, Withdrawn
from bridge.errors import BridgeError, ContextTooLong, SiteBusy, SiteError, SiteTimeout
from bridge.sites.deepseek.decoder import DeepSeekDecoder
from bridge.sse import encode_sse
from tests.support.deepseek_stories import Fragment, Storyteller, fragments, told
from tests.support.deepseek_streams import STREAM, Heard, hear, in_pieces, join, meaning, names, recorded, with_urls
from tests.support.stress import stress

# Recorded streams


@pytest.mark.parametrize("name", names())
def test_a_recorded_stream_means_what_is_written_beside_it(name: str) -> None:
    assert hear(*([body] for body in recorded(name))) == meaning(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_recorded_stream_means_the_same_cut_in_two_at_any_byte(name: str) -> None:
    bodies, expected = recorded(name), meaning(name)
    for which, body in enumerate(bodies):
        for cut in range(len(body) + 1):
            halves = [[body] for body in bodies]
            halves[which] = [body[:cut], body[cut:]]
            assert hear(*halves) == expected, f"response {which + 1} cut at {cut}"


@pytest.mark.parametrize("name", names())
def test_a_recorded_stream_means_the_same_byte_by_byte(name: str) -> None:
    assert hear(*([bytes([byte]) for byte in body] for body in recorded(name))) == meaning(name)


@pytest.mark.parametrize("name", names())
def test_a_recorded_stream_means_the_same_with_other_line_ends_and_heartbeats(name: str) -> None:
    expected = meaning(name)
    for end in (b"\r\n", b"\r"):
        assert hear(*([body.replace(b"\n", end)] for body in recorded(name))) == expected
    assert hear(*([body.replace(b"\n\n", b"\n\n: \n\n")] for body in recorded(name))) == expected
    assert hear(*([b": \n\n" + body.replace(b"\n", b"\n: \n")] for body in recorded(name))) == expected


@pytest.mark.parametrize("name", names())
def test_a_recorded_stream_that_ends_too_early_gives_what_came_and_an_error(name: str) -> None:
    *before, body = recorded(name)
    whole = meaning(name)
    for border in [cut + 2 for cut in range(len(body)) if body[cut : cut + 2] == b"\n\n"]:
        heard = hear(*([body] for body in before), [body[:border]])
        if heard.finished and whole.error:
            assert heard.events == (*whole.events, Finish("length"))  # INCOMPLETE, and nothing after it
        elif heard.finished:
            assert heard.events == tuple(event for event in whole.events if event in heard.events)
            assert set(map(type, whole.events)) - set(map(type, heard.events)) <= {Title}
        else:
            assert heard.error is not None
            assert _begins(whole, heard)


def _begins(whole: Heard, part: Heard) -> bool:
    return (
        whole.thinking.startswith(part.thinking)
        and whole.text.startswith(part.text)
        and part.searches == whole.searches[: len(part.searches)]
    )


def test_what_is_not_understood_is_counted_by_shape() -> None:
    decoder = DeepSeekDecoder()
    hear(recorded("j-other-fragments"), decoder=decoder)
    assert decoder.drift == {
        "fragment HOLOGRAM": 1,
        "event sparkle": 1,
        "path response/mood": 1,
        "path response/fragments/*/content": 1,
        "op ROTATE": 1,
    }


@pytest.mark.parametrize("name", sorted(set(names()) - {"j-other-fragments"}))
def test_the_known_streams_show_no_drift(name: str) -> None:
    decoder = DeepSeekDecoder()
    hear(*([body] for body in recorded(name)), decoder=decoder)
    assert decoder.drift == {}


# Random streams


@settings(derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(fragments, st.integers(0, 2**32))
def test_a_random_message_comes_out_whole_however_it_is_written_and_cut(message: list[Fragment], seed: int) -> None:
    rng = random.Random(seed)
    story = Storyteller(rng).tell(message)
    bodies = told(story, rng)
    decoder = DeepSeekDecoder()
    heard = hear(*([body] for body in bodies), decoder=decoder)
    assert heard.error is None
    assert heard.thinking == story.thinking
    assert with_urls(heard) == story.text
    assert {source.url for source in heard.sources} == story.urls
    assert len({source.number for source in heard.sources}) == len(heard.sources) == len(story.urls)
    assert isinstance(heard.events[0], Opened)
    assert isinstance(heard.events[-1], Finish)
    assert decoder.drift == {}
    assert hear(*(in_pieces(body, rng) for body in bodies)) == heard
    broken = [[body[: rng.randrange(len(body))]] for body in bodies]
    again = hear(*broken, [bodies[-1]], broken=True)
    assert (again.thinking, with_urls(again)) == (story.thinking, story.text)


# Ends


def frames(*data: str) -> bytes:
    return b"".join(map(encode_sse, data))


def snapshot(fields: str) -> str:
    return '{"v":{"response":{"message_id":2,"status":"WIP",' + fields + "}}}"


ANSWER = snapshot('"fragments":[{"id":2,"type":"RESPONSE","content":"One"}]')
FINISHED = '{"p":"response/status","o":"SET","v":"FINISHED"}'


def test_a_stream_cut_in_the_middle_is_an_error_that_says_how_far_it_came() -> None:
    heard = hear([frames(ANSWER, '{"p":"response/fragments/-1/content","o":"APPEND","v":" two"}')])
    assert heard.text == "One two"
    assert heard.error == "SiteError: The site's stream was cut after 7 characters of the answer."


def test_a_quasi_status_is_not_the_end() -> None:
    heard = hear([frames(ANSWER, '{"p":"response/quasi_status","o":"SET","v":"FINISHED"}')])
    assert heard.error is not None


def test_an_empty_body_is_an_error() -> None:
    assert hear([]).error == hear([b"\n"]).error == "SiteError: The site answered with an empty body."


def test_an_answer_that_finishes_with_nothing_is_an_error() -> None:
    assert (
        hear([frames(snapshot('"fragments":[]'), FINISHED)]).error == "SiteError: The site finished without an answer."
    )


def test_an_answer_needs_neither_title_nor_close() -> None:
    assert hear([frames(ANSWER, FINISHED)]).events == (Opened(message="2"), Text("One"), Finish("stop"))


def test_a_title_after_the_status_comes_before_the_end() -> None:
    body = frames(ANSWER, FINISHED) + encode_sse('{"content":"Numbers"}', "title")
    assert hear([body]).events[-2:] == (Title("Numbers"), Finish("stop"))


def test_the_end_is_given_once_and_nothing_follows_it() -> None:
    body = frames(ANSWER, FINISHED) + encode_sse("{}", "close") + encode_sse('{"content":"Late"}', "title")
    decoder = DeepSeekDecoder()
    assert hear([body], decoder=decoder).events == (Opened(message="2"), Text("One"), Finish("stop"))
    assert decoder.drift == {"after the end title": 1}


def test_an_answer_is_opened_only_when_the_site_has_begun_it() -> None:
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    assert decoder.feed(encode_sse('{"request_message_id":3,"response_message_id":4}', "ready")) == []
    assert decoder.feed(frames(ANSWER)) == [Opened(message="4"), Text("One")]


def test_an_error_in_the_same_bytes_as_text_does_not_swallow_the_text() -> None:
    hint = encode_sse('{"type":"error","content":"Busy","finish_reason":"server_busy"}', "hint")
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    assert decoder.feed(frames(ANSWER) + hint) == [Opened(message="2"), Text("One")]
    with pytest.raises(SiteBusy):
        decoder.feed(b"")


def test_the_status_tells_how_far_the_answer_is() -> None:
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    assert (decoder.status, decoder.goes_on) == ("WIP", False)
    decoder.feed(frames(snapshot('"auto_continue":true')))
    decoder.feed(frames('{"p":"response/status","v":"INCOMPLETE"}'))
    assert (decoder.status, decoder.goes_on) == ("INCOMPLETE", True)
    assert decoder.end() == []


RESUME = PageResponse("https://chat.deepseek.com/api/v0/chat/resume_stream", 200, {"content-type": "application/json"})
HISTORY = PageResponse(
    "https://chat.deepseek.com/api/v0/chat/history_messages?chat_session_id=c",
    200,
    {"content-type": "application/json"},
)
NOT_RUNNING = b'{"code":0,"msg":"","data":{"biz_code":22,"biz_msg":"invalid message status","biz_data":null}}'


def cut_at(text: str) -> tuple[DeepSeekDecoder, list[ChatEvent]]:
    """Return a decoder that has heard the beginning of an answer, and what it gave out."""
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    ready = encode_sse(json.dumps({"request_message_id": 1, "response_message_id": 2}), "ready")
    fragment = {"id": 2, "type": "RESPONSE", "content": text}
    snapshot = {"v": {"response": {"message_id": 2, "status": "WIP", "fragments": [fragment]}}}
    return decoder, list(decoder.feed(ready + encode_sse(json.dumps(snapshot))))


def told_by(decoder: DeepSeekDecoder, response: PageResponse, body: bytes) -> list[ChatEvent]:
    decoder.begin(response)
    return [*decoder.feed(body[:30]), *decoder.feed(body[30:]), *decoder.end()]


def history_of(text: str, status: str, number: int = 2) -> bytes:
    fragment = {"id": 2, "type": "RESPONSE", "content": text}
    asked = {"message_id": 1, "role": "USER", "fragments": [{"id": 1, "type": "REQUEST", "content": "?"}]}
    answered = {"message_id": number, "role": "ASSISTANT", "status": status, "fragments": [fragment]}
    return json.dumps({"code": 0, "data": {"biz_code": 0, "biz_data": {"chat_messages": [asked, answered]}}}).encode()


def test_an_answer_that_cannot_be_resumed_is_taken_from_where_the_page_takes_it() -> None:
    decoder, events = cut_at("It is ")
    events += told_by(decoder, RESUME, NOT_RUNNING)
    events += told_by(decoder, HISTORY, history_of("It is noon.", "FINISHED"))
    assert join(events) == (Opened(message="2"), Text("It is noon."), Finish())


@pytest.mark.parametrize(
    "body",
    [
        history_of("It is n", "INCOMPLETE"),
        history_of("It is n", "WIP"),
        history_of("Another.", "FINISHED", number=4),
        NOT_RUNNING,
        b"[1]",
        b"{",
        b"",
    ],
)
def test_a_history_without_the_whole_answer_says_nothing(body: bytes) -> None:
    decoder, _ = cut_at("It is ")
    assert told_by(decoder, RESUME, NOT_RUNNING) == []
    assert told_by(decoder, HISTORY, body) == []


def test_any_other_refusal_of_a_resumption_is_an_error() -> None:
    decoder, _ = cut_at("It is ")
    with pytest.raises(BridgeError, match="biz_code 26"):
        told_by(decoder, RESUME, NOT_RUNNING.replace(b"22", b"26"))


def test_an_answer_closed_in_good_order_is_whole_without_a_status() -> None:
    decoder, events = cut_at("All of it.")
    events += decoder.feed(encode_sse('{"click_behavior":"none","auto_resume":false}', "close"))
    events += decoder.end()
    assert join(events) == (Opened(message="2"), Text("All of it."), Finish())


@pytest.mark.parametrize("close", ['{"click_behavior":"retry","auto_resume":false}', ""])
def test_an_answer_that_is_not_closed_in_good_order_is_cut(close: str) -> None:
    decoder, _ = cut_at("Half of")
    decoder.feed(encode_sse(close, "close") if close else b"")
    with pytest.raises(SiteError, match="cut"):
        decoder.end()


def test_a_reason_that_nobody_knows_is_about_the_account_before_the_answer_and_about_the_answer_after_that() -> None:
    hint = encode_sse('{"type":"error","content":"No.","finish_reason":"mystery"}', "hint")
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    with pytest.raises(SiteBusy, match="mystery"):
        decoder.feed(hint)
    decoder, _ = cut_at("It is ")
    with pytest.raises(SiteError, match="mystery") as caught:
        decoder.feed(hint)
    assert type(caught.value) is SiteError


def test_a_close_that_announces_a_resume_is_not_the_end() -> None:
    close = encode_sse('{"click_behavior":"none","auto_resume":true}', "close")
    heard = hear([frames(ANSWER) + close], [frames(ANSWER, FINISHED)])
    assert heard.events == (Opened(message="2"), Text("One"), Finish("stop"))


def test_an_answer_that_was_all_thinking_when_its_budget_ended_is_too_long() -> None:
    body = frames(snapshot('"fragments":[{"type":"THINK","content":"Hm"}]'), '{"p":"response/status","v":"INCOMPLETE"}')
    assert hear([body]).events[-1] == Finish("length")


@pytest.mark.parametrize(
    ("status", "error"),
    [("CONTEXT_LENGTH_EXCEEDED", ContextTooLong), ("TIMEOUT", SiteTimeout), ("ECLIPSED", SiteError)],
)
def test_any_other_status_at_the_end_is_an_error(status: str, error: type[BridgeError]) -> None:
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    decoder.feed(frames(ANSWER, FINISHED.replace("FINISHED", status)))
    with pytest.raises(error):
        decoder.end()


def test_an_answer_stopped_before_it_began_is_an_error() -> None:
    body = frames(snapshot('"fragments":[]'), '{"p":"response/status","v":"INCOMPLETE"}')
    assert hear([body]).error == "SiteError: The site stopped before it answered."


# Withdrawn answers


def test_a_template_that_arrives_in_pieces_replaces_the_answer_and_goes_on() -> None:
    template = '{"p":"response/fragments","o":"SET","v":[{"type":"TEMPLATE_RESPONSE","content":"Let us"}]}'
    more = '{"p":"response/fragments/0/content","o":"APPEND","v":" not."}'
    end = FINISHED.replace("FINISHED", "CONTENT_FILTER")
    heard = hear([frames(ANSWER, template, more, end)])
    assert heard.events[1:] == (Text("One"), Withdrawn("Let us"), Text(" not."), Finish("content_filter"))


def test_a_withdrawn_answer_stays_withdrawn_in_the_next_response() -> None:
    template = snapshot('"fragments":[{"type":"TEMPLATE_RESPONSE","content":"No."}]')
    end = FINISHED.replace("FINISHED", "CONTENT_FILTER")
    heard = hear([frames(ANSWER), frames(template)], [frames(template, end)], broken=True)
    assert heard.events[1:] == (Text("One"), Withdrawn("No."), Finish("content_filter"))


def test_a_content_filter_that_replaces_nothing_only_ends_the_answer() -> None:
    heard = hear([frames(ANSWER, FINISHED.replace("FINISHED", "CONTENT_FILTER"))])
    assert heard.events[1:] == (Text("One"), Finish("content_filter"))


def test_an_answer_that_grows_on_behind_its_withdrawal_is_not_told() -> None:
    batch = '{"p":"response/fragments","o":"APPEND","v":[{"type":"TEMPLATE_RESPONSE","content":"No."}]}'
    more = '{"p":"response/fragments/0/content","o":"APPEND","v":" two"}'
    heard = hear([frames(ANSWER, batch, more, FINISHED)])
    assert heard.events[1:] == (Text("One"), Withdrawn("No."), Finish("stop"))


@pytest.mark.parametrize("status", ["", ',{"p":"status","v":"CONTENT_FILTER"}'])
def test_a_template_beside_another_answer_is_all_that_is_told(status: str) -> None:
    both = '[{"type":"RESPONSE","content":"Other"},{"type":"TEMPLATE_RESPONSE","content":"No."}]'
    batch = '{"p":"response","o":"BATCH","v":[{"p":"fragments","v":' + both + "}" + status + "]}"
    heard = hear([frames(ANSWER, batch, FINISHED.replace("FINISHED", "CONTENT_FILTER"))])
    assert heard.events[1:] == (Text("One"), Withdrawn("No."), Finish("content_filter"))


def test_a_filtered_answer_that_is_repeated_unchanged_is_not_withdrawn() -> None:
    again = ANSWER.replace("WIP", "CONTENT_FILTER").replace("One", "One two")
    heard = hear([frames(ANSWER)], [frames(again)], broken=True)
    assert heard.events[1:] == (Text("One two"), Finish("content_filter"))


# Several responses


@pytest.mark.parametrize("step", [7, *stress(1)])
def test_a_response_that_breaks_off_at_any_byte_is_picked_up_without_a_gap_or_a_repetition(step: int) -> None:
    [first] = recorded("e-deep-search")
    whole = meaning("e-deep-search")
    for cut in range(0, len(first), step):
        heard = hear([first[:cut]], [first], broken=True)
        assert (heard.thinking, heard.text) == (whole.thinking, whole.text)
        assert heard.searches == whole.searches
        assert heard.finished


def test_a_snapshot_shorter_than_what_was_given_out_is_waited_for() -> None:
    longer = ANSWER.replace("One", "One two three")
    grow = '{"p":"response/fragments/-1/content","o":"APPEND","v":" two th"}'
    heard = hear([frames(longer)], [frames(ANSWER, grow, '{"v":"ree four"}', FINISHED)], broken=True)
    assert heard.text == "One two three four"


def test_a_snapshot_in_the_middle_of_a_response_is_taken_for_one() -> None:
    grow = '{"p":"response/fragments/-1/content","o":"APPEND","v":" two"}'
    heard = hear([frames(ANSWER, grow, ANSWER.replace("One", "One two three"), say(" four"), FINISHED)])
    assert heard.text == "One two three four"


def test_a_text_that_differs_from_what_was_given_out_is_told_anew() -> None:
    decoder = DeepSeekDecoder()
    first, second = ANSWER.replace("One", "One two three"), ANSWER.replace("One", "One two four")
    again = ANSWER.replace("One", "One two four five")
    heard = hear([frames(first)], [frames(second, again, FINISHED)], decoder=decoder, broken=True)
    told = heard.events[1:]
    assert told == (Text("One two three"), Rewritten("One two four"), Text(" five"), Finish("stop"))
    assert decoder.drift == {"text differs": 1}


def test_an_answer_that_was_too_long_goes_on_after_continue_was_pressed() -> None:
    stopped = frames(ANSWER, FINISHED.replace("FINISHED", "INCOMPLETE"))
    heard = hear([stopped], [frames(ANSWER.replace("One", "One two"), FINISHED)])
    assert heard.events[1:] == (Text("One"), Finish("length"), Text(" two"), Finish("stop"))


# Marks


def searched(*cites: int | None) -> str:
    results = ",".join(
        f'{{"url":"https://p.example/{place}","cite_index":{"null" if cite is None else cite}}}'
        for place, cite in enumerate(cites)
    )
    return snapshot(f'"fragments":[{{"type":"SEARCH","results":[{results}]}},{{"type":"RESPONSE","content":""}}]')


def say(text: str) -> str:
    return '{"p":"response/fragments/-1/content","o":"APPEND","v":"' + text + '"}'


def test_a_page_keeps_its_number_if_it_is_free_and_the_others_get_the_lowest_that_are() -> None:
    heard = hear([frames(searched(2, None, 2, None, 1), say("[citation:2][citation:1]"), FINISHED)])
    assert [source.number for source in heard.sources] == [2, 1, 3, 4, 5]
    assert heard.text == "[citation:2][citation:5]"


def test_a_page_found_twice_has_one_number() -> None:
    heard = hear([frames(searched(1, 2).replace("p.example/1", "p.example/0"), say("[citation:2]"), FINISHED)])
    assert heard.sources == [Source(1, "https://p.example/0")]
    assert heard.text == "[citation:1]"


def test_only_what_may_be_the_beginning_of_a_mark_is_held_back() -> None:
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    decoder.feed(frames(searched(1)))
    pieces = ("a[", "b", "[ci", "tat", "[", "citation:1", "]", "[reference:", "x", "[citation:1234567890", "[")
    given = [join(decoder.feed(frames(say(piece)))) for piece in pieces]
    texts = "a", "[b", "", "", "[citat", "", "[citation:1]", "", "[reference:x", "[citation:1234567890", ""
    assert given == [(Text(text),) if text else () for text in texts]
    decoder.feed(frames(FINISHED))
    assert decoder.end() == [Text("["), Finish("stop")]


def test_thinking_is_given_out_as_it_is() -> None:
    body = frames(snapshot('"fragments":[{"type":"THINK","content":"see [citation:"}]'), say("1]"), ANSWER, FINISHED)
    assert hear([body]).thinking == "see [citation:1]"


def test_a_result_without_an_address_is_no_source() -> None:
    heard = hear([frames(searched(1).replace('"url"', '"uri"'), say("[citation:1]"), FINISHED)])
    assert heard.sources == []
    assert heard.text == "[citation:1]"


def test_a_query_is_told_once() -> None:
    fragment = '{"type":"TOOL_SEARCH","queries":[{"query":"tea"},"tea",{"query":"milk"},{"q":1},7]}'
    heard = hear([frames(snapshot(f'"fragments":[{fragment},{fragment}]'), say("x"), ANSWER, FINISHED)])
    assert heard.searches == [Searched(queries=("tea", "milk"))]


# Broken streams


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ("not json", "frame"),
        ("7", "frame"),
        ('{"p":"response/status"}', "frame p"),
        ('{"p":"response","o":"BATCH","v":[7]}', "frame"),
        ('{"p":"response","o":"BATCH","v":7}', "op BATCH"),
        ('{"p":"response/what?/x","o":"SET","v":7}', "path response/?/x"),
        ('{"p":"response/fragments/0/content/0","o":"SET","v":7}', "path response/fragments/*/content/*"),
        ('{"p":"response/fragments/0/content","o":"APPEND","v":7}', "path response/fragments/*/content"),
        ('{"p":"response/fragments/9","o":"SET","v":7}', "path response/fragments/*"),
        ('{"p":"response/fragments","o":"APPEND","v":7}', "fragment"),
        ('{"p":"response/fragments/0/smell","o":"SET","v":7}', "path response/fragments/*/smell"),
        ("[" * 100_000, "frame"),
        ('{"v":' + "1" * 10_000 + "}", "frame"),
    ],
)
def test_a_frame_that_makes_no_sense_is_counted_and_harmless(data: str, shape: str) -> None:
    decoder = DeepSeekDecoder()
    assert hear([frames(ANSWER, data, FINISHED)], decoder=decoder).events[1:] == (Text("One"), Finish("stop"))
    assert decoder.drift == {shape: 1}


def test_a_batch_in_a_batch_without_end_is_counted_and_harmless() -> None:
    deep = '{"o":"BATCH","v":[' * 200 + "]}" * 200
    decoder = DeepSeekDecoder()
    assert hear([frames(ANSWER, deep, FINISHED)], decoder=decoder).finished
    assert decoder.drift == {"op BATCH": 1}


def test_a_bare_text_behind_a_batch_is_counted_and_harmless() -> None:
    batch = '{"p":"response/fragments/0","o":"BATCH","v":[{"p":"content","o":"APPEND","v":" two"}]}'
    decoder = DeepSeekDecoder()
    assert hear([frames(ANSWER, batch, '{"v":"three"}', FINISHED)], decoder=decoder).text == "One two"
    assert decoder.drift == {"op BATCH": 1}


def test_the_count_of_shapes_is_bounded() -> None:
    decoder = DeepSeekDecoder()
    hear([encode_sse("{}", f"event_{number}") for number in range(500)], decoder=decoder)
    assert len(decoder.drift) == 101
    assert decoder.drift["more"] == 400


def test_halves_of_a_character_never_leave_the_decoder() -> None:
    body = frames(ANSWER, say("\\ud83d\\udc08 \\ud83d"), say("\\udc08"), FINISHED)
    assert hear([body]).text == "One🐈 \ufffd\ufffd"


@settings(derandomize=True, database=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-3, 3)
        | st.sampled_from(["", "x", "BATCH", "APPEND", "THINK", "RESPONSE"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["p", "o", "v", "response", "fragments", "content", "type", "results", "references", "id", "url"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["message", "ready", "hint", "title", "close"]),
)
def test_no_shape_of_data_breaks_the_decoder(data: object, event: str) -> None:
    body = encode_sse(json.dumps(data), event)
    fragment = encode_sse(json.dumps({"p": "response/fragments/-1", "o": "SET", "v": data}))
    hear([frames(ANSWER) + body + fragment + frames(say("[reference:0]"), FINISHED)])


# Whole answers


def test_a_refusal_after_a_finished_answer_is_counted_and_harmless() -> None:
    hint = encode_sse('{"type":"error","content":"No title today"}', "toast")
    decoder = DeepSeekDecoder()
    assert hear([frames(ANSWER, FINISHED) + hint], decoder=decoder).events[1:] == (Text("One"), Finish("stop"))
    assert decoder.drift == {"refusal after FINISHED": 1}


def test_every_event_of_the_vocabulary_is_met_by_a_recording() -> None:
    met = {type(event) for name in names() for event in meaning(name).events}
    assert met == {Opened, Thinking, Text, Searched, Title, Withdrawn, Finish}


def test_events_leave_in_few_pieces_when_they_come_together() -> None:
    decoder = DeepSeekDecoder()
    decoder.begin(STREAM)
    events = decoder.feed(frames(ANSWER, say(" two"), '{"v":" three"}'))
    assert events == [Opened(message="2"), Text("One two three")]
    assert all(type(a) is not type(b) for a, b in pairwise(events))
