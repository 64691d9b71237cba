"""Holds a page's outgoing WebSocket messages until they are checked, like HTTP prompts.

Chromium cannot hold WebSocket messages, so the page's own `WebSocket.prototype.send` is replaced in each document
before its scripts run. The sockets themselves and their incoming messages are unchanged. A message that must not be
sent is dropped and its socket closed: the page sees a lost connection, like the network error of a failed request.
Sockets in workers are not covered.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError

from bridge.browser.channels import Channels
from bridge.browser.page_messages import SOCKET, PageRequest
from bridge.browser.tab_session import TabSession
from bridge.tasks import Tasks

BINDING, RELEASE = "bridgeHoldsMessage", "bridgeReleasesMessage"
NO_MESSAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""Exceptions of `held_message` for a payload that is not the script's."""
SCRIPT = """(([binding, release, paths]) => {
  const tell = globalThis[binding], send = WebSocket.prototype.send, { stringify } = JSON, held = new Map();
  const patterns = paths.map(path => new RegExp(path));
  const isHeld = url => patterns.some(pattern => pattern.test(new URL(url).pathname));
  const base64 = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
  let number = 0, last = Promise.resolve();
  const hold = async (socket, data) => {
    const bytes = data instanceof Blob ? new Uint8Array(await data.arrayBuffer()) : null;
    held.set(++number, [socket, bytes ?? data]);
    tell(stringify({ number, url: socket.url, data: bytes ? base64(bytes) : data, isBinary: bytes !== null }));
  };
  WebSocket.prototype.send = function (data) {
    if (this.readyState !== WebSocket.OPEN || !isHeld(this.url)) return send.call(this, data);
    const isBinary = data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
    const copy = isBinary ? new Blob([data]) : String(data);
    last = last.then(() => hold(this, copy));
  };
  Object.defineProperty(globalThis, release, { value: (number, mayLeave) => {
    const [socket, data] = held.get(number);
    held.delete(number);
    mayLeave ? send.call(socket, data) : socket.close();
  } });
})(%s)"""


class SocketGate:
    """A gate that calls `may_leave` for each outgoing message of the site's WebSockets."""

    def __init__(self, session: TabSession, channels: Channels, may_leave: Callable[[PageRequest], bool]) -> None:
        self._session = session
        self._channels = channels
        self._may_leave = may_leave
        self._tasks = Tasks()

    async def start(self) -> None:
        """Start to hold messages, in documents loaded from now on."""
        self._session.on("Runtime.bindingCalled", self._on_message)
        await self._session.send("Runtime.enable")  # without it there is no binding
        await self._session.send("Runtime.addBinding", name=BINDING)
        paths = [_as_regex(path) for path in self._channels.sockets]
        source = SCRIPT % json.dumps([BINDING, RELEASE, paths])
        await self._session.send("Page.addScriptToEvaluateOnNewDocument", source=source)

    async def close(self) -> None:
        """Stop releasing messages."""
        await self._tasks.close()

    def _on_message(self, event: dict[str, Any]) -> None:
        """Check one message at once, so that messages are sent in order."""
        if event["name"] != BINDING:
            return
        try:
            number, request = held_message(event["payload"])
        except NO_MESSAGE:
            return  # made up by the page: no message is held under it
        answer = f"{RELEASE}({number}, {json.dumps(self._may_leave(request))})"
        self._tasks.start(self._release(answer, event["executionContextId"]))

    async def _release(self, answer: str, context: int) -> None:
        with suppress(PlaywrightError):  # the document is gone with its sockets
            await self._session.send("Runtime.evaluate", expression=answer, contextId=context)


def held_message(payload: str) -> tuple[int, PageRequest]:
    """Return the number and content of a message; raise one of `NO_MESSAGE` if it is not the script's."""
    message = json.loads(payload)
    url, data = str(message["url"]), message["data"]
    urlsplit(url)
    body = base64.b64decode(data) if message["isBinary"] else data.encode("utf-8", "replace")
    return int(message["number"]), PageRequest(SOCKET, url, body)


def _as_regex(path: str) -> str:
    return f"^{'.*'.join(map(re.escape, path.split('*')))}$"
