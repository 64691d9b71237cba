"""The model that stands behind each page: an OpenAI-style endpoint on this machine whose answers are known."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.support.listening import listening

PACE = 0.02
"""Seconds between two pieces, but of answers that come fast."""
ENDLESS = 3_000
"""Pieces of an answer that a test stops."""

MARKDOWN = """# Heading & <b>bold</b>

A paragraph with **bold**, *italics*, `code`, a [link](https://example.test/?a=1&b=2) and &amp; as it stands.

| head | tail |
|------|------|
| `a|b` | <i>x</i> |

```python
def canary(text: str) -> str:
    return f"<{text}>" if text else '&lt;'
```

1. first
   - nested
2. second"""
UNICODE = "größe 你好，世界 नमस्ते שלום 🚀👩‍👩‍👧‍👦 e\u0301 Ω \u2028 ½ “quoted” \\n \\u00e4 \x7f end"
MULTILINE = "\nfirst line\nsecond line\n\n\n  indented\n\ttabbed\nlast line  "

ANSWERS: dict[str, list[str]] = {
    "markdown": [MARKDOWN[at : at + 7] for at in range(0, len(MARKDOWN), 7)],
    "unicode": list(UNICODE),
    "multiline": MULTILINE.splitlines(keepends=True),
    "pieces": [f" w{number}" for number in range(1, 401)],
    "fast": [f" f{number}" for number in range(1, 1001)],
    "instant": ["instant"],
    "endless": [f" w{number}" for number in range(1, ENDLESS + 1)],
    "indented": ["first line\n", "  indented\n", "  the same\n", "last line"],
    "broken": [f" b{number}" for number in range(1, 9)],
}
"""Answers by the prompt that asks for them, in the pieces in which they are sent."""
REPEAT = re.compile(r"Repeat exactly.{0,200}?(?::|\.\n)\s+(.+)", re.DOTALL)
PIECE = re.compile(r"\s*\S+|\s+")

How = Literal["finished", "left", "broken", "refused"]


@dataclass
class Answered:
    """One request to the model, and what came of it; `history` are the prompts before."""

    prompt: str
    history: list[str]
    sent: int = 0
    """Pieces that were sent."""
    how: How | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, how: How) -> None:
        """Note how it ended."""
        self.how = how
        self.ended.set()


class ModelBehind:
    """Answers by the last prompt: one of `ANSWERS`, `error STATUS`, what it is to repeat, or the prompt itself."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Answered] = []

    def last(self, prompt: str) -> Answered:
        """Return the last request for a prompt."""
        return next(one for one in reversed(self.requests) if one.prompt == prompt)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, also one of a page of another origin."""
        body = await request.json()
        prompts = [text_of(one["content"]) for one in body["messages"] if one["role"] == "user"]
        answered = Answered(prompts[-1], prompts[:-1])
        self.requests.append(answered)
        if answered.prompt.startswith("error "):
            return self._refuse(answered, int(answered.prompt.split()[1]))
        try:
            return await self._stream(request, answered)
        except (asyncio.CancelledError, ConnectionError):
            answered.end("left")
            raise

    async def models(self, _: web.Request) -> web.Response:
        """List the one model that there is."""
        return web.json_response({"object": "list", "data": [{"id": "known", "object": "model", "owned_by": "tests"}]})

    def _refuse(self, answered: Answered, status: int) -> web.Response:
        answered.end("refused")
        error = {"message": f"The model says no ({status}).", "type": "refused", "code": None, "param": None}
        return web.json_response({"error": error}, status=status, headers=CORS)

    async def _stream(self, request: web.Request, answered: Answered) -> web.StreamResponse:
        headers = {**CORS, "content-type": "text/event-stream", "cache-control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(_frame({"role": "assistant", "content": ""}))
        for piece in answer_to(answered.prompt):
            await response.write(_frame({"content": piece}))
            answered.sent += 1
            if answered.prompt != "fast":
                await asyncio.sleep(PACE)
        if answered.prompt == "broken":
            answered.end("broken")
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(_frame({}, "stop") + b"data: [DONE]\n\n")
        answered.end("finished")
        return response


CORS = {"access-control-allow-origin": "*"}


def answer_to(prompt: str) -> list[str]:
    """Return the pieces of the answer."""
    if (known := ANSWERS.get(prompt)) is not None:
        return known
    wanted = REPEAT.match(prompt)
    return PIECE.findall(wanted[1] if wanted else f"You said: {prompt}")


def text_of(content: Any) -> str:
    """Return the text of a message, whose content may be a list of parts."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


async def _preflight(_: web.Request) -> web.Response:
    headers = {"access-control-allow-headers": "authorization, content-type", "access-control-allow-methods": "POST"}
    return web.Response(headers={**CORS, **headers})


def _frame(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "known", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


@asynccontextmanager
async def model_behind() -> AsyncGenerator[ModelBehind]:
    """Run the model on a free port of this machine."""
    model, app = ModelBehind(), web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/chat/completions", model.complete)
    app.router.add_get("/v1/models", model.models)
    app.router.add_options("/v1/chat/completions", _preflight)
    async with listening(app) as model.url:
        yield model
