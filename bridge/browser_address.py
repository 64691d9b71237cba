"""The address of a remote browser: Chromium's debugger, or a Playwright server.

The parts before and after host and port may hold a secret, and are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from bridge.origins import is_loopback, url_of

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
FORMS = (
    "write http://HOST:PORT or cdp+ws://HOST:PORT/PATH for Chromium's debugger, playwright+ws://HOST:PORT/PATH for a "
    "Playwright server; with TLS https, cdp+wss and playwright+wss"
)
DEBUGGER_PATH = "/devtools/"
"""Prefix of the paths of Chromium's own debugger."""


@dataclass(frozen=True, slots=True)
class BrowserAddress:
    """The address of a browser; with the scheme http(s), the WebSocket must still be looked up."""

    protocol: Literal["cdp", "playwright"]
    parts: SplitResult

    @property
    def url(self) -> str:
        """Return the whole address, including secrets."""
        return self.parts.geturl()

    @property
    def host(self) -> str:
        """Return the host, without brackets."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """Return the port."""
        return self.parts.port or PORTS[self.parts.scheme]

    @property
    def is_private(self) -> bool:
        """Tell whether the connection is encrypted or stays on this machine."""
        return self.parts.scheme in ("https", "wss") or is_loopback(self.host)

    def __str__(self) -> str:
        """Return the public form: only scheme, host and port."""
        scheme = self.parts.scheme if self.parts.scheme.startswith("http") else f"{self.protocol}+{self.parts.scheme}"
        return url_of(scheme, self.host, self.port)

    def __repr__(self) -> str:
        return f"BrowserAddress({self})"


def browser_address(given: str) -> BrowserAddress:
    """Parse an address; raise a `ValueError` that does not show an invalid one."""
    scheme, _, rest = given.partition("://")
    protocol, _, plain = scheme.lower().rpartition("+")
    if not given.isprintable() or " " in given or "\\" in given or "#" in given or not _is_known(protocol, plain):
        raise ValueError(FORMS)
    parts = urlsplit(f"{plain}://{rest}")
    try:
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(FORMS)
    if plain in ("http", "https"):
        if parts.path not in ("", "/"):
            raise ValueError("an http address of a debugger has no path; name its WebSocket with cdp+ws://")
        return BrowserAddress("cdp", parts)
    if not protocol and not parts.path.startswith(DEBUGGER_PATH):
        raise ValueError("ws:// is ambiguous: playwright+ws:// is a Playwright server, cdp+ws:// a debugger")
    return BrowserAddress("playwright" if protocol == "playwright" else "cdp", parts)


def _is_known(protocol: str, plain: str) -> bool:
    return plain in ("ws", "wss") if protocol in ("cdp", "playwright") else not protocol and plain in PORTS
