"""What the page itself sends, and what it is answered, as the interceptor sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

RequestRole = Literal["prompt", "answer", "other"]
"""What a request to an answer path is: the prompt, one whose response is part of the answer, or neither."""
SOCKET = "WEBSOCKET"
"""The method of a message that the page sends over a WebSocket."""
NO_DOCUMENT = "chrome-error:"
"""The address of the page that a browser shows where none came: it is no page of another site."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page's own request, or its message on a WebSocket, held at the gate before it leaves the browser."""

    method: str
    url: str
    body: bytes

    @property
    def path(self) -> str:
        """Return the path of the address."""
        return urlsplit(self.url).path


@dataclass(frozen=True, slots=True)
class PageResponse:
    """Status line and headers (names in lower case) of a response; of a WebSocket the status is 101."""

    url: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    number: int = field(default=0, compare=False)
    """Tells the responses of one page apart, for a decoder that keeps several of them going."""

    @property
    def is_socket(self) -> bool:
        """Tell whether it is a WebSocket, whose messages come each by itself."""
        return self.url.startswith(("ws:", "wss:"))

    @property
    def content_type(self) -> str:
        """Return the media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one of the page's own API calls: status and headers first, then once more with the whole body.

    `failure` is Chromium's net error where there is no response; `response.status` is 0 then.
    """

    response: PageResponse
    body: bytes | None = None
    failure: str = ""

    @property
    def path(self) -> str:
        """Return the path of the address."""
        return urlsplit(self.response.url).path
