"""A small stand-in for the bridge's admin API, for pictures of the dashboard in states that are hard to reach.

The tests of the dashboard's promises run against the real bridge.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bridge.dashboard import STATIC
from tests.support import dashboard_states as states
from tests.support.listening import listening

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
    " font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 300"><rect width="480" height="300" fill="#fff"/>
<rect width="110" height="300" fill="#f3f5fa"/><rect x="14" y="20" width="70" height="10" rx="5" fill="#4d6bfe"/>
<rect x="230" y="40" width="220" height="34" rx="12" fill="#e4eaff"/><g fill="#d5d9e2"><rect x="140" y="100" width="290"
 height="9" rx="4"/><rect x="140" y="120" width="260" height="9" rx="4"/><rect x="140" y="140" width="300" height="9"
 rx="4"/><rect x="140" y="160" width="180" height="9" rx="4"/></g><rect x="140" y="235" width="310" height="46" rx="14"
 fill="#fff" stroke="#d5d9e2"/></svg>"""
MODELS = {"data": [{"id": "deepseek-chat"}, {"id": "deepseek-reasoner"}]}
TEXTS = {
    "messages": [{"role": "user", "text": "Why is the sky blue?"}],
    "thinking": "",
    "answer": "Because of Rayleigh scattering: air turns short waves aside more than long ones.",
}


@dataclass
class Stand:
    """The state that the stand-in reports, and the pages that listen."""

    state: dict[str, Any]
    url: str = ""
    older: list[dict[str, Any]] = field(default_factory=list)
    log: asyncio.Future[list[dict[str, Any]]] | None = None
    """The lines that the log's own route returns, if they differ from those in the state."""
    listeners: list[asyncio.Queue[tuple[str, Any]]] = field(default_factory=list)

    def begin(self, state: dict[str, Any]) -> None:
        """Replace the state; no page may be connected."""
        self.tell("", None)
        self.state, self.older, self.log, self.listeners = state, [], None, []

    def tell(self, name: str, data: Any) -> None:
        """Send an event to all pages; add ended chats to the state for pages that connect later, as a bridge does."""
        if name == "chat":
            self.state["recent"] = [data, *self.state["recent"]]
        for listener in self.listeners:
            listener.put_nowait((name, data))


@asynccontextmanager
async def stand_in(state: dict[str, Any]) -> AsyncIterator[Stand]:
    """Serve the dashboard with `state` on a free port."""
    stand = Stand(state)
    async with listening(_app(stand)) as stand.url:
        try:
            yield stand
        finally:
            stand.tell("", None)


def _app(stand: Stand) -> web.Application:
    api = "/admin/api"
    answers: dict[str, Callable[[], Any]] = {
        "session": lambda: {"csrf": "c", "expires": states.at(hours=-12)},
        "sites": lambda: {"sites": states.SITES},
        "metrics": lambda: states.metrics() if stand.state["recent"] else {"step": 60, "times": [], "series": {}},
        "settings": lambda: {"settings": states.SETTINGS},
        "usage": lambda: {
            "usage": states.USAGE if stand.state["recent"] else [],
            "missing": stand.state.get("cluster", {}).get("missing", []),
        },
    }
    app = web.Application()
    app.on_response_prepare.append(_protect)
    app.add_routes([web.get(f"{api}/{name}", _answering(answer)) for name, answer in answers.items()])
    app.add_routes(
        [
            web.get("/dashboard", _page),
            web.static("/dashboard/static", STATIC),
            web.get(f"{api}/events", stand_events(stand)),
            web.get(f"{api}/accounts/{{name}}/thumbnail", _thumbnail),
            web.get(f"{api}/log", _log(stand)),
            web.get(f"{api}/chats", _older(stand)),
            web.get(f"{api}/chats/{{id}}", _texts),
            web.get("/v1/models", _answering(lambda: MODELS)),
            web.post("/v1/chat/completions", _completion),
            web.route("*", f"{api}/{{rest:.*}}", _answering(lambda: {"message": "Done."})),
        ]
    )
    return app


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["content-security-policy"] = CSP
    if request.path.startswith("/dashboard/static/"):
        response.headers["cache-control"] = "max-age=600"  # loading a page's files takes most of the time to show it


def _answering(answer: Callable[[], Any]) -> Any:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response(answer())

    return handle


def _older(stand: Stand) -> Any:
    async def handle(request: web.Request) -> web.Response:
        chats = stand.state["recent"] + stand.older
        ids = [chat["id"] for chat in chats]
        begin = ids.index(request.query["before"]) + 1
        return web.json_response({"chats": chats[begin : begin + int(request.query["limit"])]})

    return handle


def _log(stand: Stand) -> Any:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response({"log": await stand.log if stand.log else stand.state["log"]})

    return handle


async def _texts(request: web.Request) -> web.Response:
    """Return the texts of a chat; those of failed chats are hostile."""
    is_first = request.match_info["id"] == states.ended(0)["id"]
    return web.json_response(TEXTS if is_first else {**TEXTS, "answer": states.MARKUP})


async def _page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


async def _thumbnail(_: web.Request) -> web.Response:
    return web.Response(text=SVG, content_type="image/svg+xml")


def stand_events(stand: Stand) -> Any:
    """Return the handler of the event stream."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        queue.put_nowait(("state", stand.state))
        stand.listeners.append(queue)
        while (event := await queue.get())[0]:
            name, data = event
            await response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
        return response

    return handle


async def _completion(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    source = {"number": 1, "title": "Rayleigh scattering", "url": "https://example.org/sky", "snippet": "Short waves."}
    text = "Sunlight meets molecules that are smaller than its waves.\n\n```python\nprint(1 / 450**4)\n```\nSo: blue."
    for delta in ({"reasoning_content": "They ask about Rayleigh scattering."}, {"content": text}):
        await _send(response, {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "search_results": [source]}
    await _send(response, end)
    await _send(response, {"choices": [], "usage": {"completion_tokens": 58}})
    await response.write(b"data: [DONE]\n\n")
    return response


async def _send(response: web.StreamResponse, frame: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(frame)}\n\n".encode())
