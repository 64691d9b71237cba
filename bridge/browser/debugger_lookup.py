"""Asks Chromium's debugging port for its WebSocket.

Only the path and query of the answer are used: host, port and secrets come from the setting, so that an answer cannot
lead to another server.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.browser_address import BrowserAddress
from bridge.errors import BrowserError

LARGEST_ANSWER = 65_536
START_IT = (
    "Start Chrome there with --remote-debugging-port={port} and its own folder (--user-data-dir=DIR, because it opens"
    " no port for the default one), or empty the setting browser.connect."
)
WRONG_KIND = "A Playwright server is written as playwright+ws://HOST:PORT/PATH in browser.connect. "


async def find_websocket(address: BrowserAddress, limit: float) -> str:
    """Return the WebSocket of the debugger at an http(s) address; raise `BrowserError` if none answers."""
    advice = START_IT.format(port=address.port)
    try:
        return await asyncio.to_thread(_ask, address, limit)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.reason or type(error).__name__
        raise BrowserError(f"The TLS connection to the browser at {address} failed: {reason}.") from error
    except PermissionError as error:
        raise BrowserError(f"The browser at {address} refuses the call: HTTP {error}.") from error
    except (OSError, http.client.HTTPException) as error:
        reason = f"{getattr(error, 'strerror', None) or type(error).__name__}"
        raise BrowserError(f"No browser answers at {address} ({reason}). {advice}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrowserError(f"The server at {address} is not a browser's debugger. {WRONG_KIND}{advice}") from error


def _ask(address: BrowserAddress, limit: float) -> str:
    """Ask by the host's IP address unless TLS is used: Chrome refuses names, against DNS rebinding."""
    is_encrypted = address.parts.scheme == "https"
    host = address.host if is_encrypted else _resolved(address)
    query = f"?{address.parts.query}" if address.parts.query else ""
    kind = http.client.HTTPSConnection if is_encrypted else http.client.HTTPConnection
    connection = kind(host, address.port, timeout=limit)
    try:
        connection.request("GET", f"/json/version{query}", headers=_authorization(address.parts))
        response = connection.getresponse()
        answer = response.read(LARGEST_ANSWER)
    finally:
        connection.close()
    if response.status in (401, 403):
        raise PermissionError(response.status)
    found = urlsplit(str(json.loads(answer)["webSocketDebuggerUrl"]))
    place = f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
    user, at, _ = address.parts.netloc.rpartition("@")
    scheme = "wss" if is_encrypted else "ws"
    return SplitResult(scheme, f"{user}{at}{place}", found.path, address.parts.query or found.query, "").geturl()


def _resolved(address: BrowserAddress) -> str:
    return str(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][4][0])


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
