"""From the events of a chat to the client's answer, over as many attempts of the model as the format allows.

Where the model wrote a call or JSON that cannot be used, it is asked again, in the same conversation if it can be. The
client sees one answer: the first `Opened`, the texts that were given out, one `AnswerEnd`.
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
    """Takes the events of the chat about `request`, and returns those of the answer; one for each answer.

    The caller runs the chat, closes it early once `is_over`, and runs the new `request` where `ask_again` says so.
    Over all attempts there is one meter and one stop filter, since the client's limits and the usage count all it gets.
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
        """Return the pipeline of one answer, with the tokens of its prompt counted."""
        tokenizer, tokens = await count_prompt(request.messages, request.model)
        return cls(replace(request, prompt_tokens=tokens), answer_format, tokenizer, tokens)

    @property
    def is_again(self) -> bool:
        """Whether the model was asked before: then something was sent, even if this attempt fails before its send."""
        return self.request is not self._first

    @property
    def is_over(self) -> bool:
        """Whether the client has all that it wants: a stop sequence or its limit of tokens has ended the answer."""
        return self._stop.reason is not None

    async def take(self, event: ChatEvent) -> Sequence[AnswerEvent]:
        """Return what `event` becomes; calls and JSON are read in a thread."""
        if isinstance(event, Rewritten):
            return await asyncio.to_thread(self._rewrite, event)
        if self._attempt.is_costly(event):
            return self._for_client(await asyncio.to_thread(self._attempt.take, event))
        return self._for_client(self._attempt.take(event))

    async def take_no_answer(self, error: NoAnswer) -> Sequence[AnswerEvent]:
        """Return what a chat becomes that ended after thinking; raise `error` where there is no call in that."""
        return self._for_client(await asyncio.to_thread(self._attempt.end_without_text, error))

    async def ask_again(self) -> bool:
        """Return whether the model is to write its answer again; then `request` is the next one to run."""
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
        """Begin the attempt again with the text that the site has now.

        Where the client has a beginning of what that becomes, it only gets the rest: the filters held back the change.
        """
        if self.is_again:  # what the client has of the attempts before cannot be told from what is void
            raise SiteError("The site has changed text of its answer that was given out already.", sent=True)
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
        """Return the request that goes on from `attempt`; earlier attempts are left out of its messages.

        The client never sees it: it has its own request, and the answer that comes of this.
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
