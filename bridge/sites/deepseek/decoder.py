"""The decoder for chat.deepseek.com: bytes of the page's own responses in, chat events out, no I/O.

This module handles the responses and named events of a turn and how they end; `message_tree` applies the
patches, `answer` turns their changes into events, `refusals` translates the site's refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, FinishReason
from bridge.errors import BridgeError, ContextTooLong, NoAnswer, SiteError, SiteTimeout
from bridge.sites.answer_decoder import DeferredErrorDecoder
from bridge.sites.deepseek.answer import Answer
from bridge.sites.deepseek.conversation_history import is_over, message_of
from bridge.sites.deepseek.early_wire import frames_of_chunk
from bridge.sites.deepseek.known_names import SILENT_EVENTS
from bridge.sites.deepseek.refusals import refused_by_body, refused_by_hint
from bridge.sites.drift import Drift
from bridge.sites.http_refusals import quote, refused_by_status
from bridge.sites.lenient_json import parse_json
from bridge.sse import ServerSentEvent, SSEDecoder

_LONGEST_BODY = 1 << 20
_LONGEST_HISTORY = 1 << 26
HISTORY = "/api/v0/chat/history_messages"
RESUME = "/api/v0/chat/resume_stream"


def _now() -> datetime:
    return datetime.now(UTC)


class DeepSeekDecoder(DeferredErrorDecoder):
    """The decoder of one turn's responses (see `Decoder`).

    `status` and `goes_on` tell how far the answer is. After FINISHED or CONTENT_FILTER only the title may follow.
    `Finish` is emitted on `event: close` or at `end`, whichever comes first. An `end` without `Finish` means
    INCOMPLETE with `goes_on`: the page requests the rest by itself. After `Finish("length")` a caller that
    presses Continue may call `begin` again; no text is emitted twice.
    """

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        super().__init__()
        self._drift = Drift()
        self._now = now
        self._answer = Answer(self._drift)
        self._sse = SSEDecoder()
        self._body: bytearray | None = None
        self._is_history = self._is_resumption = False
        self._closed = False
        self._empty = True
        self._finished = False
        self._resumes = False

    @property
    def drift(self) -> Mapping[str, int]:
        return self._drift

    @property
    def status(self) -> str:
        """Return the site's status of the answer: WIP, INCOMPLETE, FINISHED, CONTENT_FILTER, ..."""
        return self._answer.status

    @property
    def number(self) -> str | None:
        """Return the id of the answer's message, or None before the site has sent it."""
        return self._answer.number

    @property
    def goes_on(self) -> bool:
        """Tell whether the page will request the rest of the answer by itself."""
        return self._resumes or bool(self._answer.message.get("auto_continue"))

    def begin(self, response: PageResponse) -> None:
        self._raise_failure()
        path = urlsplit(response.url).path
        self._is_history, self._is_resumption = path == HISTORY, path == RESUME
        refusal = refused_by_status(response, self._now())
        if refusal and not self._is_history:
            raise refusal
        self._sse = SSEDecoder()
        self._body = bytearray() if response.content_type == "application/json" else None
        self._empty, self._finished, self._resumes, self._closed = True, False, False, False
        if not self._is_history:
            self._answer.restart()

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        self._raise_failure()
        if self._empty:
            self._sniff(data)
        if self._body is not None:
            self._body += data[: (_LONGEST_HISTORY if self._is_history else _LONGEST_BODY) - len(self._body)]
            return ()
        for event in self._sse.feed(data):
            self._handle(event)
            if self._failure:
                break
        return self._events()

    def end(self) -> Sequence[ChatEvent]:
        self._raise_failure()
        if self._is_history:
            return self._read_history()
        if self._body is not None:
            if self._is_resumption and is_over(bytes(self._body)):
                return ()  # the page now loads the answer from the history
            raise refused_by_body(bytes(self._body), self._now())
        if self._empty:
            raise SiteError("The site answered with an empty body.")
        self._conclude(ended=True)
        return self._events()

    def _read_history(self) -> Sequence[ChatEvent]:
        """Return the answer from the history that the page loads after its stream broke, if it is complete there."""
        message = message_of(parse_json(bytes(self._body or b"").decode("utf-8", "replace")), self.number)
        if message is not None and message.get("status") in ("FINISHED", "CONTENT_FILTER"):
            self._answer.restart()
            self._answer.apply({"v": {"response": message}})
            self._conclude(ended=False)
        return self._events()

    def _sniff(self, data: bytes) -> None:
        """Recognize a JSON body in place of a stream by its first bytes; the site's headers do not tell."""
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")
        self._empty = not start
        if start.startswith(b"{"):
            self._body = bytearray()

    def _events(self) -> Sequence[ChatEvent]:
        return self._events_first(self._answer.events())

    def _handle(self, event: ServerSentEvent) -> None:
        if self._finished:
            self._drift.note("after the end", event.event)
        elif event.event != "message":
            self._handle_named(event.event, parse_json(event.data))
        elif event.data == "[DONE]":
            self._conclude(ended=False)
        else:
            self._handle_frame(parse_json(event.data))

    def _handle_frame(self, frame: Any) -> None:
        if not isinstance(frame, dict):
            self._drift.note("frame")
        elif "choices" in frame:
            for patch in frames_of_chunk(frame, first=not self._answer.message):
                self._answer.apply(patch)
        else:
            self._answer.apply(frame)

    def _handle_named(self, name: str, data: Any) -> None:
        match name, data:
            case "ready", {"response_message_id": int() | str() as number}:
                self._answer.number = str(number)
            case "title", {"content": str() as title}:
                self._answer.title(title)
            case (("hint" | "toast"), dict()):
                self._handle_hint(data)
            case "close", _:
                self._resumes = isinstance(data, dict) and data.get("auto_resume") is True
                self._closed = not self._resumes and not (
                    isinstance(data, dict) and data.get("click_behavior") == "retry"
                )
                self._conclude(ended=False)
            case "ready", {"stream_id": _}:
                pass
            case _ if name not in SILENT_EVENTS:
                self._drift.note("event", name)

    def _handle_hint(self, hint: Mapping[str, Any]) -> None:
        refusal = refused_by_hint(hint, has_begun=bool(self._answer.text or self._answer.thinking))
        if refusal and self.status in ("FINISHED", "CONTENT_FILTER"):
            self._drift.note("refusal after", self.status)
        else:
            self._failure = refusal

    def _conclude(self, *, ended: bool) -> None:
        """Finish the answer if it is complete; else set the error, unless more of it may still follow."""
        if self._finished:
            return
        match self.status:
            case "FINISHED" if self._answer.text:
                self._finish("stop")
            case "CONTENT_FILTER":
                self._finish("content_filter")
            case "INCOMPLETE" if not self.goes_on and (self._answer.text or self._answer.thinking):
                self._finish("length")
            case "WIP" if ended and self._closed and self._answer.text:  # closed cleanly; only the status is missing
                self._finish("stop")
            case "WIP" if not ended or self._resumes:
                pass
            case "INCOMPLETE" if self.goes_on:
                pass
            case status:
                self._failure = self._unanswered(status)

    def _finish(self, reason: FinishReason) -> None:
        self._finished = True
        self._answer.finish(reason)

    def _unanswered(self, status: str) -> BridgeError:
        given = len(self._answer.text)
        match status:
            case "FINISHED" if self._answer.thinking:
                return NoAnswer("The site finished after thinking, without an answer.")
            case "FINISHED":
                return SiteError("The site finished without an answer.")
            case "INCOMPLETE":
                return SiteError("The site stopped before it answered.")
            case "WIP":
                return SiteError(f"The site's stream was cut after {given} characters of the answer.")
            case "CONTEXT_LENGTH_EXCEEDED":
                return ContextTooLong("The site says that the conversation is too long.", param="messages")
            case "TIMEOUT":
                return SiteTimeout("The site says that its answer took too long.")
            case _:
                return SiteError(f"The site ended the answer with the status {quote(status)}.")
