"""The endpoint's description of itself at `/openapi.json`, made from the models that read its requests, and a page.

The page is written here in full: it loads nothing from elsewhere and runs no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import Any

from aiohttp import web
from pydantic import BaseModel

import bridge
from bridge.api.admin.admin_context import Form, Operation
from bridge.api.file_routes import FileForm
from bridge.api.http_errors import dump
from bridge.api.openai.completions import CompletionBody
from bridge.api.openai.request import Body
from bridge.api.request_model import Lenient
from bridge.api.token_check import TokenBody, TokenCheck

TITLE = "chat-page-bridge"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}}
code{{font-size:.95em}}table{{border-collapse:collapse}}td{{padding:.15rem 1rem .15rem 0;vertical-align:top}}
</style></head><body><h1>{title} {version}</h1><p>The same for programs: <a href="/openapi.json">/openapi.json</a>.
Every path but the open ones asks for a key, as <code>Authorization: Bearer KEY</code>.</p>{paths}</body></html>"""
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
    "ends with an error in a frame of its own."
)
READ = {
    "/v1/models": "List the models",
    "/v1/models/{id}": "Describe one model",
    "/v1/files": "List the stored files",
    "/v1/files/{id}": "Describe one stored file",
    "/v1/files/{id}/content": "Return the bytes of one stored file",
    "/healthz": "Tell whether the process answers",
    "/readyz": "Tell whether a chat could be taken now, and with a key how each account stands",
    "/ping": "Answer pong",
}
WRITTEN: dict[str, tuple[str, type[Lenient]]] = {
    "/v1/chat/completions": ("Answer a chat, whole or as a stream of events", Body),
    "/v1/completions": ("Complete a prompt, whole or as a stream of events", CompletionBody),
}
FOR_TOKENS: dict[str, tuple[str, type[Lenient]]] = {
    TokenCheck.path: ("Tell whether a userToken of the site still signs in", TokenBody)
}
JSON = "application/json"
FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
OPEN = ("/healthz", "/readyz", "/ping")
REFERENCE = "#/components/schemas/{model}"


def document(*, tokens: bool = False, operations: Sequence[Operation] = ()) -> dict[str, Any]:
    """Return the OpenAPI document, with what there is only where clients may bring userTokens, and the `operations`."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, Any] = {path: {"get": _reads(path, summary)} for path, summary in READ.items()}
    for path, (summary, body) in (WRITTEN | (FOR_TOKENS if tokens else {})).items():
        schemas |= _schemas_of(body)
        paths[path] = {"post": _writes(summary, body.__name__)}
    _add_files(paths, schemas)
    for operation in operations:
        _add_operation(operation, paths, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": bridge.__version__},
        "security": [{"key": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


class Description:
    """The document, and the page for people."""

    def __init__(self, *, tokens: bool, operations: Sequence[Operation]) -> None:
        made = document(tokens=tokens, operations=operations)
        self._json = dump(made)
        self._page = _page(made)

    async def json(self, _: web.Request) -> web.Response:
        """Return the document."""
        return web.Response(body=self._json, content_type="application/json")

    async def page(self, _: web.Request) -> web.Response:
        """Return the page."""
        return web.Response(text=self._page, content_type="text/html", headers=CSP)


@cache
def _schemas_of(body: type[BaseModel]) -> Mapping[str, Any]:
    """Return the schema of a model and of those that it refers to, by name; pydantic takes long to make them."""
    schema = body.model_json_schema(ref_template=REFERENCE)
    return {**schema.pop("$defs", {}), body.__name__: schema}


def _add_files(paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Describe what changes the stored files."""
    schemas |= _schemas_of(FileForm)
    form = schemas["FileForm"]
    properties = {"file": FILE, **form["properties"]}
    schemas["FileForm"] = {**form, "properties": properties, "required": ["file", "purpose"]}
    paths["/v1/files"]["post"] = _writes("Keep a file", "FileForm", "multipart/form-data")
    paths["/v1/files/{id}"]["delete"] = _reads("/v1/files/{id}", "Delete one stored file")


def _add_operation(operation: Operation, paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Describe one route of the admin API."""
    content = {operation.answer: {"schema": {"type": "object"} if operation.answer == JSON else {"type": "string"}}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {"200": {"description": "It.", "content": content}, "default": _error()},
        **_parameters(operation.path),
    }
    if operation.body is not None or operation.method == "POST":
        body = operation.body or Form
        schemas |= _schemas_of(body)
        content = {JSON: {"schema": {"$ref": REFERENCE.format(model=body.__name__)}}}
        described["requestBody"] = {"required": operation.body is not None, "content": content}
    paths.setdefault(operation.path, {})[operation.method.lower()] = described


def _reads(path: str, summary: str) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": summary, "responses": {"200": {"description": "It."}, "default": _error()}}
    return found | _parameters(path) | ({"security": []} if path in OPEN else {})


def _parameters(path: str) -> dict[str, Any]:
    """Return the parameters that stand in a path."""
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    found = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {"parameters": found} if found else {}


def _writes(summary: str, body: str, kind: str = "application/json") -> dict[str, Any]:
    content = {kind: {"schema": {"$ref": f"#/components/schemas/{body}"}}}
    answer = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": ANSWER, "content": answer}, "default": _error()},
    }


def _error() -> dict[str, Any]:
    return {
        "description": "What went wrong.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
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
