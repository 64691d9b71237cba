"""`POST /token/check`: checks whether a userToken of the site still signs in; sends no prompt."""

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
    """The token to check."""

    token: Annotated[StrictStr, Field(min_length=1)]


class TokenCheck:
    """Handler that checks a token through the site's page."""

    path = "/token/check"

    def __init__(self, backend: ChatBackend, bodies: BodyReader) -> None:
        self._backend = backend
        self._bodies = bodies

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; a malformed token is not live."""
        token = await self._bodies.read(request, lambda body: validated(TokenBody, body).token)
        live = user_tokens(token) == (token,) and await self._backend.is_live(token)
        return web.Response(body=dump({"live": live}), content_type="application/json")
