"""Translates the site's refusals into errors: HTTP status, JSON body in place of a stream, hint in the stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.browser.page_messages import Reply
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
from bridge.sites.http_refusals import quote, refused_by_status

_BY_BUSINESS: Mapping[int, tuple[type[SiteError], str]] = {
    2: (SiteError, "The site refused the chat"),
    7: (RateLimited, "The site says that messages come too often"),
    9: (SiteBusy, "The account is already generating another answer"),
    10: (Muted, "The site has banned the account"),
    11: (HumanNeeded, "The site considers this browser a risk"),
    22: (SiteError, "The site refused the chat"),
}
"""The errors for the codes of the inner envelope (`biz_code`)."""
_UNKNOWN = (SiteBusy, "The site refused the chat")
"""The error for an unknown code: the account rests for a while, and another one may succeed."""


def refused_by_body(body: bytes, now: datetime) -> BridgeError:
    """Return the error that a JSON body in place of a stream means."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return SiteChanged("The site answered with a JSON body that cannot be read.")
    if not isinstance(envelope, dict):
        return SiteChanged("The site answered with JSON of an unknown shape.")
    code, said = envelope.get("code"), quote(envelope.get("msg"))
    match code:
        case 0:
            return _refused_by_business(envelope.get("data"), now)
        case 40001 | 40002 | 40003:
            return LoginRequired(f"The account is not signed in (code {code}: {said}).")
        case 40005:
            return StalePage(f"The site says that its own page is too old (code 40005: {said}).")
        case 40300 | 40301:
            return StalePage(f"The site did not accept the page's proof of work (code {code}: {said}).")
        case _:
            return SiteBusy(f"The site refused the chat (code {quote(code)}: {said}).")


def refused_call(reply: Reply, now: datetime) -> BridgeError | None:
    """Return the error of one of the page's own calls, if the site refused it; a body that is not JSON is ignored."""
    if refused := refused_by_status(reply.response, now):
        return refused
    try:
        envelope = json.loads(reply.body or b"null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(envelope, dict) or "code" not in envelope:
        return None
    data = envelope.get("data")
    is_refused = envelope["code"] != 0 or (isinstance(data, dict) and data.get("biz_code", 0) != 0)
    return refused_by_body(reply.body or b"", now) if is_refused else None


def refused_by_hint(hint: Mapping[str, Any], *, has_begun: bool = False) -> BridgeError | None:
    """Return the error that an in-stream `hint` or `toast` means; None for a mere remark.

    An unknown reason before any text of the answer means that the account is busy, perhaps because the site is
    generating another answer for it.
    """
    unknown = SiteError if has_begun else SiteBusy
    said = quote(hint.get("content")) or "no reason given"
    match hint.get("finish_reason"):
        case "rate_limit_reached":
            return RateLimited(f"The site says: {said}")
        case "context_length_exceeded" | "input_exceeds_limit":
            return ContextTooLong(f"The site says: {said}", param="messages")
        case "server_busy" | "generation_err":
            return SiteBusy(f"The site says: {said}")
        case None | "":
            return unknown(f"The site says: {said}") if hint.get("type") == "error" else None
        case reason:
            return unknown(f"The site ended the answer ({quote(reason)}): {said}")


def _refused_by_business(data: Any, now: datetime) -> BridgeError:
    data = data if isinstance(data, dict) else {}
    code, said, details = data.get("biz_code"), quote(data.get("biz_msg")), data.get("biz_data")
    if isinstance(details, dict) and details.get("is_muted"):
        return _muted(details.get("mute_until"), now)
    if code in (1, 26):
        message = f"The site no longer knows the conversation (biz_code {code}: {said})."
        return UnknownConversation(message, param="conversation_id")
    if code in (0, None):
        return SiteChanged("The site answered with JSON where a stream was expected.")
    kind, what = _BY_BUSINESS.get(code if isinstance(code, int) else -1, _UNKNOWN)
    return kind(f"{what} (biz_code {quote(code)}: {said}).")


def _muted(mute_until: Any, now: datetime) -> Muted:
    try:
        until = datetime.fromtimestamp(float(mute_until), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return Muted("The site has muted the account and does not say until when.")
    left = max(0.0, (until - now).total_seconds())
    return Muted(f"The site has muted the account until {until:%Y-%m-%d %H:%M} UTC.", until=until, retry_after=left)


def called_of(calls: Sequence[str]) -> str:
    """Return as text what the page called in place of the expected request."""
    return f"it called {', '.join(calls)}" if calls else "it called nothing"


def page_never_sends(calls: Sequence[str], button: str | None, over: Mapping[str, str] | None) -> SiteChanged:
    """Return the error for a page on which neither Enter nor the send button (found by `button`) sends.

    `over` describes what covers the composer, if anything does.
    """
    says = f" Something covers its composer: {quote(over['what'])}." if over else ""
    click = f"the send button (found by {button})" if button else "a send button, which was not found,"
    return SiteChanged(f"Neither Enter nor {click} sends what is in the page's composer; {called_of(calls)}.{says}")
