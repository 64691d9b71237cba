"""The envelope around every JSON answer of the site, and the refusals that come in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bridge.demo.patches import Json, encode_json


def document(body: Json, status: int = 200) -> web.Response:
    """Answer with a JSON document."""
    return web.Response(
        text=encode_json(body),
        status=status,
        content_type="application/json",
        headers={"x-ds-served-by": "chat", "cache-control": "no-store"},
    )


def success(biz_data: Json = None) -> web.Response:
    """Answer that all went well."""
    return document(success_body(biz_data))


def success_body(biz_data: Json) -> Json:
    """Wrap what a call returns."""
    return _envelope(0, "", {"biz_code": 0, "biz_msg": "", "biz_data": biz_data})


def _envelope(code: int, message: str, data: Json) -> Json:
    return {"code": code, "msg": message, "data": data}


class Refusal(Exception):
    """An answer that is not what the client wanted; `code` is how it is recorded."""

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
        """Return the refusal as it goes over the wire."""
        if self._cut and request.transport is not None:
            request.transport.abort()
        text = self._body if isinstance(self._body, str) else encode_json(self._body)
        headers = {"cache-control": "no-store", "x-ds-served-by": "chat", **self._headers}
        return web.Response(
            text=text, status=self._status, content_type=self._content_type, charset="utf-8", headers=headers
        )


def refusal(code: int, message: str) -> Refusal:
    """Refuse in the outer envelope, as the gateway does."""
    return Refusal(str(code), _envelope(code, message, None))


def biz_refusal(biz_code: int, message: str, biz_data: Json = None) -> Refusal:
    """Refuse in the inner envelope, as the application does."""
    data = {"biz_code": biz_code, "biz_msg": message, "biz_data": biz_data}
    return Refusal(f"biz-{biz_code}", _envelope(0, "", data))


def missing_field(name: str) -> Refusal:
    """Refuse a body that lacks a field."""
    return Refusal("422", {"detail": [{"loc": f"body.{name}"}]}, status=422)


async def read_body(request: web.Request, **wanted: type | tuple[type, ...]) -> dict[str, Any]:
    """Read a JSON object that has these fields of these types, or refuse it."""
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
