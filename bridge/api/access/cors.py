"""Allows pages of the web origins in the settings to call the endpoint; all other pages are refused.

For such a page the guard gets the request without the headers of a cross-origin request. A key is still required, and
cookies are removed, so no session counts: neither the dashboard nor the admin API is open to other pages.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bridge.api.access.guard import Guard

AGE = "600"
"""Seconds for which a browser may cache the answer to a preflight request."""
METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
EXPOSED = ", ".join(
    (
        *("x-request-id", "x-bridge-ignored", "x-bridge-conversation", "x-bridge-queue-position"),
        *("openai-processing-ms", "retry-after", "x-should-retry", "request-id"),
        *(f"x-ratelimit-{what}-{kind}" for kind in ("requests", "tokens") for what in ("limit", "remaining", "reset")),
        *(
            f"anthropic-ratelimit-{kind}-{what}"
            for kind in ("requests", "tokens")
            for what in ("limit", "remaining", "reset")
        ),
    )
)
HEADER_NAMES = re.compile(r"[\w-]+(?: ?, ?[\w-]+)*", re.ASCII)


class Origins:
    """The middleware for pages of the allowed origins, in front of the guard."""

    def __init__(self, origins: Collection[str], guard: Guard) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._guard = guard

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request to the guard, or answer the preflight request of an allowed origin."""
        if not self._allows(request):
            return await self._guard.check(request, handler)
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            self._guard.check_host(request)
            return web.Response(status=204, headers=_permission(request))
        plain = request.headers.copy()
        for name in (hdrs.ORIGIN, "Sec-Fetch-Site", hdrs.COOKIE):
            plain.popall(name, None)

        async def passed(judged: web.Request) -> web.StreamResponse:
            request.update(judged)  # the guard's notes
            return await handler(request)

        return await self._guard.check(request.clone(headers=plain), passed)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that allow the page to read the response."""
        if self._allowed:
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if self._allows(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request.headers[hdrs.ORIGIN]
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED

    def _allows(self, request: web.Request) -> bool:
        given = request.headers.getall(hdrs.ORIGIN, ())
        is_own = request.path.startswith(("/admin", "/dashboard"))
        return len(given) == 1 and given[0].lower() in self._allowed and not is_own


def _permission(request: web.Request) -> dict[str, str]:
    wanted = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    return {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: wanted if HEADER_NAMES.fullmatch(wanted) else "",
        hdrs.ACCESS_CONTROL_MAX_AGE: AGE,
    }
