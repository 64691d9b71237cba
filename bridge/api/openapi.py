"""The OpenAPI document at `/openapi.json`, generated from the models that read the requests, and a page with it.

The page is self-contained: it loads nothing and runs no script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from html import escape
from typing import Any

from aiohttp import web
from pydantic import BaseModel

import bridge
from bridge.api.admin.admin_context import Form
from bridge.api.http_errors import dump
from bridge.api.route_table import FORM, JSON, Admission, Operation

TITLE = "chat-page-bridge"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}}
code{{font-size:.95em}}table{{border-collapse:collapse}}td{{padding:.15rem 1rem .15rem 0;vertical-align:top}}
</style></head><body><h1>{title} {version}</h1><p>As OpenAPI document: <a href="/openapi.json">/openapi.json</a>.
All paths except the open ones need a key, as <code>Authorization: Bearer KEY</code>.</p>{paths}</body></html>"""
CSP = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "x-content-type-options": "nosniff"}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
ANSWER = (
    "The answer. A stream that fails after its first event, or later than server.headers_after, "
    "ends with a separate error frame."
)
FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
REFERENCE = "#/components/schemas/{model}"


def document(table: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of the operations that have a summary."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, Any] = {}
    for operation in table:
        if operation.summary:
            _add_operation(operation, paths, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": bridge.__version__},
        "security": [{"key": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


class Description:
    """Handlers of the document and the page; each is generated at its first request."""

    def __init__(self, table: Sequence[Operation]) -> None:
        self._table = table

    async def json(self, _: web.Request) -> web.Response:
        """Return the document."""
        return web.Response(body=await asyncio.to_thread(lambda: self._json), content_type="application/json")

    async def page(self, _: web.Request) -> web.Response:
        """Return the page."""
        return web.Response(text=await asyncio.to_thread(lambda: self._page), content_type="text/html", headers=CSP)

    @cached_property
    def _json(self) -> bytes:
        return dump(document(self._table))

    @cached_property
    def _page(self) -> str:
        return _page(document(self._table))


@cache
def _schemas_of(body: type[BaseModel]) -> Mapping[str, Any]:
    """Return the schemas of a model and its references, by name; cached because pydantic is slow at this."""
    schema = body.model_json_schema(ref_template=REFERENCE)
    return {**schema.pop("$defs", {}), body.__name__: schema}


def _add_operation(operation: Operation, paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Add one operation, and the models of its body."""
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {"200": _answer(operation), "default": _error(operation, schemas)},
        **_parameters(operation.path),
    }
    if operation.admission is Admission.NOTHING:
        described["security"] = []
    if operation.body is not None or operation.method == "POST":
        body = operation.body or Form
        schemas |= _schemas_of(body)
        if operation.body_type == FORM:
            schemas[body.__name__] = _with_file(schemas[body.__name__])
        content = {operation.body_type: {"schema": {"$ref": REFERENCE.format(model=body.__name__)}}}
        described["requestBody"] = {"required": operation.body is not None, "content": content}
    paths.setdefault(operation.path, {})[operation.method.lower()] = described


def _with_file(form: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a form with a file besides its fields."""
    return {**form, "properties": {"file": FILE, **form["properties"]}, "required": ["file", *form.get("required", ())]}


def _answer(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {
        operation.answer: {"schema": {"type": "object"} if operation.answer == JSON else {"type": "string"}}
    }
    if not operation.stream:
        return {"description": "The result.", "content": content}
    return {"description": ANSWER, "content": {**content, operation.stream: {"schema": {"type": "string"}}}}


def _parameters(path: str) -> dict[str, Any]:
    """Return the parameters of a path."""
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    found = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {"parameters": found} if found else {}


def _error(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    name = operation.error.get("title", "Error")
    schemas.setdefault(name, dict(operation.error))
    return {
        "description": "The error.",
        "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model=name)}}},
    }


def _page(made: dict[str, Any]) -> str:
    parts = []
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}.</p>")
            if "requestBody" in operation:
                (content,) = operation["requestBody"]["content"].values()
                name = content["schema"]["$ref"].rpartition("/")[2]
                parts.append(_fields(made["components"]["schemas"][name]))
    return PAGE.format(title=TITLE, version=made["info"]["version"], paths="".join(parts))


def _fields(schema: dict[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(field))}{' (required)' if name in needed else ''}"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<table>{''.join(rows)}</table>"


def _kind(field: dict[str, Any]) -> str:
    """Return the type of a field in a few words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(one) for one in field["anyOf"] if one.get("type") != "null"))
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    kind = str(field.get("type", "anything"))
    return f"list of {_kind(field['items'])}" if kind == "array" and field.get("items") else kind
