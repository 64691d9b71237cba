"""The page's own requests, messages and responses, as the interceptor sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

RequestRole = Literal["prompt", "answer", "other"]
"""The role of a request to an answer path: the prompt, one whose response is part of the answer, or neither."""
SOCKET = "WEBSOCKET"
"""The `method` of a message that the page sends over a WebSocket."""
NO_DOCUMENT = "chrome-error:"
"""Prefix of the address of Chromium's error page, which does not count as another site."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page's own request, or its message on a WebSocket, held before it leaves the browser."""

    method: str
    url: str
    body: bytes

    @property
    def path(self) -> str:
        """Return the path of the address."""
        return urlsplit(self.url).path


@dataclass(frozen=True, slots=True)
class PageResponse:
    """The status and headers (names in lower case) of a response; the status of a WebSocket is 101."""

    url: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    number: int = field(default=0, compare=False)
    """Identifies one of a page's responses, for a decoder that handles several at once."""

    @property
    def is_socket(self) -> bool:
        """Tell whether it is a WebSocket, each of whose messages is a chunk."""
        return self.url.startswith(("ws:", "wss:"))

    @property
    def content_type(self) -> str:
        """Return the media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one of the page's own API calls: first status and headers, then again with the whole body.

    `failure` is Chromium's net error if there is no response; `response.status` is then 0.
    """

    response: PageResponse
    body: bytes | None = None
    failure: str = ""

    @property
    def path(self) -> str:
        """Return the path of the address."""
        return urlsplit(self.response.url).path
