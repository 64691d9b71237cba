"""Translates a site's refusals into errors by its site file: frames, bodies, statuses and notices of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.browser.page_messages import Reply
from bridge.durations import DAY
from bridge.errors import (
    BridgeError,
    ContextTooLong,
    FileRejected,
    HumanNeeded,
    LoginRequired,
    Muted,
    RateLimited,
    SiteBusy,
    SiteChanged,
    SiteError,
)
from bridge.sites.http_refusals import HTML, block_page, is_challenge, quote, refused_by_status
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.body_codecs import variables_of
from bridge.sites.site_file.conditions import LONGEST_MATCHED, holds
from bridge.sites.site_file.json_paths import JsonPath, Variables
from bridge.sites.site_file.schema import SiteFile
from bridge.sites.site_file.wire_schema import ErrorKind, Refusal

_KINDS: Mapping[ErrorKind, tuple[type[BridgeError], str]] = {
    "login": (LoginRequired, "The account is not signed in"),
    "human": (HumanNeeded, "The site asks for a human"),
    "rate": (RateLimited, "The site says that messages come too often"),
    "quota": (RateLimited, "The account has used up its quota on the site"),
    "muted": (Muted, "The site has muted the account"),
    "busy": (SiteBusy, "The site is busy"),
    "refused": (SiteError, "The site refused the chat"),
    "too_long": (ContextTooLong, "The prompt is longer than the site accepts"),
    "file": (FileRejected, "The site does not accept the file"),
    "changed": (SiteChanged, "The site does not accept the page's own request"),
}
_CONNECT_CODES: Mapping[str, ErrorKind] = {
    "unauthenticated": "login",
    "resource_exhausted": "rate",
    "unavailable": "busy",
    "unimplemented": "changed",
}
"""The meanings of Connect's error codes, unless the site file defines them."""
_QUOTA_WAIT = 3600.0
"""Seconds before a used-up quota is tried again, unless the site file defines them."""
_MILLISECONDS = 100_000_000_000
"""The least time since 1970 that counts as milliseconds: in seconds it would be after the year 5000."""
_LONGEST_REPLY = 1 << 20
"""The longest reply to a call that is read, in bytes."""
_WORDS = [
    JsonPath(path)
    for path in (
        *("error.message", "message", "msg", "errmsg", "error_msg", "detail", "error.detail", "desc", "error"),
        *("error.text", "error.msg", "error.reason", "error_description", "errors[0].message", "detail[0].msg"),
        *("reason", "title"),
    )
]
"""Paths at which sites commonly have an error message."""


class RefusalRules:
    """The refusals of one site file; the first one that matches counts."""

    def __init__(self, site: SiteFile) -> None:
        self._all = site.refusals

    def in_document(self, document: Any, variables: Variables) -> BridgeError | None:
        """Return the error that a body means, or None."""
        for refusal in self._all:
            has_status = not refusal.status or variables.get("$status") in refusal.status
            if refusal.when and has_status and holds(refusal.when, document, variables):
                return refused(refusal, document, variables)
        return None

    def by_status(self, status: int, document: Any = None) -> BridgeError | None:
        """Return the error that an HTTP status alone means, or None; `document` may hold the site's message."""
        for refusal in self._all:
            if status in refusal.status and not refusal.when:
                return refused(refusal, document, {"$status": status})
        return None

    def on_page(self, text: str) -> BridgeError | None:
        """Return the error that a notice of the page means, or None."""
        text = text[:LONGEST_MATCHED]
        for refusal in self._all:
            if refusal.page_text and re.search(refusal.page_text, text):
                return _error(refusal, quote(text), None)
        return None

    def in_reply(self, reply: Reply, now: datetime) -> BridgeError | None:
        """Return the error of one of the page's own calls, if the site refused it."""
        status, body = reply.response.status, reply.body or b""
        document = _document(reply)
        variables = variables_of(reply.response.url) | {"$status": status}
        if found := self.in_document(document, variables) or self.by_status(status, document):
            return found
        if status >= 300 or is_challenge(reply.response):
            return refused_by_status(reply.response, now)
        # the type means little: frameworks label a body without a type as HTML
        return block_page() if reply.response.content_type == HTML and body.lstrip().startswith(b"<") else None


def refused(refusal: Refusal, document: Any, variables: Variables) -> BridgeError:
    """Return the error of a refusal that matches, with the site's own message if there is one."""
    said = JsonPath(refusal.message).first(document, variables) if refusal.message else None
    until = JsonPath(refusal.until).first(document, variables) if refusal.until else None
    return _error(refusal, quote(said) if isinstance(said, str) else "", _time(until))


def refused_without_rule(document: Any) -> BridgeError:
    """Return the error of a JSON body in place of an answer that no refusal of the site file matches."""
    if not isinstance(document, dict):
        return SiteChanged("The site answered with a body that cannot be read in place of an answer.")
    if said := words_of(document):
        return SiteBusy(f"The site refused the chat, and says: {said}")
    return SiteChanged("The site answered with JSON of an unknown shape in place of an answer.")


def refused_by_words(refusal: SiteError, document: Any) -> SiteError:
    """Return the error of an HTTP status that no refusal of the site file matches; `document` is its body.

    A site that explains what is wrong with a request counts as busy, not as changed.
    """
    if type(refusal) is SiteChanged and (said := words_of(document)):
        return SiteBusy(f"{refusal.message.removesuffix('.')}, and says: {said}")
    return refusal


def refused_at_stream_end(document: Any) -> BridgeError | None:
    """Return the error in the last frame of a Connect stream, or None."""
    error = document.get("error") if isinstance(document, dict) else None
    if error is None:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    kind, what = _KINDS[_CONNECT_CODES.get(code if isinstance(code, str) else "", "refused")]
    return kind(f"{what} ({quote(code) or 'no code'}): {words_of(document) or 'it does not say why'}")


def words_of(document: Any) -> str:
    """Return the error message of a document, quoted as one line of limited length; empty without one."""
    return next((quote(said) for path in _WORDS if isinstance(said := path.first(document), str) and said), "")


def said_in(reply: Reply) -> str:
    """Return the error message in the reply to a call."""
    return words_of(_document(reply))


def _document(reply: Reply) -> Any:
    body = reply.body or b""
    return parse_json(body.decode("utf-8", "replace")) if len(body) <= _LONGEST_REPLY else None


def _error(refusal: Refusal, said: str, until: datetime | None) -> BridgeError:
    kind, what = _KINDS[refusal.kind]
    message = f"{what}: {said}" if said else f"{what}."
    retry_after = refusal.retry_after
    if retry_after is None and refusal.kind == "quota":
        retry_after = _QUOTA_WAIT
    if until is not None:
        retry_after = min(max(0.0, (until - datetime.now(UTC)).total_seconds()), float(DAY))
    param = "messages" if refusal.kind in ("too_long", "file") else None
    return kind(message, param=param, retry_after=retry_after, until=until)


def _time(since_1970: Any) -> datetime | None:
    if isinstance(since_1970, bool) or not isinstance(since_1970, int | float):
        return None
    try:
        return datetime.fromtimestamp(since_1970 / (1000 if since_1970 >= _MILLISECONDS else 1), UTC)
    except (ValueError, OverflowError, OSError):
        return None
