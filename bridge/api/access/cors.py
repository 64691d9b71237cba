"""Lets pages of the web origins that the settings name call the endpoint; every other page stays refused.

For such a page the guard is shown the request without what gives it away as another site's; a key is still asked for,
and no session counts: neither the dashboard nor the admin API is for other pages.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bridge.api.access.guard import Guard

AGE = "600"
"""Seconds that a browser may remember what it was told."""
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
    """The origins whose pages may call; for all others, and for what those send, there is the guard."""

    def __init__(self, origins: Collection[str], guard: Guard) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._guard = guard

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through the guard, or answer what a browser asks before a page of these origins calls."""
        if not self._allows(request):
            return await self._guard.check(request, handler)
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            self._guard.check_host(request)
            return web.Response(status=204, headers=_permission(request))
        plain = request.headers.copy()
        for name in (hdrs.ORIGIN, "Sec-Fetch-Site", hdrs.COOKIE):
            plain.popall(name, None)

        async def passed(judged: web.Request) -> web.StreamResponse:
            request.update(judged)  # what the guard has noted on it
            return await handler(request)

        return await self._guard.check(request.clone(headers=plain), passed)

    async def tell(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell the browser that the page may read the response."""
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
