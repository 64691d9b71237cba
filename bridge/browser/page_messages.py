"""What the page itself sends, and what it is answered, as the interceptor sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page's own request, held at the gate before it leaves the browser."""

    method: str
    url: str
    body: bytes

    @property
    def path(self) -> str:
        """Return the path of the address."""
        return urlsplit(self.url).path


@dataclass(frozen=True, slots=True)
class PageResponse:
    """Status line and headers (names in lower case) of the answer to a `PageRequest`."""

    url: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

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
