"""Turns the events of a chat into the client's answer, over as many attempts of the model as the format allows.

If the model writes an unusable tool call or JSON, it is asked again, in the same conversation if possible. The client
sees one answer: the first `Opened`, the texts that were emitted, one `AnswerEnd`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.answer.attempt import Attempt
from bridge.api.answer.stop import StopFilter
from bridge.chat.tokens.tokenizer import Tokenizer
from bridge.chat.tokens.usage import Meter, count_prompt
from bridge.chat.types import ChatEvent, ChatRequest, Message, Opened, Rewritten, Text, Thinking
from bridge.errors import NoAnswer, SiteError
from bridge.tool_calls.answer_filter import ToolCall


class AnswerPipeline:
    """Turns the events of the chat about `request` into those of one answer.

    The caller runs the chat, closes it early once `is_over`, and runs the new `request` if `ask_again` returns true.
    All attempts share one meter and one stop filter, because the client's limits and the usage cover all that it gets.
    """

    def __init__(self, request: ChatRequest, answer_format: AnswerFormat, tokenizer: Tokenizer, prompt: int) -> None:
        self.request = request
        self._first = request
        self._format = answer_format
        self._retries = answer_format.retries
        self._meter = Meter(prompt, tokenizer)
        self.prompt = prompt
        """Tokens of the first prompt."""
        self._tokenizer = tokenizer
        self._stop = self._new_stop()
        self._given: list[str] = []
        self._calls: list[ToolCall] = []
        self._attempt = self._new_attempt()

    @classmethod
    async def of(cls, request: ChatRequest, answer_format: AnswerFormat) -> AnswerPipeline:
        """Count the tokens of the prompt, and return the pipeline of one answer."""
        tokenizer, tokens = await count_prompt(request.messages, request.model)
        return cls(replace(request, prompt_tokens=tokens), answer_format, tokenizer, tokens)

    @property
    def is_again(self) -> bool:
        """Whether this is a retry, so that a prompt was sent even if this attempt fails before its send."""
        return self.request is not self._first

    @property
    def is_over(self) -> bool:
        """Whether a stop sequence or the client's token limit has ended the answer."""
        return self._stop.reason is not None

    async def take(self, event: ChatEvent) -> Sequence[AnswerEvent]:
        """Return the client's events for `event`; calls and JSON are parsed in a thread."""
        if isinstance(event, Rewritten):
            return await asyncio.to_thread(self._rewrite, event)
        if self._attempt.is_costly(event):
            return self._for_client(await asyncio.to_thread(self._attempt.take, event))
        return self._for_client(self._attempt.take(event))

    async def take_no_answer(self, error: NoAnswer) -> Sequence[AnswerEvent]:
        """Return the client's events for a chat that ended after thinking; raise `error` if that holds no call."""
        return self._for_client(await asyncio.to_thread(self._attempt.end_without_text, error))

    async def ask_again(self) -> bool:
        """Tell whether the model must write its answer again; then `request` is the next one to run."""
        prompt, attempt = self._attempt.retry_prompt, self._attempt
        if prompt is None:
            return False
        self._retries -= 1
        returned = partial(self._format.returned, given="".join(self._given), is_last=self._retries == 0)
        self.request = await asyncio.to_thread(self._next_request, attempt, prompt, returned)
        self._attempt = self._new_attempt()
        return True

    def _new_attempt(self) -> Attempt:
        id_ = self._first.id.replace("-", "")
        return Attempt(self._format, self._meter, self._stop, id_, may_retry=self._retries > 0)

    def _new_stop(self) -> StopFilter:
        most = self._format.max_tokens
        return StopFilter(self._format.stop, None if most is None else self._tokenizer.limit(most))

    def _rewrite(self, rewritten: Rewritten) -> Sequence[AnswerEvent]:
        """Restart the attempt with the text that the site has now.

        If the client's text is a beginning of the new answer, it gets only the rest: the filters held back the change.
        """
        if self.is_again:  # text from earlier attempts cannot be told apart from text that is void now
            raise SiteError("The site has changed text of its answer that was already sent to the client.", sent=True)
        thinking, given, calls = self._attempt.thinking, "".join(self._given), self._calls
        self._meter, self._stop = Meter(self.prompt, self._tokenizer), self._new_stop()
        self._attempt, self._given, self._calls = self._new_attempt(), [], []
        made = [*self._attempt.take(Thinking(thinking)), *self._attempt.take(Text(rewritten.text))]
        again = [event for event in self._for_client(made) if not isinstance(event, Thinking)]
        text = "".join(self._given)
        if not text.startswith(given) or self._calls[: len(calls)] != calls:
            return [rewritten, *again]
        rest = text[len(given) :]
        ends = [event for event in again if isinstance(event, AnswerEnd)]
        return [*([Text(rest)] if rest else []), *self._calls[len(calls) :], *ends]

    def _for_client(self, events: list[AnswerEvent]) -> Sequence[AnswerEvent]:
        self._given += [event.text for event in events if isinstance(event, Text)]
        self._calls += [event for event in events if isinstance(event, ToolCall)]
        if self.is_again:
            return [event for event in events if not isinstance(event, Opened)]
        return [replace(one, prompt_tokens=self.prompt) if isinstance(one, Opened) else one for one in events]

    def _next_request(self, attempt: Attempt, prompt: str, returned: Callable[[str], str]) -> ChatRequest:
        """Return the request that continues after `attempt`, without the messages of earlier attempts.

        The client never sees it, only the resulting answer.
        """
        asked, opened = self.request, attempt.opened
        conversation = asked.conversation
        if conversation is not None and opened is not None and opened.conversation is not None:
            conversation = f"{opened.conversation}@{opened.message}"
        unseen = (Message("assistant", asked.returned(attempt.text)), Message("user", prompt))
        return replace(
            self._first,
            id=f"{asked.id}-again",
            messages=(*self._first.messages, *unseen),
            conversation=conversation,
            returned=returned,
            unseen=len(unseen),
        )
