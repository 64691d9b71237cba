"""From two chats on an unknown page, the request, the answer's frames, its end and its ids are found."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import Finish, Text
from bridge.sites.learning.draft import Finding, written
from bridge.sites.learning.frames import stream_of
from bridge.sites.learning.inference import read_wire, wire_findings
from bridge.sites.learning.observation import SeenCall, SeenTurn
from bridge.sites.learning.prompt_request import address_pattern
from bridge.sites.learning.socket_sessions import joined
from bridge.sites.site_file.rule_decoder import AnswerRules, RuleDecoder
from bridge.sites.site_file.schema import parse_site_file
from tests.support.seen_chats import ANSWERS, chunks, connect, ndjson, pieces, sse, turn, turns


def fields(found: list[SeenTurn]) -> dict[str, Any]:
    """Return what is found, by field; the rules as a list."""
    findings = wire_findings(read_wire(found), "chat.example")
    plain = {one.field: one.value for one in findings if one.field != "answer.rules"}
    return plain | {"rules": [one.value for one in findings if one.field == "answer.rules"]}


def posted(**more: Any) -> Any:
    return lambda number, prompt: json.dumps({"prompt": prompt, **more}).encode()


def test_an_openai_like_stream_is_read_by_its_delta_and_its_marker() -> None:
    def answer(number: int, text: str) -> list[bytes]:
        first = {"choices": [{"delta": {"role": "assistant", "content": ""}, "index": 0}]}
        deltas = [
            {"choices": [{"delta": {"content": one}, "index": 0}], "object": "chat.chunk"} for one in pieces(text)
        ]
        return sse([first, *deltas, {"choices": [{"delta": {}, "finish_reason": "stop"}]}, "[DONE]"])

    def body(number: int, prompt: str) -> bytes:
        history = [{"role": "user", "content": "before"}, {"role": "assistant", "content": "it"}] * number
        return json.dumps({"model": "big-1", "messages": [*history, {"role": "user", "content": prompt}]}).encode()

    found = fields(turns(body, answer))
    assert found["request.prompt"] == ("messages[-1].content",)
    assert found["request.model"] == "model"
    assert found["answer.framing"] == "sse"
    assert found["answer.end_markers"] == ["[DONE]"]
    assert found["rules"] == [{"when": {"object": "chat.chunk"}, "emit": "text", "value": "choices[0].delta.content"}]


def test_thinking_at_the_same_path_is_told_apart_by_its_phase_and_has_an_end_of_its_own() -> None:
    def answer(number: int, text: str) -> list[bytes]:
        def frame(phase: str, content: str, status: str = "typing") -> dict[str, Any]:
            return {"choices": [{"delta": {"content": content, "phase": phase, "status": status}}], "id": f"r{number}"}

        thinking = [frame("think", one) for one in pieces("The user wants me to repeat. " * 3)]
        spoken = [frame("answer", one) for one in pieces(text)]
        return sse([*thinking, frame("think", "", "finished"), *spoken, frame("answer", "", "finished")])

    rules = fields(turns(posted(), answer))["rules"]
    content, phase, status = (f"choices[0].delta.{name}" for name in ("content", "phase", "status"))
    assert {"when": {phase: "answer", status: "typing"}, "emit": "text", "value": content} not in rules
    assert {"when": {phase: "answer"}, "emit": "text", "value": content} in rules
    assert {"when": {phase: "think"}, "emit": "thinking", "value": content} in rules
    assert {"when": {phase: "answer", status: "finished"}, "emit": "finish"} in rules


def test_frames_of_connect_are_read_and_the_echo_of_the_prompt_is_not_taken_for_the_answer() -> None:
    def answer(number: int, text: str) -> list[bytes]:
        first, *rest = pieces(text)
        echo = {"op": "set", "mask": "message", "message": {"id": f"u-{number}", "role": "user", "text": "kestrel"}}
        return connect(
            [
                {"op": "set", "mask": "chat", "chat": {"id": "conv-77aa31", "name": "Untitled"}},
                echo,
                {"op": "set", "mask": "message", "message": {"id": f"answer-{number}", "role": "assistant"}},
                {"op": "set", "mask": "block.text", "block": {"id": "3", "text": {"content": first}}},
                {"heartbeat": {}},
                *({"op": "append", "mask": "block.text.content", "block": {"text": {"content": one}}} for one in rest),
                {"done": {}},
            ]
        )

    def body(number: int, prompt: str) -> bytes:
        message = {"parent_id": f"answer-{number - 1}" if number else "", "blocks": [{"text": {"content": prompt}}]}
        return connect([{"chat_id": "conv-77aa31" if number else "", "message": message}])[0]

    found = fields(turns(body, answer, content_type="application/connect+json"))
    assert found["request.body"] == "connect"
    assert found["request.prompt"] == ("message.blocks[0].text.content",)
    assert found["request.conversation"] == "chat_id"
    assert found["request.parent"] == "message.parent_id"
    assert found["answer.framing"] == "connect"
    assert {"emit": "conversation", "value": "chat.id"} in found["rules"]
    assert {"emit": "message", "value": "message.id"} in found["rules"]
    assert {"emit": "text", "value": "block.text.content"} in found["rules"]
    assert {"when": {"done": {"exists": True}}, "emit": "finish"} in found["rules"]


def test_text_that_is_sent_whole_each_time_is_cumulative() -> None:
    def answer(number: int, text: str) -> list[bytes]:
        whole = [text[:end] for end in range(9, len(text) + 9, 9)]
        parts = [{"status": "processing", "parts": [{"content": [{"type": "text", "text": one}]}]} for one in whole]
        return sse([{"status": "init", "parts": []}, *parts, {"status": "finish", "parts": []}])

    rules = fields(turns(posted(), answer))["rules"]
    text = next(rule for rule in rules if rule["emit"] == "text")
    assert text["value"] == "parts[0].content[0].text"
    assert text["mode"] == "cumulative"
    assert {"when": {"status": "finish"}, "emit": "finish"} in rules


def test_a_json_document_in_a_string_is_read() -> None:
    def body(number: int, prompt: str) -> bytes:
        return json.dumps({"draft": json.dumps({"text": {"prompt": prompt}})}).encode()

    found = fields(
        turns(
            body,
            lambda number, text: ndjson([*({"p": json.dumps({"t": one})} for one in pieces(text)), {"done": True}]),
        )
    )
    assert found["request.prompt"] == ("draft|json.text.prompt",)
    assert found["answer.framing"] == "ndjson"
    assert found["rules"][0]["value"] == "p|json.t"
    assert found["rules"][-1] == {"when": {"done": True}, "emit": "finish"}


def test_the_first_piece_may_come_another_way() -> None:
    def answer(number: int, text: str) -> list[bytes]:
        first, *rest = pieces(text)
        opened = {"v": {"response": {"fragments": [{"type": "RESPONSE", "content": first}]}}}
        patch = {"p": "response/content", "o": "APPEND", "v": rest[0]}
        end = {"p": "response/status", "o": "SET", "v": "FINISHED"}
        return sse([opened, patch, *({"v": one} for one in rest[1:]), end])

    rules = fields(turns(posted(), answer))["rules"]
    texts = [rule for rule in rules if rule["emit"] == "text"]
    assert {"v.response.fragments[0].type": "RESPONSE"}.items() <= texts[0]["when"].items()
    assert texts[0]["value"] == "v.response.fragments[0].content"
    assert [rule["when"] for rule in texts[1:]] == [{"o": "APPEND", "p": "response/content"}, {"o": {"exists": False}}]
    assert rules[-1]["when"]["v"] == "FINISHED"


def test_bare_text_and_base64_are_read_and_end_by_marker_or_close() -> None:
    bare = fields(
        turns(posted(), lambda number, text: [one.encode() for one in pieces(text)], content_type="text/plain")
    )
    assert bare["answer.framing"] == "text"
    assert bare["rules"] == [{"emit": "text", "value": "$text"}]
    assert bare["answer.ends_on_close"] is True

    def packed(number: int, text: str) -> list[bytes]:
        return sse([*(base64.b64encode(one.encode()).decode() for one in pieces(text)), "<end>"])

    found = fields(turns(posted(), packed))
    assert found["answer.payload"] == "base64"
    assert found["rules"][-1] == {"emit": "text", "value": "$text"}


def socket(number: int, sent: list[bytes], received: list[bytes], began: float) -> SeenCall:
    return SeenCall(
        7, 5.0, "WEBSOCKET", "wss://chat.example/ws/socket.io/?EIO=4", b"", 101, "",
        chunks(received, began + 2), chunks(sent, began + 1), is_over=False,
    )  # fmt: skip


def test_messages_that_were_not_seen_on_the_prompts_socket_are_let_through() -> None:
    def seen(number: int) -> SeenTurn:
        said = ("Repeat exactly this: kestrel-4821 and its code", "Now repeat exactly the other: kestrel-9377")[number]
        received = [json.dumps({"t": one}).encode() for one in pieces(ANSWERS[number])]
        sent = [json.dumps({"op": "send", "text": said}).encode()]
        return turn(number, (socket(number, sent, [*received, b'{"over":true}'], 100.0 * (number + 1)),))

    found = fields([seen(0), seen(1)])
    assert found["request.prompt"] == ("text",)
    assert found["request.when"] == {"text": {"matches": ""}}
    assert found["request.others"] == [{"path": "/ws/socket.io/", "method": "WEBSOCKET"}]


def test_a_prompt_and_its_answer_on_a_websocket_are_found() -> None:
    def seen(number: int) -> SeenTurn:
        def event(name: str, payload: object) -> bytes:
            return b"42" + json.dumps([name, payload]).encode()

        first, *rest = pieces(ANSWERS[number])
        prompt = event(
            "client_message",
            {
                "message": {
                    "output": (
                        "Repeat exactly this: kestrel-4821 and its code",
                        "Now repeat exactly the other: kestrel-9377",
                    )[number]
                }
            },
        )
        received = [
            b"2", event("task_start", {}), event("stream_start", {"id": f"m{number}", "output": first}),
            *(event("stream_token", {"id": f"m{number}", "token": one}) for one in rest),
            event("update_message", {"output": ANSWERS[number]}), event("task_end", {}),
        ]  # fmt: skip
        return turn(number, (socket(number, [b"3", prompt], received, 100.0 * (number + 1)),))

    found = fields([seen(0), seen(1)])
    assert (found["request.method"], found["request.body"]) == ("WEBSOCKET", "socketio")
    assert found["request.prompt"] == ("[1].message.output",)
    assert found["answer.framing"] == "socketio"
    assert found["rules"][:2] == [
        {"when": {"[0]": "stream_start"}, "emit": "text", "value": "[1].output"},
        {"when": {"[0]": "stream_token"}, "emit": "text", "value": "[1].token"},
    ]
    assert found["rules"][-1] == {"when": {"[0]": "task_end"}, "emit": "finish"}


def polled(number: int, time: float, method: str, body: bytes = b"", data: bytes = b"") -> SeenCall:
    url = f"https://chat.example/ws/socket.io/?EIO=4&transport=polling&sid=s1&t={number}"
    return SeenCall(number, time, method, url, body, 200, "text/plain", chunks([data], time + 1) if data else ())


def test_what_a_page_polls_before_it_has_a_socket_belongs_to_the_socket() -> None:
    before = polled(3, 1.0, "GET", data=b'0{"sid":"s1"}')
    asked = polled(5, 100.0, "POST", body=b'3\x1e42["prompt",{"text":"Say it"}]', data=b"ok")
    began = polled(6, 101.0, "GET", data=b'2\x1e42["piece","Ra"]')
    rest = SeenCall(
        9, 103.0, "WEBSOCKET", "wss://chat.example/ws/socket.io/?EIO=4&transport=websocket&sid=s1", b"", 101, "",
        chunks([b'42["piece","in"]'], 104.0), chunks([b"5"], 103.5), is_over=False,
    )  # fmt: skip
    other = SeenCall(7, 102.0, "POST", "https://chat.example/api/title")
    one, also = joined([before, asked, began, other, rest])
    assert also is other
    assert (one.number, one.method, one.is_over) == (3, "WEBSOCKET", False)
    assert [chunk.data for chunk in one.chunks] == [
        b'0{"sid":"s1"}', b"2", b'42["piece","Ra"]', b'42["piece","in"]',
    ]  # fmt: skip
    assert [chunk.data for chunk in one.sent] == [b"3", b'42["prompt",{"text":"Say it"}]', b"5"]
    assert sorted(chunk.time for chunk in one.chunks) == [chunk.time for chunk in one.chunks]


def test_the_answer_may_come_over_another_call_and_a_title_request_is_let_through() -> None:
    def body(number: int, prompt: str) -> bytes:
        return json.dumps({"data": [prompt], "kind": "chat", "stream": True}).encode()

    def more(number: int) -> tuple[SeenCall, ...]:
        began = 100.0 * (number + 1)
        frames = [{"msg": "generating", "out": [["append", ["content"], one]]} for one in pieces(ANSWERS[number])]
        data = chunks(
            sse(
                [
                    {"msg": "estimation", "rank": 0},
                    *frames,
                    {"msg": "completed", "out": [ANSWERS[number]]},
                    {"msg": "close_stream"},
                ]
            ),
            began + 3,
        )
        events = SeenCall(
            50 + number,
            began + 2,
            "GET",
            "https://chat.example/queue/data?hash=ab",
            b"",
            200,
            "text/event-stream",
            data,
        )
        title = json.dumps({"data": ["A title for it"], "kind": "title", "stream": False}).encode()
        return events, SeenCall(
            60 + number,
            began + 9,
            "POST",
            "https://chat.example/api/chat",
            title,
            200,
            "application/json",
            chunks([b'{"t":"x"}'], began + 9),
        )

    found = fields(turns(body, lambda number, text: [b'{"event_id":"e1"}'], content_type="application/json", more=more))
    assert found["answer.call"] == {"path": "/queue/data", "method": "GET"}
    guard = {"msg": "generating", "out[0][0]": "append"}
    assert {"when": guard, "emit": "text", "value": "out[0][2]"} in found["rules"]
    assert found["request.when"] == {"kind": "chat"}
    assert found["request.others"] == [{"path": "/api/chat", "method": "POST"}]


def test_what_is_hostile_costs_linear_time_and_is_never_taken_for_an_answer() -> None:
    deep = b"[" * 200_000
    many = json.dumps({f"k{n}": {"a": "x" * 50} for n in range(5_000)}).encode()
    call = SeenCall(
        1,
        101.0,
        "POST",
        "https://chat.example/api",
        deep,
        200,
        "text/event-stream",
        chunks([*sse([many.decode()] * 20), deep], 102.0),
    )
    assert read_wire([turn(0, (call,)), turn(1, (call,))]).prompts == ()
    assert stream_of(call) is not None


def decoded(found: list[SeenTurn], number: int) -> str:
    """Return the text that a decoder gives of an answer which works by what was learned, and by nothing else."""
    wire = wire_findings(read_wire(found), "chat.example")
    base = [Finding("name", "learned"), Finding("title", "Learned"), Finding("start_url", "https://chat.example")]
    page = [Finding("models", {"id": "learned"}), Finding("composer.box", ["textarea"])]
    decoder = RuleDecoder(AnswerRules(parse_site_file(written([*base, *page, *wire]), "learned")))
    call = found[number].calls[0]
    decoder.begin(PageResponse(call.url, 200, {"content-type": call.content_type}))
    events = [event for chunk in call.chunks for event in decoder.feed(chunk.data)] + list(decoder.end())
    assert isinstance(events[-1], Finish)
    return "".join(event.text for event in events if isinstance(event, Text))


def openai_like(number: int, text: str) -> list[bytes]:
    return sse([*({"choices": [{"delta": {"content": one}}]} for one in pieces(text)), "[DONE]"])


def with_thinking(number: int, text: str) -> list[bytes]:
    thoughts = ({"type": "think", "text": one} for one in pieces("I repeat what the user wants, and no more. " * 3))
    spoken = ({"type": "answer", "text": one} for one in pieces(text))
    return sse([*thoughts, {"type": "think", "done": True}, *spoken, {"type": "answer", "done": True}])


def whole_each_time(number: int, text: str) -> list[bytes]:
    grown = ({"parts": [{"type": "text", "text": text[:end]}]} for end in range(9, len(text) + 9, 9))
    return sse([*grown, {"status": "finish"}])


def first_elsewhere(number: int, text: str) -> list[bytes]:
    first, *rest = pieces(text)
    opened = {"kind": "start", "message": {"role": "assistant", "content": first}}
    return sse([opened, *({"kind": "more", "delta": one} for one in rest), {"kind": "end"}])


def in_lines(number: int, text: str) -> list[bytes]:
    return ndjson([*({"response": one, "done": False} for one in pieces(text)), {"response": "", "done": True}])


def bare(number: int, text: str) -> list[bytes]:
    return [one.encode() for one in pieces(text)]


@pytest.mark.parametrize("answer", [openai_like, with_thinking, whole_each_time, first_elsewhere, in_lines])
def test_a_decoder_by_what_was_learned_gives_the_answer_to_the_byte(
    answer: Callable[[int, str], list[bytes]],
) -> None:
    found = turns(posted(), answer)
    assert [decoded(found, number) for number in (0, 1)] == list(ANSWERS)


def test_bare_text_is_given_to_the_byte() -> None:
    found = turns(posted(), bare, content_type="text/plain")
    assert [decoded(found, number) for number in (0, 1)] == list(ANSWERS)


def test_ids_in_addresses_are_told_from_words() -> None:
    assert address_pattern(["https://a.test/feed/9f31c0de"]) == "/feed/*"
    for word in ("feed", "completions", "deadbeef", "v1", "chat2024", "facade"):
        assert address_pattern([f"https://a.test/{word}/stream"]) == f"/{word}/stream"
