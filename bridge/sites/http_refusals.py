"""Reads errors from the status line and headers of any site's response, and quotes a site's text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bridge.browser.page_messages import PageResponse
from bridge.durations import DAY
from bridge.errors import HumanNeeded, LoginRequired, RateLimited, SiteBusy, SiteChanged, SiteError
from bridge.printable import as_text

HTML = "text/html"
AT_WORK = (409, 423, 425)
"""Conflict, Locked, Too Early: another answer is being written, for example."""
_LONGEST_QUOTE = 200
_LONGEST_READ = 4_000
_LONGEST_DATE = 64
_LONGEST_WAIT = DAY


def is_challenge(response: PageResponse) -> bool:
    """Tell whether the headers say that the response is a browser check in place of an answer."""
    return "x-amzn-waf-action" in response.headers


def overload(status: int, retry_after: float | None = None) -> SiteError | None:
    """Return the error for HTTP 429 or a server error; None for any other status."""
    if status == 429:
        return RateLimited("The site says that requests come too often (HTTP 429).", retry_after=retry_after)
    return SiteBusy(f"The site's server failed (HTTP {status}).") if status >= 500 else None


def refused_by_status(response: PageResponse, now: datetime) -> SiteError | None:
    """Return the error that the status line and headers show, or None."""
    status = response.status
    html = response.content_type == HTML
    if is_challenge(response):
        return HumanNeeded("The site asks for a browser check before it answers.")
    if status in (401, 403):
        json_body = response.content_type == "application/json"
        return LoginRequired(f"The account is not signed in (HTTP {status}).") if json_body else block_page()
    if error := overload(status, _seconds(response.headers, now)):
        return error
    if status in AT_WORK:
        return SiteBusy(f"The site is busy with something else (HTTP {status}).")
    if html or status == 202:
        return block_page()
    return None if status < 300 else SiteChanged(f"The site refused the page's own request (HTTP {status}).")


def quote(value: object) -> str:
    """Return the site's text on one line without control characters, cut to fit into a message."""
    if value is None:
        return ""
    line = as_text(" ".join(str(value)[:_LONGEST_READ].split())).replace("\t", " ")
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def block_page() -> HumanNeeded:
    """Return the error for a web page in place of an answer."""
    return HumanNeeded("The site answered with a web page in place of a stream: a person should look at it.")


def _seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds of Retry-After; a date is compared with the response's own Date header, else with `now`."""
    retry_after = headers.get("retry-after", "")
    if retry_after.strip().isdecimal():
        return min(float(retry_after), _LONGEST_WAIT)
    if (until := _date(retry_after)) is None:
        return None
    seconds = (until - (_date(headers.get("date", "")) or now)).total_seconds()
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _date(header: str) -> datetime | None:
    """Parse an HTTP date; None if it is not one."""
    try:
        date = parsedate_to_datetime(header[:_LONGEST_DATE])
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=date.tzinfo or UTC)
