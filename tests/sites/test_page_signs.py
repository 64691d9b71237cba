"""What an answer to one of the page's own calls shows of the account, and which one shows nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bridge.browser.page_messages import PageResponse, Reply
from bridge.errors import NetworkError, RateLimited, SiteBusy
from bridge.sites.site_file.conditions import Condition
from bridge.sites.site_file.page_schema import Sign
from bridge.sites.site_file.page_signs import PageSigns

OUT = Sign(call="/api/user", when={"name": Condition(exists=False)})
REFUSED = Sign(call="/api/user", when={"$status": 503})


def signs_after(status: int, body: bytes | None, failure: str = "") -> PageSigns:
    signs = PageSigns(cast("Any", None), ("/api/user",))
    response = PageResponse("https://chat.invented.test/api/user", status, {})
    signs.take(Reply(response))
    signs.take(Reply(response, body, failure))
    return signs


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"{}"), (200, b"null"), (200, b""), (204, b""), (401, b"Unauthorized"), (401, None), (403, b'{"error": 1}')],
)
async def test_an_answer_without_a_user_signs_the_account_out(status: int, body: bytes | None) -> None:
    signs = signs_after(status, body)
    assert await signs.seen([OUT]) is OUT
    assert signs.failure is None


@pytest.mark.parametrize("status", [200, 403, 429, 500, 502, 503])
async def test_a_web_page_in_its_place_shows_nothing_of_the_account(status: int) -> None:
    assert await signs_after(status, b"<html>Back soon</html>").seen([OUT]) is None


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (500, SiteBusy), (503, SiteBusy)])
async def test_an_answer_of_a_site_that_failed_shows_nothing_but_its_status(status: int, error: type) -> None:
    signs = signs_after(status, b'{"error": "internal"}')
    assert await signs.seen([OUT]) is None
    assert (await signs.seen([REFUSED]) is REFUSED) == (status == 503)
    assert type(signs.failure) is error


async def test_a_network_that_is_down_shows_nothing_of_the_account() -> None:
    signs = signs_after(0, None, "net::ERR_CONNECTION_RESET")
    assert await signs.seen([OUT]) is None
    assert type(signs.failure) is NetworkError
    assert signs_after(200, b"{}", "net::ERR_ABORTED").failure is None, "the page gave it up"
