"""Splits one of the page's requests into its messages; no I/O.

A page with socket.io sends its events as messages of a WebSocket or, until that is open, in POST requests, several
in one body. A site file treats both as one transport: what it says about one holds for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from bridge.browser.page_messages import SOCKET, PageRequest
from bridge.origins import is_at
from bridge.sites.site_file.body_codecs import ReadRequest, read_messages
from bridge.sites.site_file.conditions import holds
from bridge.sites.site_file.wire_schema import Call, Request

NOTHING = ReadRequest(None, {})


class SentMessages:
    """A reader of requests by a site file's description of the one that carries the prompt."""

    def __init__(self, own: Request) -> None:
        self._codec = own.body
        self._is_socketio = own.body == "socketio"
        self.own = self.as_sent(own)

    def as_sent(self, call: Call) -> Call:
        """Return a call as it is compared: with socket.io, as a message of a WebSocket."""
        return call.model_copy(update={"method": SOCKET}) if self._is_socketio else call

    def read(self, request: PageRequest) -> tuple[PageRequest, list[ReadRequest]]:
        """Return a request as it is compared, and its messages."""
        if self._is_socketio and request.method.upper() == "POST":
            request = replace(request, method=SOCKET)
        return request, read_messages(request, self._codec)

    def prompt(self, request: PageRequest) -> ReadRequest:
        """Return the message with the prompt; an empty one if there is none."""
        return next(iter(self.prompts(*self.read(request))), NOTHING)

    def prompts(self, request: PageRequest, messages: Sequence[ReadRequest]) -> list[ReadRequest]:
        """Return those messages that carry the prompt."""
        return [one for one in messages if is_call(self.own, request, one)]


def is_call(call: Call, request: PageRequest, read: ReadRequest) -> bool:
    """Tell whether a request matches a call of a site file."""
    is_there = call.method == request.method.upper() and is_at_call(call, request.url)
    return is_there and holds(call.when, read.document, read.variables)


def is_at_call(call: Call, url: str) -> bool:
    """Tell whether an address matches a call of a site file."""
    return fnmatchcase(urlsplit(url).path, call.path) and (call.host is None or is_at(url, [call.host]))
