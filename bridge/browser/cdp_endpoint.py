"""Finds the browser that the operator runs with `--remote-debugging-port`, and nothing on another machine unasked.

Chrome tells on that port where its debugger listens. Of that answer only the path counts: host and port are those of
the setting, so that no answer leads to another place.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from urllib.parse import urlsplit

from bridge.errors import BrowserError
from bridge.settings import BrowserSettings

LARGEST_ANSWER = 65_536
ADVICE = (
    "Start Chrome there with --remote-debugging-port={port} and a folder of its own (--user-data-dir=DIR, because it "
    "opens no port for its usual one), or empty the setting browser.cdp_url."
)


async def find(settings: BrowserSettings, limit: float) -> str:
    """Return the address of the debugger of the browser that `cdp_url` names; raise `BrowserError` if none answers."""
    parts = urlsplit(settings.cdp_url or "")
    host, port = parts.hostname or "", parts.port or 80
    try:
        path = await asyncio.to_thread(_ask, host, port, limit)
    except (OSError, http.client.HTTPException) as error:
        reason = f"{getattr(error, 'strerror', None) or type(error).__name__}"
        raise BrowserError(
            f"No browser answers at {settings.cdp_url} ({reason}). {ADVICE.format(port=port)}"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise BrowserError(
            f"What answers at {settings.cdp_url} is no browser's debugger. {ADVICE.format(port=port)}"
        ) from error
    return path


def _ask(host: str, port: int, limit: float) -> str:
    """Ask by the host's address: Chrome refuses names, against web pages that make themselves its host."""
    address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    connection = http.client.HTTPConnection(address, port, timeout=limit)
    try:
        connection.request("GET", "/json/version")
        answer = json.loads(connection.getresponse().read(LARGEST_ANSWER))
    finally:
        connection.close()
    path = urlsplit(str(answer["webSocketDebuggerUrl"])).path
    place = f"[{address}]" if ":" in address else address
    return f"ws://{place}:{port}{path}"
