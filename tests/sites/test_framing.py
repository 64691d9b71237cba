"""Every framing gives the same payloads wherever its bytes are cut, and says so where they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, SiteChanged
from bridge.sites.site_file.connect_frames import COMPRESSED, END_OF_STREAM, LONGEST_FRAME, connect_frame
from bridge.sites.site_file.framing import STREAM_END, Framing, Payload, framing_of

BODIES: dict[str, tuple[bytes, list[Payload]]] = {
    "sse": (
        "\ufeffevent: CHUNK\r\ndata: 雨\r\n\r\n: ping\n\ndata:a\ndata:b\n\ndata: cut off".encode(),
        [Payload("雨", "CHUNK"), Payload("a\nb"), Payload("cut off")],
    ),
    "ndjson": (
        '{"a":"雨"}\r\n\n{"b":2}\n{"c":3}'.encode(),
        [Payload('{"a":"雨"}'), Payload('{"b":2}'), Payload('{"c":3}')],
    ),
    "connect": (
        connect_frame('{"a":"雨"}'.encode()) + connect_frame(b"") + connect_frame(b"{}", END_OF_STREAM),
        [Payload('{"a":"雨"}'), Payload(""), Payload("{}", STREAM_END)],
    ),
    "json": ('{"a":\n"雨"}'.encode(), [Payload('{"a":\n"雨"}')]),
    "socketio": (
        '0{"sid":1}\x1e2\x1e42["雨",1]\x1e452-["b",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]'
        '\x1eb6Zuo\x1ebIg==\x1e42/chat,7["c"]'.encode(),
        [Payload('["雨",1]'), Payload('["b","\\"","\\u96e8"]'), Payload('["c"]')],
    ),
}


def payloads(framing: Framing, pieces: list[bytes]) -> list[Payload]:
    return [payload for piece in pieces for payload in framing.feed(piece)] + framing.end()


@pytest.mark.parametrize("name", BODIES)
def test_payloads_are_the_same_wherever_the_bytes_are_cut(name: str) -> None:
    body, expected = BODIES[name]
    cuts = [[body[:at], body[at:]] for at in range(len(body) + 1)] + [[body[at : at + 1] for at in range(len(body))]]
    for pieces in cuts:
        assert payloads(framing_of(name, is_socket=False), pieces) == expected


def test_plain_text_is_given_as_it_comes_and_no_character_is_cut() -> None:
    body = "雨 falls, 😀".encode()
    for at in range(len(body) + 1):
        found = payloads(framing_of("text", is_socket=False), [body[:at], body[at:]])
        assert "".join(payload.text for payload in found) == "雨 falls, 😀"
    assert payloads(framing_of("text", is_socket=False), [body[:2]]) == [Payload("\ufffd")]


def test_each_message_of_a_socket_is_a_frame() -> None:
    assert payloads(framing_of("websocket", is_socket=True), [b'{"a":1}', b"\xff"]) == [
        Payload('{"a":1}'),
        Payload("\ufffd"),
    ]


PLACEHOLDER = '{"_placeholder":true,"num":0}'


def test_an_event_of_a_socket_has_its_binary_data_in_it_whatever_that_looks_like() -> None:
    messages = [b"3", b'42["a"]', f'451-["b",{PLACEHOLDER}]'.encode(), b'42["no event"]', b'42["c"]']
    assert payloads(framing_of("socketio", is_socket=True), messages) == [
        Payload('["a"]'),
        Payload('["b","42[\\"no event\\"]"]'),
        Payload('["c"]'),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(f'451-["a",{PLACEHOLDER}]\x1e42["b"]', ['["b"]'], id="the data did not come"),
        pytest.param(f'451-["a",{PLACEHOLDER}]', [], id="nothing more came"),
        pytest.param('b6Zuo\x1e42["b"]', ['["b"]'], id="data of no event"),
        pytest.param(f'451-["a",{PLACEHOLDER}]\x1eb!\x1e42["b"]', ['["a",""]', '["b"]'], id="no base64"),
        pytest.param(
            r'451-["{\"_placeholder\":true,\"num\":0}"]' + "\x1ebIg==",
            [r'["{\"_placeholder\":true,\"num\":0}"]'],
            id="a text that looks like a placeholder",
        ),
        pytest.param('451-["a",{"_placeholder":true,"num":7}]\x1ebIg==', ['["a",null]'], id="more than there is"),
    ],
)
def test_a_body_with_binary_data_that_is_amiss_loses_no_other_event(body: str, expected: list[str]) -> None:
    found = payloads(framing_of("socketio", is_socket=False), [body.encode()])
    assert [payload.text for payload in found] == expected


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (connect_frame(b"{}", COMPRESSED), "compressed"),
        (b"\x00\xff\xff\xff\xff{}", "no frames of the Connect protocol"),
        (b"HTTP/1.1 200 OK", "no frames of the Connect protocol"),
        (bytes([0]) + (LONGEST_FRAME + 1).to_bytes(4, "big"), "no frames of the Connect protocol"),
    ],
)
def test_what_is_no_frame_says_so_after_the_frames_before_it(data: bytes, says: str) -> None:
    framing = framing_of("connect", is_socket=False)
    assert framing.feed(connect_frame(b"1") + data) == [Payload("1")]
    with pytest.raises(SiteChanged, match=says):
        framing.feed(b"")


@pytest.mark.parametrize("name", [*BODIES, "text", "websocket"])
@given(pieces=st.lists(st.binary(max_size=12) | st.sampled_from([b"\n\n", b"data: ", b'42["a"]', b"\0\0\0\0\1"])))
def test_no_bytes_make_a_framing_raise_anything_else(name: str, pieces: list[bytes]) -> None:
    try:
        payloads(framing_of(name, is_socket=False), pieces)
    except BridgeError:
        assert name == "connect"
