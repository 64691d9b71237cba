"""How the DeepSeek decoder tells what the site refuses: by status, by JSON body, by a hint in the stream."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.browser.page_messages import PageResponse
from bridge.errors import (
    BridgeError,
    ContextTooLong,
    HumanNeeded,
    LoginRequired,
    Muted,
    RateLimited,
    SiteBusy,
    SiteChanged,
    SiteError,
    StalePage,
    UnknownConversation,
)
from bridge.sites.deepseek.decoder import DeepSeekDecoder
from bridge.sites.deepseek.notices import obstacle
from bridge.sites.http_refusals import quote
from bridge.sse import encode_sse
from tests.support.deepseek_streams import STREAM

NOW = datetime(2026, 10, 10, 12, tzinfo=UTC)


def refuse(response: PageResponse, body: bytes = b"") -> BridgeError:
    decoder = DeepSeekDecoder(now=lambda: NOW)
    try:
        decoder.begin(response)
        decoder.feed(body[:7])
        decoder.feed(body[7:])
        decoder.end()
    except BridgeError as error:
        return error
    raise AssertionError("it was not refused")


def page_response(status: int, content_type: str = "text/event-stream", **headers: str) -> PageResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PageResponse("/api/v0/chat/completion", status, {"content-type": content_type, **named})


JSON = page_response(200, "application/json")


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (page_response(202, "text/html", x_amzn_waf_action="challenge"), HumanNeeded),
        (page_response(405, "text/html", x_amzn_waf_action="captcha"), HumanNeeded),
        (page_response(202, "text/html; charset=utf-8"), HumanNeeded),
        (page_response(200, "text/html"), HumanNeeded),
        (page_response(401, "application/json"), LoginRequired),
        (page_response(403, "application/json; charset=utf-8"), LoginRequired),
        (page_response(403, "text/html"), HumanNeeded),
        (page_response(403, ""), HumanNeeded),
        (page_response(429), RateLimited),
        (page_response(409, "application/json"), SiteBusy),
        (page_response(423), SiteBusy),
        (page_response(500), SiteBusy),
        (page_response(503, "text/html"), SiteBusy),
        (page_response(422, "application/json"), SiteChanged),
        (page_response(404, "application/json"), SiteChanged),
    ],
)
def test_a_status_that_refuses_is_told_by_its_kind(response: PageResponse, error: type[BridgeError]) -> None:
    assert type(refuse(response)) is error


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17.0),
        ("9" * 400, 86_400.0),
        ("Sat, 10 Oct 2026 12:01:00 GMT", 60.0),
        ("Sat, 10 Oct 2026 11:00:00 GMT", 0.0),
        ("Sat, 10 Oct 99999999999999999999 12:01:00 GMT", None),
        ("soon", None),
    ],
)
def test_a_rate_limit_says_when_to_come_again(header: str, seconds: float | None) -> None:
    assert refuse(page_response(429, retry_after=header)).retry_after == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sat, 10 Oct 2026 09:59:30 GMT", 30.0),
        ("Sat, 10 Oct 2026 15:00:00 GMT", 0.0),
        ("Mon, 10 Oct 2011 15:00:00 GMT", 86_400.0),
        ("Sat, 10 Oct 99999999999999999999 15:00:00 GMT", 0.0),
        ("now", 0.0),
    ],
)
def test_the_date_of_a_rate_limit_is_read_by_the_clock_that_the_response_shows(date: str, seconds: float) -> None:
    headers = {"retry_after": "Sat, 10 Oct 2026 10:00:00 GMT", "date": date}
    assert refuse(page_response(429, **headers)).retry_after == seconds


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b'{"code":40001,"msg":"x","data":null}', LoginRequired, "40001"),
        (b'{"code":40002,"msg":"Missing Token","data":null}', LoginRequired, "Missing Token"),
        (b'{"code":40003,"msg":"Authorization Failed (invalid token)","data":null}', LoginRequired, "invalid token"),
        (b'{"code":40005,"msg":"CLIENT_VERSION_TOO_LOW"}', StalePage, "CLIENT_VERSION_TOO_LOW"),
        (b'{"code":40300,"msg":"MISSING_HEADER","data":null}', StalePage, "MISSING_HEADER"),
        (b'{"code":40301,"msg":"INVALID_POW_RESPONSE","data":null}', StalePage, "INVALID_POW_RESPONSE"),
        (b'{"code":50000,"msg":"Broken\\n\\tpipe"}', SiteBusy, "code 50000: Broken pipe"),
        (
            b'{"code":0,"data":{"biz_code":1,"biz_msg":"invalid chat session id"}}',
            UnknownConversation,
            "invalid chat session",
        ),
        (b'{"code":0,"data":{"biz_code":7,"biz_msg":"rate limit reached"}}', RateLimited, "rate limit reached"),
        (b'{"code":0,"data":{"biz_code":10,"biz_msg":"USER_IS_BANNED"}}', Muted, "USER_IS_BANNED"),
        (b'{"code":0,"data":{"biz_code":22,"biz_msg":"invalid message status"}}', SiteError, "biz_code 22"),
        (b'{"code":0,"data":{"biz_code":26,"biz_msg":"invalid message id"}}', UnknownConversation, "biz_code 26"),
        (b'{"code":0,"data":{"biz_code":99,"biz_msg":"new one","biz_data":null}}', SiteBusy, "biz_code 99: new one"),
        (b'{"code":0,"msg":"","data":{"biz_code":0,"biz_msg":"","biz_data":{}}}', SiteChanged, "JSON"),
        (b'{"code":0,"data":null}', SiteChanged, "JSON"),
        (b'{"co', SiteChanged, "cannot be read"),
        (b"", SiteChanged, "cannot be read"),
        (b"[]", SiteChanged, "unknown shape"),
        (b"[" * 100_000, SiteChanged, "cannot be read"),
        (b'{"code":40003,"msg":"' + b"x" * 2_000_000 + b'"}', SiteChanged, "cannot be read"),
    ],
)
def test_a_json_body_in_place_of_a_stream_says_what_the_site_refused(
    body: bytes, error: type[BridgeError], says: str
) -> None:
    refused = refuse(JSON, body)
    assert type(refused) is error
    assert says in refused.message


@pytest.mark.parametrize("biz_code", [5, 14, 99])
def test_a_mute_says_until_when_whatever_its_code(biz_code: int) -> None:
    data = (
        f'{{"biz_code":{biz_code},"biz_msg":"user is muted","biz_data":{{"is_muted":1,"mute_until":1791633661.894}}}}'
    )
    refused = refuse(JSON, f'{{"code":0,"msg":"","data":{data}}}'.encode())
    assert isinstance(refused, Muted)
    assert refused.until == datetime(2026, 10, 10, 12, 1, 1, 894000, UTC)
    assert refused.retry_after == pytest.approx(61.894)
    assert "until 2026-10-10 12:01 UTC" in refused.message


@pytest.mark.parametrize("until", ["null", '"soon"', "1e300", "NaN", "-1e18"])
def test_a_mute_without_a_sensible_end_has_none(until: str) -> None:
    body = f'{{"code":0,"data":{{"biz_code":5,"biz_data":{{"is_muted":true,"mute_until":{until}}}}}}}'.encode()
    refused = refuse(JSON, body)
    assert isinstance(refused, Muted)
    assert refused.until is None


def test_a_json_body_is_known_whatever_its_content_type_says() -> None:
    body = b' \n{"code":40003,"msg":"Authorization Failed","data":null}'
    for content_type in ("text/event-stream", "", "text/plain"):
        assert type(refuse(page_response(200, content_type), body)) is LoginRequired


def test_the_sites_own_words_are_quoted_on_one_line_and_cut() -> None:
    refused = refuse(JSON, b'{"code":1,"msg":"' + b"long \\n" * 200 + b'"}')
    assert len(refused.message) < 260
    assert "\n" not in refused.message


@pytest.mark.parametrize(
    ("hint", "error"),
    [
        ('{"type":"error","content":"Too long","finish_reason":"input_exceeds_limit"}', ContextTooLong),
        ('{"type":"error","content":"Busy","finish_reason":"server_busy"}', SiteBusy),
        ('{"type":"warning","content":"Down","finish_reason":"generation_err"}', SiteBusy),
        ('{"type":"error","content":"Odd","finish_reason":"planets_misaligned"}', SiteBusy),
        ('{"type":"error","content":"有消息正在生成"}', SiteBusy),
    ],
)
@pytest.mark.parametrize("event", ["hint", "toast"])
def test_a_refusal_in_the_stream_is_an_error_with_the_sites_words(
    event: str, hint: str, error: type[BridgeError]
) -> None:
    refused = refuse(STREAM, encode_sse(hint, event))
    assert type(refused) is error
    assert refused.message.endswith(hint.split('"content":"')[1].split('"')[0])


def test_words_of_the_page_come_into_messages_without_control_characters_and_of_bounded_length() -> None:
    words = "busy\x1b[31m \x07\u202eyltneuq\u2066 now\u2028\x00\x9b2J"
    assert quote(words) == "busy[31m yltneuq now 2J"
    assert len(quote("x\u202e" * 10**6)) == 200
    muted = obstacle({"is": "muted", "text": words, "until": None})
    assert muted.message == f"The site has muted the account: {quote(words)}"
