"""Files in messages: what clients send becomes the very bytes, and what cannot is refused by the name of its field."""

from __future__ import annotations

import base64
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from bridge.api.attachments.content_parts import LONGEST_NAME, Remote, named
from bridge.api.attachments.file_parts import read_attachment
from bridge.api.openai.openai_history import HistoryTurn, read_history
from bridge.chat.types import Attachment, Message
from bridge.errors import RequestError

DATA = bytes(range(256))
BASE64 = base64.b64encode(DATA).decode()
URLSAFE = base64.urlsafe_b64encode(DATA).decode()


def read(part: object, role: str = "user") -> Message:
    turn = {"role": role, "content": [{"type": "text", "text": "A"}, part]}
    (message,) = read_history([HistoryTurn.model_validate(turn)])
    return message


def attached(part: object) -> Attachment:
    message = read(part)
    assert message.text == "A"
    (attachment,) = message.attachments
    return attachment


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{BASE64}",
        f"DATA:Image/PNG;charset=x;base64,{BASE64}",
        f"data:image/png;base64,{BASE64[:40]}\n {BASE64[40:].rstrip('=')}",
        f"data:image/png;base64,{URLSAFE}",
        "data:image/png;base64," + BASE64.replace("+", "%2B").replace("/", "%2F"),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in DATA),
    ],
)
@pytest.mark.parametrize("inner", [True, False])
def test_a_data_url_is_the_bytes_it_stands_for(url: str, inner: bool) -> None:
    part = {"type": "image_url" if inner else "input_image", "image_url": {"url": url} if inner else url}
    attachment = attached(part)
    assert (attachment.data, attachment.media_type, attachment.is_image) == (DATA, "image/png", True)
    assert attachment.name == f"image-{attachment.digest[:8]}.png"
    assert attachment.param == "messages[0].content[1].image_url" + (".url" if inner else "")


@pytest.mark.parametrize("given", [BASE64, f"data:application/pdf;base64,{BASE64}"])
@pytest.mark.parametrize("inner", [True, False])
def test_a_file_comes_as_base64_or_as_a_data_url(given: str, inner: bool) -> None:
    fields = {"filename": "a report.pdf", "file_data": given}
    attachment = attached({"type": "file", "file": fields} if inner else {"type": "input_file", **fields})
    assert (attachment.name, attachment.media_type, attachment.data) == ("a report.pdf", "application/pdf", DATA)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "file", "file": {"file_id": "file-1"}}, ("file-1", "")),
        ({"type": "input_image", "file_id": "file-1"}, ("file-1", "")),
        ({"type": "image_url", "image_url": {"url": "https://a.example/b.png?c"}}, ("", "https://a.example/b.png?c")),
        ({"type": "input_file", "file_url": "http://a.example/b"}, ("", "http://a.example/b")),
    ],
)
def test_what_is_only_named_is_noted(part: dict[str, Any], expected: tuple[str, str]) -> None:
    remote = attached(part)
    assert isinstance(remote, Remote)
    assert (remote.file_id, remote.url) == expected


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "image_url"}, ".image_url"),
        ({"type": "image_url", "image_url": {"url": 5}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "http://"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "http://[::1"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,****"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=Q"}}, ".image_url.url"),
        ({"type": "file"}, ".file"),
        ({"type": "file", "file": {}}, ".file.file_data"),
        ({"type": "file", "file": {"file_data": "ä"}}, ".file.file_data"),
        ({"type": "file", "file": {"file_data": "A"}}, ".file.file_data"),
        ({"type": "file", "file": {"file_data": ""}}, ".file.file_data"),
        ({"type": "file", "file": {"file_id": 7}}, ".file.file_id"),
        ({"type": "file", "file": {"file_data": BASE64, "filename": 7}}, ".file.filename"),
        ({"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}, ""),
        ({"type": "video_url", "video_url": {"url": "data:,x"}}, ""),
        ({"type": "hologram"}, ""),
        ({"type": ["file"]}, ""),
        ("text", ""),
    ],
)
def test_what_is_no_file_is_refused_by_the_name_of_its_field(part: object, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(part)
    assert (caught.value.status, caught.value.param) == (400, f"messages[0].content[1]{field}")


@pytest.mark.parametrize("before", range(4))
def test_escapes_of_a_long_data_url_are_read_wherever_they_stand(before: int) -> None:
    url = "data:text/plain," + "x" * before + "%41%zz" * 30_000 + "%4"
    file = attached({"type": "file", "file": {"file_data": url}})
    assert file.data == b"x" * before + b"A%zz" * 30_000 + b"%4"


@pytest.mark.parametrize("unit", ["%41", "ab ", "ab==", "a😀"])
@pytest.mark.parametrize("head", ["data:,", "data:;base64,", ""])
@pytest.mark.slow
def test_a_file_in_a_message_takes_few_times_its_size(unit: str, head: str) -> None:
    given = head + unit * 300_000
    part = {"type": "file", "file": {"filename": "a", "file_data": given}}
    tracemalloc.start()
    with suppress(RequestError):
        read_attachment(part, "p")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(given.encode())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("..", "file-d1ge57.pdf"),
        (" .hidden", "hidden.pdf"),
        ("", "file-d1ge57.pdf"),
        ("a\x00\r\n\u202etxt.exe", "a____txt.exe"),
        ("报告 final.PDF", "报告 final.PDF"),
        ("x" * 500 + ".pdf", "x" * (LONGEST_NAME - 3) + ".pdf"),
        ("x" * 500, "x" * LONGEST_NAME + ".pdf"),
    ],
)
def test_a_name_is_one_that_a_page_can_show(name: str, expected: str) -> None:
    assert named(name, "application/pdf", "d1ge57") == expected
