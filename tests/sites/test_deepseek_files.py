"""What the site says of the files that the page uploads, and the files that a request may carry; without a browser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.text_direction import changes
from bridge.chat.types import Attachment, ChatRequest, Message, Model
from bridge.errors import (
    BridgeError,
    ContextTooLong,
    FileRejected,
    FileTooLarge,
    HumanNeeded,
    LoginRequired,
    Muted,
    RateLimited,
    RequestError,
    SiteBusy,
    SiteChanged,
    StalePage,
)
from bridge.settings import FileSettings
from bridge.sites.contract import SiteDriver, Turn
from bridge.sites.deepseek.driver import Driver
from bridge.sites.deepseek.file_upload import FORK, LOOK, UPLOAD, Uploads
from bridge.sites.deepseek.request_check import COMPLETION, CompletionCheck
from bridge.storage.conversation_file import ConversationPosition
from bridge.worker.turn_plan import LONG_PROMPT, LONGEST_ATTACHED, fitted, turns_of

NOTES = Attachment("notes.txt", "text/plain", b"notes", "messages[0].content[1]")
PICTURE = Attachment("cat.png", "image/png", b"a cat", "messages[0].content[2]")


def said(biz_data: object, biz_code: int = 0, biz_msg: str = "", code: int = 0) -> bytes:
    data = {"biz_code": biz_code, "biz_msg": biz_msg, "biz_data": biz_data}
    return json.dumps({"code": code, "msg": "", "data": data}).encode()


def described(id_: str, status: str, name: str = "notes.txt", error: str | None = None) -> dict[str, Any]:
    return {"id": id_, "status": status, "file_name": name, "error_code": error}


def hear(uploads: Uploads, body: bytes, path: str = UPLOAD, status: int = 200, size: int = 0, kind: str = "") -> None:
    headers = {"content-type": kind or "application/json"}
    uploads.handle(PageResponse(f"https://a.example{path}", status, headers), path, body, str(size))


def test_files_are_done_when_the_site_has_read_each_of_them() -> None:
    uploads = Uploads([NOTES, PICTURE])
    for id_, name in ("f-1", "notes.txt"), ("f-2", "cat.png"):
        hear(uploads, said(described(id_, "PENDING", name)))
    hear(uploads, said({"files": [described("f-1", "SUCCESS"), described("f-2", "PARSING", "cat.png")]}), LOOK)
    assert (uploads.is_done, uploads.missing) == (False, [PICTURE])
    hear(uploads, said({"files": [described("f-2", "SUCCESS", "cat.png"), described("f-0", "FAILED", "old")]}), LOOK)
    assert uploads.is_done
    assert uploads.ids == {"f-1", "f-2"}, "files of earlier prompts are none of this one"


def test_a_picture_that_the_page_hands_over_to_another_model_is_waited_for_under_its_new_id() -> None:
    uploads = Uploads([PICTURE])
    hear(uploads, said(described("f-1", "SUCCESS", "cat.png")))
    steps = [uploads.is_done]
    hear(uploads, said(described("f-2", "PENDING", "cat.png")), FORK)
    steps.append(uploads.is_done)
    hear(uploads, said({"files": [described("f-2", "SUCCESS", "cat.png")]}), LOOK)
    assert [*steps, uploads.is_done] == [True, False, True]
    assert "f-2" in uploads.ids


@pytest.mark.parametrize("status", ["FAILED", "CONTENT_EMPTY", "SOMETHING_NEW"])
def test_a_file_that_the_site_cannot_read_is_named_with_the_field_it_came_from(status: str) -> None:
    uploads = Uploads([NOTES, PICTURE])
    hear(uploads, said(described("f-1", "PENDING", "cat.png")))
    with pytest.raises(FileRejected, match=f"'cat.png'.*{status} parse_failed") as caught:
        hear(uploads, said({"files": [described("f-1", status, "cat.png", "parse_failed")]}), LOOK)
    assert (caught.value.status, caught.value.param) == (422, PICTURE.param)


@pytest.mark.parametrize(
    ("body", "status", "kind", "error"),
    [
        (said(None, 2, "INVALID_PARAM"), 200, "", FileRejected),
        (b"", 413, "text/html", FileRejected),
        (b"", 415, "", FileRejected),
        (said({"is_muted": 1, "mute_until": 4e9}, 14), 200, "", Muted),
        (said(None, 7, "rate limit reached"), 200, "", RateLimited),
        (b"", 429, "", RateLimited),
        (json.dumps({"code": 40003, "msg": "", "data": None}).encode(), 200, "", LoginRequired),
        (json.dumps({"code": 40301, "msg": "", "data": None}).encode(), 200, "", StalePage),
        (b"", 502, "", SiteBusy),
        (b"<html>", 200, "text/html", HumanNeeded),
        (b"{", 200, "", SiteChanged),
        (said({"id": 5, "status": "PENDING"}), 200, "", SiteChanged),
        (said({}), 200, "", SiteChanged),
    ],
)
def test_a_refused_upload_is_a_bad_file_or_says_what_is_wrong_with_the_account(
    body: bytes, status: int, kind: str, error: type[BridgeError]
) -> None:
    with pytest.raises(error) as caught:
        hear(Uploads([NOTES]), body, status=status, kind=kind)
    assert type(caught.value) is error


# What a request may carry

BODY = {
    "prompt": "Hi",
    "thinking_enabled": False,
    "search_enabled": False,
    "parent_message_id": None,
    "chat_session_id": "c",
}


@pytest.mark.parametrize(
    ("files", "uploaded", "carried", "says"),
    [
        ((), (), [], None),
        ((), (), None, None),
        ((NOTES,), ("f-1",), ["f-1"], None),
        ((NOTES,), ("f-1", "f-2"), ["f-2"], None),
        ((), (), ["f-1"], "ref_file_ids has 1 files instead of 0"),
        ((NOTES,), ("f-1",), [], "ref_file_ids has 0 files instead of 1"),
        ((NOTES,), ("f-1",), ["f-0", "f-1"], "ref_file_ids has 2 files instead of 1"),
        ((NOTES, PICTURE), ("f-1", "f-2"), ["f-1", "f-1"], "ref_file_ids has a file twice"),
        ((NOTES,), ("f-1",), ["f-0"], "ref_file_ids has 1 files that were not uploaded for this prompt"),
        ((NOTES,), ("f-1",), "f-1", "ref_file_ids is not a list of ids"),
        ((NOTES,), ("f-1",), [1], "ref_file_ids is not a list of ids"),
    ],
)
def test_a_request_carries_the_files_of_its_turn_and_no_others(
    files: tuple[Attachment, ...], uploaded: tuple[str, ...], carried: object, says: str | None
) -> None:
    guard = CompletionCheck()
    guard.uploaded = uploaded
    request = PageRequest(
        "POST", f"https://a.example{COMPLETION}", json.dumps({**BODY, "ref_file_ids": carried}).encode()
    )
    reasons = guard.differences(Turn("Hi", attachments=files), request, None)
    assert list(reasons) == ([] if says is None else [f"its {says}"])
    assert guard.saw_wrong_files is (says is not None)


@pytest.mark.parametrize(
    ("turn", "may"),
    [
        (Turn("Hi", attachments=(PICTURE,)), True),
        (Turn("Hi", attachments=(NOTES,)), False),
        (Turn("Hi", search=True, attachments=(PICTURE,)), False),
    ],
)
def test_only_a_new_chat_about_a_picture_goes_to_the_model_that_sees(turn: Turn, may: bool) -> None:
    guard = CompletionCheck()
    guard.uploaded = ("f-1",)
    body = {**BODY, "search_enabled": turn.search, "ref_file_ids": ["f-1"], "model_type": "vision"}
    reasons = guard.differences(
        turn, PageRequest("POST", f"https://a.example{COMPLETION}", json.dumps(body).encode()), None
    )
    assert list(reasons) == ([] if may else ["its model_type is vision"])


# What a site takes


class TextOnly(Driver):
    """A site without uploads."""

    models = (Model("plain"),)


def test_a_site_without_uploads_refuses_files_by_the_field_they_came_from() -> None:
    with pytest.raises(RequestError, match=r"takes no files, such as 'notes\.txt'") as caught:
        fitted(Turn("Hi", attachments=(NOTES,)), TextOnly, FileSettings())
    assert (caught.value.status, caught.value.param) == (400, NOTES.param)


@pytest.mark.parametrize("driver", [Driver, TextOnly])
def test_a_prompt_is_as_long_as_the_page_counts_it(driver: type[SiteDriver]) -> None:
    turn = Turn("🥊" * 50)
    assert fitted(turn, driver, FileSettings(prompt_limit=100)) is turn
    with pytest.raises(ContextTooLong, match="100 characters, and the site takes 99"):
        fitted(turn, driver, FileSettings(prompt_limit=99))


def test_a_long_prompt_becomes_a_file_once_and_only_where_files_are_taken() -> None:
    settings = FileSettings(prompt_limit=100, long_prompts="attach")
    made = fitted(Turn("x" * 101, attachments=(NOTES,)), Driver, settings)
    assert made.prompt == LONG_PROMPT
    assert [(one.name, len(one.data)) for one in made.attachments] == [("prompt.txt", 101), ("notes.txt", 5)]
    assert fitted(made, Driver, settings) is made
    with pytest.raises(ContextTooLong):
        fitted(Turn("x" * 101), TextOnly, settings)


def test_a_prompt_longer_than_any_model_reads_does_not_go_as_a_file_either() -> None:
    settings = FileSettings(long_prompts="attach")
    assert fitted(Turn("x" * LONGEST_ATTACHED), Driver, settings).prompt == LONG_PROMPT
    with pytest.raises(ContextTooLong, match=f"{LONGEST_ATTACHED + 1} characters"):
        fitted(Turn("x" * (LONGEST_ATTACHED + 1)), Driver, settings)


def test_the_limit_of_the_page_holds_where_no_setting_says_otherwise() -> None:
    assert Driver.prompt_limit is not None
    with pytest.raises(ContextTooLong):
        fitted(Turn("x" * (Driver.prompt_limit + 1)), Driver, FileSettings())


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_prompt_of_more_lines_than_the_page_lays_out_is_refused_or_becomes_a_file(end: str) -> None:
    most = Driver.prompt_lines or 0
    fits, excess = Turn("x" + end * (most - 1)), Turn("x" + end * most)
    assert fitted(fits, Driver, FileSettings()) is fits
    with pytest.raises(ContextTooLong, match=f"{most + 1} lines, and the site's page takes {most}") as caught:
        fitted(excess, Driver, FileSettings())
    assert (caught.value.status, caught.value.param) == (400, "messages")
    made = fitted(excess, Driver, FileSettings(long_prompts="attach"))
    assert (made.prompt, made.attachments[0].data.decode()) == (LONG_PROMPT, excess.prompt)
    with pytest.raises(ContextTooLong):
        fitted(excess, TextOnly, FileSettings(long_prompts="attach"))


def test_lines_are_counted_before_a_prompt_is_written() -> None:
    request = ChatRequest("r", Model("m"), (Message("user", "x\n" * 60_000), Message("user", "x\n" * 60_000)))
    with pytest.raises(ContextTooLong, match="120001 lines"):
        turns_of(request, None, Driver, FileSettings())


MIXED = "aא"


@pytest.mark.parametrize("unit", [MIXED, "ab אב ", "(א) 1 ", "\u2067a\u2069 ", "1ا"])
def test_a_line_that_changes_its_direction_more_often_than_the_page_lays_out_is_refused_or_becomes_a_file(
    unit: str,
) -> None:
    most = Driver.direction_changes or 0
    fits, excess = Turn(unit * most + "\n" + unit * 2), Turn(unit * (most + 2) + "z")
    assert fitted(fits, Driver, FileSettings()) is fits
    with pytest.raises(ContextTooLong, match=rf"{most // 100}\d\d changes .* takes {most}") as caught:
        fitted(excess, Driver, FileSettings())
    assert (caught.value.status, caught.value.param) == (400, "messages")
    made = fitted(excess, Driver, FileSettings(long_prompts="attach"))
    assert (made.prompt, made.attachments[0].data.decode()) == (LONG_PROMPT, excess.prompt)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 99, 0),
        ("中文 and é, α, ก\n" * 99, 0),
        ("אבג דה! (ו) " * 99, 0),
        ((MIXED * 3 + "z\r\n") * 16, 12),
        ("א" + "!" * 200_000 + "a", 0),
        ("א\na" * 9, 0),
        ("א" * 100_000 + "a", 1),
    ],
)
def test_changes_of_direction_count_by_the_work_that_they_are_for_a_page(text: str, count: int) -> None:
    assert changes(text) == count


def test_files_that_are_too_large_together_are_refused() -> None:
    with pytest.raises(FileTooLarge, match=r"files\.max_prompt_bytes") as caught:
        fitted(Turn("Hi", attachments=(NOTES, PICTURE)), Driver, FileSettings(max_prompt_bytes=9))
    assert (caught.value.status, caught.value.param) == (413, PICTURE.param)


def test_going_on_takes_only_the_new_files_and_beginning_anew_takes_all() -> None:
    messages = (Message("user", "A", (PICTURE,)), Message("assistant", "B"), Message("user", "C", (NOTES,)))
    request = ChatRequest("r", Model("m"), messages)
    going_on, anew = turns_of(request, ConversationPosition("alice", "c", "2"), Driver, FileSettings())
    assert (going_on.prompt, going_on.attachments, going_on.conversation) == ("C", (NOTES,), "c")
    assert (anew.attachments, anew.conversation) == ((PICTURE, NOTES), None)
    assert re.search(r"A\n\[[0-9a-f]{8} attached: cat.png\]", anew.prompt)
