"""A response that has begun and cannot be ended is cut off: an error of its own would stand in its body."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.api.http_errors import error_body, failures, name_request
from bridge.errors import NodeLost
from tests.support.listening import listening

LIMITED = aiohttp.ClientTimeout(total=10)
FIRST = b"the first part"


@pytest.mark.parametrize("size", [400, None], ids=["of known size", "in chunks"])
@pytest.mark.parametrize("error", [NodeLost("The node is gone."), ValueError("unexpected")])
async def test_a_failure_in_the_middle_of_a_response_cuts_it_off(size: int | None, error: Exception) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = size
        await response.prepare(request)
        await response.write(FIRST)
        raise error

    def tell(_: web.Request) -> Any:
        return error_body

    app = web.Application(middlewares=[failures(tell, "nothing")])
    app.on_response_prepare.append(name_request)
    app.router.add_get("/", handler)
    async with listening(app) as url, aiohttp.ClientSession(timeout=LIMITED) as http, http.get(url) as response:
        assert await response.content.readexactly(len(FIRST)) == FIRST
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
