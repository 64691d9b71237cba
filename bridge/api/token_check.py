"""`POST /token/check`: whether a userToken of the site still signs in; nothing is sent for it."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.access.guard import user_tokens
from bridge.api.body_fields import validated
from bridge.api.http_errors import dump
from bridge.api.request_body import BodyReader
from bridge.api.request_model import Lenient
from bridge.chat.types import ChatBackend


class TokenBody(Lenient):
    """The token to look at."""

    token: Annotated[StrictStr, Field(min_length=1)]


class TokenCheck:
    """Asks the site, through its page."""

    path = "/token/check"

    def __init__(self, backend: ChatBackend, bodies: BodyReader) -> None:
        self._backend = backend
        self._bodies = bodies

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; what cannot be a token is not alive."""
        token = await self._bodies.read(request, lambda body: validated(TokenBody, body).token)
        live = user_tokens(token) == (token,) and await self._backend.is_live(token)
        return web.Response(body=dump({"live": live}), content_type="application/json")
