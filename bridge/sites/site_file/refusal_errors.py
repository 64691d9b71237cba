"""What the refusals of a site file mean: the error of each kind, with the site's own words; no I/O."""

from __future__ import annotations

from collections.abc import Callable

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
from bridge.sites.http_refusals import quote
from bridge.sites.site_file.wire_schema import ErrorKind, Refusal

_ERRORS: dict[ErrorKind, tuple[Callable[..., BridgeError], str]] = {
    "login": (LoginRequired, "The account is not signed in"),
    "human": (HumanNeeded, "The site asks for a human"),
    "rate": (RateLimited, "The site says that messages come too often"),
    "quota": (RateLimited, "The account has used up what the site gives it"),
    "muted": (Muted, "The site has muted the account"),
    "busy": (SiteBusy, "The site is busy"),
    "refused": (SiteError, "The site refused the chat"),
    "too_long": (ContextTooLong, "The prompt is longer than the site takes"),
    "file": (FileRejected, "The site does not take the file"),
    "changed": (SiteChanged, "The site does not accept the page's own request"),
}
_PARAMS: dict[ErrorKind, str] = {"too_long": "messages", "file": "messages"}


def refusal_error(refusal: Refusal, said: object = None) -> BridgeError:
    """Return the error that a refusal is, with what the site said, if it said anything."""
    kind, what = _ERRORS[refusal.kind]
    words = quote(said)
    more = {"param": param} if (param := _PARAMS.get(refusal.kind)) else {}
    if refusal.retry_after is not None:
        more["retry_after"] = refusal.retry_after  # type: ignore[assignment]
    return kind(f"{what}: {words}" if words else f"{what}.", **more)
