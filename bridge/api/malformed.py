"""The failure for bytes that aiohttp's parser cannot read as a request; none of them are quoted."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMethod, ContentEncodingError, HttpProcessingError, LineTooLong

from bridge.api.http_errors import Failure, failure_of, missed, refusal

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) (/[\x21-\x7e]*) HTTP/1\.[01]\r?\n")
REASON = re.compile(r"[A-Za-z][A-Za-z' /-]{1,60}")
"""A reason that the parser gives, where it is one of its own words and no text of the client."""


class Malformed:
    """Tells of such bytes; a method that the parser does not know gets what any other wrong method gets."""

    def __init__(self, routes: Iterable[web.AbstractRoute], served: str) -> None:
        self._routes = [route for route in routes if route.resource is not None]
        self._served = served

    def failure(self, error: BaseException | None, head: bytes) -> Failure:
        """Return what the client is told of `error`; `head` is how its bytes began."""
        match error:
            case BadHttpMethod() if (line := REQUEST_LINE.match(head)) and line[1].decode() not in hdrs.METH_ALL:
                return self._missed(line[1].decode(), line[2].decode())
            case LineTooLong():
                return refusal(431, "headers_too_large", "The address or a header is longer than 8 kB.")
            case ContentEncodingError():
                return refusal(415, "http_error", "Send the body without Content-Encoding, or with gzip or deflate.")
            case HttpProcessingError():
                reason = error.message.partition("\n")[0].rstrip(":. ")
                why = f": {reason}" if REASON.fullmatch(reason) else ""
                return refusal(400, "malformed_request", f"This is no HTTP/1.1 request{why}.")
            case Exception():
                return failure_of(error, "no request")
            case _:
                return refusal(400, "malformed_request", "This is no HTTP/1.1 request.")

    def _missed(self, method: str, path: str) -> Failure:
        path = path.partition("?")[0]
        allowed = {route.method for route in self._routes if _is_at(route, path)}
        error = web.HTTPMethodNotAllowed(method, allowed) if allowed else web.HTTPNotFound()
        failure = missed(method, path, error, self._served)
        assert failure is not None  # noqa: S101 - it is for these two errors
        return failure


def _is_at(route: web.AbstractRoute, path: str) -> bool:
    assert route.resource is not None  # noqa: S101 - others were left out
    info = route.resource.get_info()
    return info.get("path") == path or ("pattern" in info and info["pattern"].fullmatch(path) is not None)
