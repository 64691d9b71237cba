"""The bytes of a body come back out of the letters that Chromium has made of them, whatever charset it took."""

from __future__ import annotations

import base64

import pytest

from bridge.browser.response_body import WESTERN_LETTERS, body_of

TEXT = "数 é – ok 🚀\n"
ALL_BYTES = bytes(range(256))


def shown(body: str, *, is_base64: bool = False) -> dict[str, object]:
    return {"body": body, "base64Encoded": is_base64}


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", "text/event-stream; charset=unknown-1"])
def test_text_without_a_charset_is_read_as_chromium_has_shown_it(kind: str) -> None:
    letters = "".join(WESTERN_LETTERS[byte] for byte in TEXT.encode())
    assert body_of(shown(letters), kind) == TEXT.encode()
    assert body_of(shown("".join(WESTERN_LETTERS)), kind) == ALL_BYTES


@pytest.mark.parametrize("kind", ["application/json", "application/connect+json", "text/html", "text/xml", ""])
def test_json_xml_and_html_are_utf_8(kind: str) -> None:
    assert body_of(shown(TEXT), kind) == TEXT.encode()


@pytest.mark.parametrize(("charset", "text"), [("utf-8", TEXT), ("gbk", "数据"), ("GB2312", "镕"), ("shift_jis", "数")])
def test_a_named_charset_counts(charset: str, text: str) -> None:
    codec = "gb18030" if charset.lower().startswith("gb") else charset
    assert body_of(shown(text), f"text/plain; charset={charset}") == text.encode(codec)


def test_of_several_readings_the_one_of_the_counted_length_is_right() -> None:
    letters = "".join(WESTERN_LETTERS[byte] for byte in TEXT.encode())
    assert body_of(shown(letters), "", len(TEXT.encode())) == TEXT.encode()
    assert body_of(shown(TEXT), "text/plain", len(TEXT.encode())) == TEXT.encode()


def test_bytes_that_are_no_text_come_as_they_are() -> None:
    assert body_of(shown(base64.b64encode(ALL_BYTES).decode(), is_base64=True), "text/plain") == ALL_BYTES
