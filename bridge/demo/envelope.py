"""The envelope of the site's JSON responses, and the refusals in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bridge.demo.patches import Json, encode_json


def document(body: Json, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(
        text=encode_json(body),
        status=status,
        content_type="application/json",
        headers={"x-ds-served-by": "chat", "cache-control": "no-store"},
    )


def success(biz_data: Json = None) -> web.Response:
    """Return the response of a successful call."""
    return document(success_body(biz_data))


def success_body(biz_data: Json) -> Json:
    """Return the envelope of a successful call."""
    return _envelope(0, "", {"biz_code": 0, "biz_msg": "", "biz_data": biz_data})


def _envelope(code: int, message: str, data: Json) -> Json:
    return {"code": code, "msg": message, "data": data}


class Refusal(Exception):
    """A response that refuses a request; turns record its `code`."""

    def __init__(
        self,
        code: str,
        body: Json,
        status: int = 200,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self._body = body
        self._status = status
        self._content_type = content_type
        self._headers = headers or {}
        self._cut = cut

    def answer(self, request: web.Request) -> web.Response:
        """Return the refusal as an HTTP response."""
        if self._cut and request.transport is not None:
            request.transport.abort()
        text = self._body if isinstance(self._body, str) else encode_json(self._body)
        headers = {"cache-control": "no-store", "x-ds-served-by": "chat", **self._headers}
        return web.Response(
            text=text, status=self._status, content_type=self._content_type, charset="utf-8", headers=headers
        )


def refusal(code: int, message: str) -> Refusal:
    """Return a refusal in the outer envelope, as the gateway sends it."""
    return Refusal(str(code), _envelope(code, message, None))


def biz_refusal(biz_code: int, message: str, biz_data: Json = None) -> Refusal:
    """Return a refusal in the inner envelope, as the application sends it."""
    data = {"biz_code": biz_code, "biz_msg": message, "biz_data": biz_data}
    return Refusal(f"biz-{biz_code}", _envelope(0, "", data))


def missing_field(name: str) -> Refusal:
    """Return the refusal of a body that lacks a field."""
    return Refusal("422", {"detail": [{"loc": f"body.{name}"}]}, status=422)


async def read_body(request: web.Request, **wanted: type | tuple[type, ...]) -> dict[str, Any]:
    """Return the JSON object of a request, or refuse one that lacks these fields of these types."""
    try:
        body = await request.json()
    except ValueError:
        raise missing_field("") from None
    if not isinstance(body, dict):
        raise missing_field("")
    for name, kind in wanted.items():
        if not isinstance(body.get(name, Ellipsis), kind):
            raise missing_field(name)
    return body
