"""The failure for bytes that aiohttp's parser rejects; never quotes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMethod, ContentEncodingError, HttpProcessingError, LineTooLong

from bridge.api.http_errors import Failure, failure_of, missed, refusal

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) (/[\x21-\x7e]*) HTTP/1\.[01]\r?\n")
REASON = re.compile(r"[A-Za-z][A-Za-z' /-]{1,60}")
"""The form of the parser's own reasons, as opposed to text of the client."""


class Malformed:
    """Returns the failures; an unknown method is treated like any other wrong method."""

    def __init__(self, routes: Iterable[web.AbstractRoute], served: str) -> None:
        self._routes = [route for route in routes if route.resource is not None]
        self._served = served

    def failure(self, error: BaseException | None, head: bytes) -> Failure:
        """Return the failure for `error`; `head` is the beginning of the bytes."""
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
                return refusal(400, "malformed_request", f"This is not an HTTP/1.1 request{why}.")
            case Exception():
                return failure_of(error, "no request")
            case _:
                return refusal(400, "malformed_request", "This is not an HTTP/1.1 request.")

    def _missed(self, method: str, path: str) -> Failure:
        path = path.partition("?")[0]
        allowed = {route.method for route in self._routes if _is_at(route, path)}
        error = web.HTTPMethodNotAllowed(method, allowed) if allowed else web.HTTPNotFound()
        failure = missed(method, path, error, self._served)
        assert failure is not None  # noqa: S101 - never None for these two errors
        return failure


def _is_at(route: web.AbstractRoute, path: str) -> bool:
    assert route.resource is not None  # noqa: S101 - the constructor drops others
    info = route.resource.get_info()
    return info.get("path") == path or ("pattern" in info and info["pattern"].fullmatch(path) is not None)
