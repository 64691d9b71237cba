"""Runs the chats of one request: the only loop between the backend and the client's socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Protocol

from loguru import logger

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.answer.pipeline import AnswerPipeline
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import ChatBackend, ChatEvent, ChatRequest, Finish
from bridge.errors import BridgeError, NoAnswer, SiteError
from bridge.tasks import log_unexpected

Emit = Callable[[Sequence[AnswerEvent]], Awaitable[None]]
"""Receives the next events of one answer."""
EmitChoice = Callable[[int, Sequence[AnswerEvent]], Awaitable[None]]
"""Receives the next events of the answer with that index."""
Record = Callable[[ChatRequest], AbstractContextManager[Callable[[ChatEvent], None]]]
"""Opens the record of a chat, which receives each of its events and is complete when the context ends."""


class CountedChat(Protocol):
    """Receives the token counts of a chat."""

    async def reserve(self, prompt: int) -> None:
        """Count the tokens of the prompt before anything is sent; raise a `BridgeError` if they are too many."""

    def answered(self, usage: Usage) -> None:
        """Note the usage of the complete answer."""


Count = Callable[[ChatRequest], AbstractAsyncContextManager[CountedChat]]
"""Counts a chat for its key within the context; raises a `BridgeError` if the key may not begin one."""


class Uncounted:
    """Counts nothing."""

    async def reserve(self, prompt: int) -> None:
        """Allow every prompt."""

    def answered(self, usage: Usage) -> None:
        """Ignore the usage."""


@contextmanager
def record_nothing(_: ChatRequest) -> Iterator[Callable[[ChatEvent], None]]:
    """Open a record that keeps nothing."""
    yield lambda _: None


class AnswerRunner:
    """Runs chats on `backend`, records them with `record`, and counts them with `count`."""

    def __init__(
        self,
        backend: ChatBackend,
        record: Record = record_nothing,
        count: Count = lambda _: nullcontext(Uncounted()),
    ) -> None:
        self._backend = backend
        self._record = record
        self._count = count

    async def run(self, request: ChatRequest, answer_format: AnswerFormat, choices: int, emit: EmitChoice) -> None:
        """Pass the events of each answer to `emit`: for one choice as they arrive, for several when all are complete.

        Raises what the chat raises, which is a `BridgeError` except for defects; events may have been emitted before.
        The first failure ends all choices.
        """
        if choices == 1:
            await self._run_one(request, answer_format, partial(emit, 0))
            return
        answers: list[list[AnswerEvent]] = [[] for _ in range(choices)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for choice, answer in enumerate(answers):
                    chat = replace(request, id=f"{request.id}-{choice}")
                    tasks.create_task(self._run_one(chat, answer_format, partial(_collect, answer)))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        for choice, answer in enumerate(answers):
            await emit(choice, answer)

    async def _run_one(self, request: ChatRequest, answer_format: AnswerFormat, emit: Emit) -> None:
        async with self._count(request) as counted:
            pipeline = await AnswerPipeline.of(request, answer_format)
            await counted.reserve(pipeline.prompt)
            await self._answer(pipeline, partial(_emit_counted, counted, emit))

    async def _answer(self, pipeline: AnswerPipeline, emit: Emit) -> None:
        try:
            await self._attempt(pipeline, emit)
            while await pipeline.ask_again():
                await self._attempt(pipeline, emit)
        except BridgeError as error:
            if not pipeline.is_again:
                raise
            raise error.replace(sent=True) from error  # because the first attempt was sent

    async def _attempt(self, pipeline: AnswerPipeline, emit: Emit) -> None:
        """Run one chat to its end or until the client wants no more; closing it early stops the generation."""
        request = pipeline.request
        with self._record(request) as record:
            async with aclosing(self._backend.chat(request)) as events:
                try:
                    async for event in events:
                        record(event)
                        if made := await pipeline.take(event):
                            await emit(made)
                        if isinstance(event, Finish):
                            await _let_end(events)
                            return
                        if pipeline.is_over:
                            return
                except NoAnswer as error:
                    if made := await pipeline.take_no_answer(error):
                        await emit(made)
                    return
        raise SiteError("The answer broke off before its end.", sent=True)


async def _emit_counted(counted: CountedChat, emit: Emit, events: Sequence[AnswerEvent]) -> None:
    """Count a complete answer before emitting it, because a client that has left would prevent it."""
    for event in events:
        if isinstance(event, AnswerEnd):
            counted.answered(event.usage)
    await emit(events)


async def _collect(answer: list[AnswerEvent], events: Sequence[AnswerEvent]) -> None:
    answer += events


async def _let_end(events: AsyncIterator[ChatEvent]) -> None:
    """Run the backend to its end, so that it gives the account back, even if the client leaves with its answer.

    Only a second cancellation, such as that of a stopping server, ends it.
    """
    ending = asyncio.get_running_loop().create_task(_drain(events))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({ending})
        finally:  # the events must not be closed while they run
            ending.cancel()
            await asyncio.wait({ending})
        raise


async def _drain(events: AsyncIterator[ChatEvent]) -> None:
    """Consume the remaining events; failures are only logged, because the client has its answer."""
    try:
        async for _ in events:
            pass
    except BridgeError as error:
        logger.info("Error after the end of an answer: {}", error.message)
    except Exception as error:  # noqa: BLE001 - the edge: no client is left to get it
        log_unexpected(error, "after the end of an answer")
