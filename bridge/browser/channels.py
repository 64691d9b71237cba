"""The addresses of a site's prompts and answers: its own origin, and the hosts and WebSockets that its file names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from bridge.browser.page_messages import PageRequest, RequestRole
from bridge.origins import is_at, origin_of


def only_prompts(_: PageRequest) -> RequestRole:
    """Treat every request as one that carries a prompt."""
    return "prompt"


@dataclass(frozen=True, slots=True)
class Channels:
    """The addresses of one site that carry prompts and answers; `*` in a path matches anything."""

    origin: str = ""
    paths: tuple[str, ...] = ()
    """Paths of HTTP requests, which are held."""
    hosts: tuple[str, ...] = ()
    """Further hosts, with the same scheme as `origin`."""
    sockets: tuple[str, ...] = ()
    """Paths of WebSockets."""
    holds_sockets: bool = False
    """Whether messages that the page sends over them are held, too."""
    is_separate: bool = False
    """Whether the answer comes separately from the response to the prompt."""
    heartbeats_count: bool = True
    """Whether bytes without an event count as a sign that the answer continues."""
    resumes: bool = False
    """Whether a cut `EventSource` may continue after it connects again."""
    sends: int = 1
    """How many times one turn may send its prompt."""
    role_of: Callable[[PageRequest], RequestRole] = only_prompts

    def is_own(self, url: str) -> bool:
        """Tell whether an address is at the site's origin or one of its hosts."""
        there = origin_of(_as_http(url))
        if there == self.origin:
            return True
        return urlsplit(there).scheme == urlsplit(self.origin).scheme and is_at(there, self.hosts)

    def has_path(self, url: str) -> bool:
        """Tell whether an address has a path for prompts or answers, on any host."""
        return _matches(urlsplit(url).path, self.paths)

    def has_socket(self, url: str) -> bool:
        """Tell whether a WebSocket of this address carries answers."""
        return _matches(urlsplit(url).path, self.sockets) and self.is_own(url)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _as_http(url: str) -> str:
    return f"http{url[2:]}" if url.startswith(("ws:", "wss:")) else url
