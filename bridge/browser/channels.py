"""Where a site's prompts go and its answers come from: its own origin, and the hosts and WebSockets that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from bridge.browser.page_messages import PageRequest, RequestRole
from bridge.origins import is_at, origin_of


def only_prompts(_: PageRequest) -> RequestRole:
    """Take each request for one that carries a prompt."""
    return "prompt"


@dataclass(frozen=True, slots=True)
class Channels:
    """The addresses of one site that carry prompts and answers; paths may hold `*` for anything."""

    origin: str = ""
    paths: tuple[str, ...] = ()
    """Of HTTP requests, which are held."""
    hosts: tuple[str, ...] = ()
    """Hosts beside that of `origin`, reached in the same scheme."""
    sockets: tuple[str, ...] = ()
    """Paths of WebSockets."""
    holds_sockets: bool = False
    """Whether what the page sends over them is held, too."""
    is_separate: bool = False
    """Whether the answer does not come as the response to the prompt."""
    heartbeats_count: bool = True
    """Whether bytes without an event show that an answer still goes on."""
    resumes: bool = False
    """Whether an `EventSource` that was cut may go on with what it gets when it connects again."""
    sends: int = 1
    """How often one turn may send its prompt."""
    role_of: Callable[[PageRequest], RequestRole] = only_prompts

    def is_own(self, url: str) -> bool:
        """Tell whether an address is the site's own, or of one of its hosts."""
        there = origin_of(_as_http(url))
        if there == self.origin:
            return True
        return urlsplit(there).scheme == urlsplit(self.origin).scheme and is_at(there, self.hosts)

    def has_path(self, url: str) -> bool:
        """Tell whether an address has a path that carries prompts or answers, on whatever host."""
        return _matches(urlsplit(url).path, self.paths)

    def has_socket(self, url: str) -> bool:
        """Tell whether a WebSocket of this address carries answers."""
        return _matches(urlsplit(url).path, self.sockets) and self.is_own(url)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _as_http(url: str) -> str:
    return f"http{url[2:]}" if url.startswith(("ws:", "wss:")) else url
