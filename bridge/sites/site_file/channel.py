"""Decodes one response of a turn into frames, and recognizes responses that are not what a turn expects."""

from __future__ import annotations

import binascii
import codecs
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from bridge.browser.page_messages import PageResponse
from bridge.errors import SiteError
from bridge.sites.http_refusals import HTML, block_page, is_challenge, refused_by_status
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.body_codecs import variables_of
from bridge.sites.site_file.framing import Document, Framing, Payload, framing_of
from bridge.sites.site_file.wire_schema import Answer

Role = Literal["answer", "poll", "aside", "stray", "refused"]
"""What a response is: the answer, the state of a job, the response to the prompt if the answer comes in another one,
a document in place of a stream, or one whose status is an error."""
_BLANK = b"\xef\xbb\xbf \t\r\n"
_STREAMS = ("sse", "connect")
"""Framings whose frames never begin like a JSON document."""
_PAGE_MARKS = (b"<!doctype", b"<html")
_LONGEST_MARK = 9
_PAGELESS = ("sse", "ndjson", "connect", "json", "socketio")
"""Framings whose frames never begin like a web page."""


class Channel:
    """One response; `refusal` is the error that its status means, if any.

    `variables` are the values for paths that begin with `$`, for the frame yielded last.
    """

    def __init__(self, response: PageResponse, answer: Answer, role: Literal["answer", "poll", "aside"], now: datetime):
        self.response = response
        self.role: Role = role
        self.is_empty = True
        self.refusal = _refusal(response, now)
        self._answer = answer
        self._framing: Framing = Document()
        if self.refusal is not None:
            self.role = "refused"
        elif role == "answer":
            self._framing = framing_of(answer.framing, is_socket=response.is_socket)
        self.is_expected = self.refusal is None
        """Whether it is what a turn expects: neither a stray document nor refused."""
        self.is_said_to_be_page = self.refusal is None and response.content_type == HTML
        """Whether its type is HTML. Only its bytes decide: frameworks label everything without a type as HTML."""
        self.is_one_of_many = not response.is_socket and (answer.polled or answer.framing == "socketio")
        """Whether its end means nothing, because the page polls repeatedly."""
        self._is_json = answer.payload == "json" or self.role != "answer"
        self.variables: dict[str, Any] = variables_of(response.url) | {"$status": response.status}
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> Iterator[Any]:
        """Decode the next bytes and yield the document of each frame that they complete, None for one without."""
        if self.is_empty:
            self._sniff(data)
        for payload in self._framing.feed(data):
            yield self._read(payload)

    def end(self) -> Iterator[Any]:
        """Handle the end and yield the last documents; a body that is not an answer yields one even if it is empty."""
        payloads = self._framing.end()
        if not (self.is_expected or payloads):
            payloads = [Payload("")]
        for payload in payloads:
            yield self._read(payload)

    def _sniff(self, data: bytes) -> None:
        """Recognize a web page or a JSON document by the first bytes, whatever the headers say."""
        start = data.lstrip(_BLANK)
        self.is_empty = not start
        if self.response.is_socket or self.role == "refused":
            return
        framing = self._answer.framing if self.role == "answer" else ""
        if start[:1] == b"<" and (framing in _PAGELESS or (self.is_said_to_be_page and _is_page(start))):
            raise block_page()
        is_json = framing == "text" and self.response.content_type == "application/json"
        if start[:1] in (b"{", b"[") and (framing in _STREAMS or is_json):
            self.role, self._framing, self._is_json, self.is_expected = "stray", Document(), True, False

    def _read(self, payload: Payload) -> Any:
        variables = self.variables
        text, variables["$event"] = payload
        variables["$payload"] = text
        if self._is_json:
            return parse_json(text)
        variables["$text"] = text if self._answer.payload == "text" else self._decoded(text)
        return parse_json(text) if variables["$text"] is None else None

    def _decoded(self, text: str) -> str | None:
        """Return the decoded text; None if it is not base64."""
        try:
            return self._decoder.decode(b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            return None


def _is_page(start: bytes) -> bool:
    """Tell whether a body labelled as HTML is a whole web page, not a text with tags."""
    return start[:_LONGEST_MARK].lower().startswith(_PAGE_MARKS)


def _refusal(response: PageResponse, now: datetime) -> SiteError | None:
    """Return the error of a status that is not a success; WebSockets have 101, and other responses may have 202."""
    is_success = response.is_socket or (response.status < 300 and not is_challenge(response))
    return None if is_success else refused_by_status(response, now)
