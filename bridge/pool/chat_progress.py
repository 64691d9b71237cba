"""Reports the progress of a chat to telemetry: steps at once, tokens a few times a second, sizes at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.chat.tokens.tokenizer import TokenCount
from bridge.chat.tokens.usage import ON_LOOP
from bridge.chat.tokens.vocabularies import ESTIMATE, tokenizer_of
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Rewritten, Text, Thinking, Withdrawn
from bridge.errors import BridgeError, PoolTimeout
from bridge.telemetry import CANCELLED, ChatEnded, ChatProgress, Step, Telemetry, Timeline

WENT_ON = "No account was free, and the chat went to another node."
EVERY = 0.25
"""Seconds between two reports of a chat in the same step."""


class Progress:
    """The progress of one chat, which counts its events and keeps only the text that is not counted yet."""

    def __init__(self, request: ChatRequest, timeline: Timeline, telemetry: Telemetry) -> None:
        self._request = request
        self.timeline = timeline
        self._telemetry = telemetry
        # If the prompt was counted, the vocabulary is loaded, so that nothing waits for its file.
        tokenizer = tokenizer_of(request.model.vocabulary) if request.prompt_tokens else ESTIMATE
        self._counts: dict[Step, TokenCount] = {"thinking": tokenizer.count(), "writing": tokenizer.count()}
        self._large = ESTIMATE.count()
        self._answer_chars = 0
        self._step: Step = "sending"
        self._reported_at = 0.0
        self._result, self._reason, self._bundle = CANCELLED, "", ""
        timeline.on_mark = self._marked

    def add(self, event: ChatEvent) -> None:
        """Count the next event of the answer."""
        match event:
            case Thinking(text):
                self._count_text("thinking", text)
            case Text(text):
                self._answer_chars += len(text)
                self._count_text("writing", text)
            case Withdrawn(text) | Rewritten(text):
                self._answer_chars = len(text)
            case Finish(reason):
                self._result = reason

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Report at exit how the chat ended: by an answer, an error, or its client's leaving."""
        try:
            yield
        except BridgeError as error:
            if self._request.is_brief and isinstance(error, PoolTimeout):
                self._reason = WENT_ON
            elif self._result == CANCELLED:  # else the client has its answer, and the error concerns the account
                self._result, self._reason, self._bundle = error.code, error.message, error.bundle
            raise
        finally:
            self._end()

    def _end(self) -> None:
        self.timeline.mark("end")
        request, timeline = self._request, self.timeline
        if timeline.chunks:
            self._report()
        self._telemetry.emit(
            ChatEnded(
                request.id,
                request.model.id,
                timeline.account,
                self._result,
                self._reason,
                timeline.marks,
                prompt_chars=sum(len(message.text) for message in request.messages),
                answer_chars=self._answer_chars,
                tokens=self._large.tokens + sum(count.tokens for count in self._counts.values()),
                bundle=self._bundle,
                variant=request.model.variant,
                dialect=request.dialect,
                prompt_tokens=request.prompt_tokens,
                trace_parent=request.trace_parent,
                key=request.caller.name,
                site=timeline.site,
            )
        )

    def _marked(self, mark: str) -> None:
        """Report a new mark; arrival and end have their own facts."""
        if mark not in ("queued", "end"):
            self._report()

    def _count_text(self, step: Step, text: str) -> None:
        (self._counts[step] if len(text) <= ON_LOOP else self._large).add(text)
        if step != self._step or time.monotonic() - self._reported_at >= EVERY:
            self._step = step
            self._report()

    def _report(self) -> None:
        self._reported_at = time.monotonic()
        marks, chunks = dict(self.timeline.marks), tuple(self.timeline.chunks)
        self.timeline.chunks.clear()
        tokens = self._large.roughly + sum(count.roughly for count in self._counts.values())
        self._telemetry.emit(ChatProgress(self._request.id, self._step, tokens, marks, chunks))
