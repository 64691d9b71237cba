"""One answer, from the accepted request to the end of its last stream."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bridge.demo.accounts import Account, script_fault
from bridge.demo.backend import BACKEND
from bridge.demo.generation import Generation
from bridge.demo.model import compose
from bridge.demo.patches import Json
from bridge.demo.score import Score, Silence, Snapshot, body, ending, ready
from bridge.demo.script import Script
from bridge.demo.site_conversations import Conversation
from bridge.demo.site_settings import DemoSettings
from bridge.demo.stream import EventStream
from bridge.demo.switchboard import Switch, make_switch
from bridge.demo.turns import Turn


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request: composes and streams it."""

    request: web.Request
    account: Account
    conversation: Conversation
    turn: Turn
    script: Script

    async def to_new_prompt(self, parent: int | None, files: list[Json]) -> web.StreamResponse:
        """Answer a prompt that becomes part of the conversation."""
        before = self.conversation.current
        prompt = self.conversation.add_prompt(parent, self.turn.prompt, files)
        return await self._write(prompt, before, prompt["message_id"])

    async def to_old_prompt(self, prompt: dict[str, Json]) -> web.StreamResponse:
        """Answer an existing prompt of the conversation again."""
        return await self._write(prompt, self.conversation.current)

    async def continued(self, message: dict[str, Json]) -> web.StreamResponse:
        """Continue an incomplete answer."""
        rest = self.conversation.rests.pop(message["message_id"])
        message["status"] = "WIP"
        start = ready(message["parent_id"], message["message_id"], self.conversation.model_type)
        return await self._play(message, [*start, Snapshot(), *rest], lambda generation: self._keep(generation, []))

    async def _write(self, prompt: dict[str, Json], before: int | None, *added: int) -> web.StreamResponse:
        thinking, search = self.turn.thinking_enabled, self.turn.search_enabled
        message = self.conversation.add_response(prompt["message_id"], thinking=thinking, search=search)
        score, title = self._compose(prompt, message)
        score, rest = self._spoil(score)

        def settle(generation: Generation) -> None:
            if generation.shown:
                self.conversation.title = self.conversation.title or title
                self._keep(generation, rest)
            else:
                self.conversation.drop_after(before, *added, message["message_id"])

        return await self._play(message, score, settle)

    def _compose(self, prompt: dict[str, Json], message: dict[str, Json]) -> tuple[Score, str]:
        thinking, search = self.turn.thinking_enabled, self.turn.search_enabled
        composition = compose(self.turn.prompt, self.script, thinking=thinking, search=search)
        message["search_triggered"] = composition.results is not None
        first = self.conversation.title is None
        score = [
            *ready(prompt["message_id"], message["message_id"], self.conversation.model_type),
            *body(composition, message, self._rate),
            *ending(title=composition.title if first else None),
        ]
        if self.script.first_byte:
            score.insert(0, Silence(self.script.first_byte, heartbeats=False))
        return score, composition.title

    def _spoil(self, score: Score) -> tuple[Score, Score]:
        """Apply the fault of this turn to the score; also return the part that can be continued later."""
        switch = self._fault()
        if switch is None or switch.fault.rewrite is None:
            return score, []
        chinese = self.request.headers.get("x-client-locale", "").startswith("zh")
        params = {**switch.params, "lang": "zh" if chinese else "en"}
        rest = switch.fault.rest(score, params) if switch.fault.rest else []
        return switch.fault.rewrite(score, params), rest

    def _fault(self) -> Switch | None:
        if len(self.turn.prompt) > self._settings.prompt_limit:
            return make_switch("input_exceeds_limit", 1, None, {})
        if self.conversation.size > self._settings.conversation_limit:
            return make_switch("context_length_exceeded", 1, None, {})
        return script_fault(self.script) or self.account.board.take("stream")

    def _keep(self, generation: Generation, rest: Score) -> None:
        """Store the rest of an incomplete answer."""
        if generation.message["status"] == "INCOMPLETE":
            self.conversation.rests[generation.message["message_id"]] = generation.rest or rest

    async def _play(
        self, message: dict[str, Json], score: Score, settle: Callable[[Generation], None]
    ) -> web.StreamResponse:
        generation = Generation(self.turn, message, score, self._rate, self._settings.heartbeat, settle)
        self.account.generation = generation
        self.account.changes.notify()
        return await carry(self.request, generation, self.script.cut)

    @property
    def _rate(self) -> float:
        return self._settings.rate if self.script.rate is None else self.script.rate

    @property
    def _settings(self) -> DemoSettings:
        return self.request.app[BACKEND].settings


async def carry(request: web.Request, generation: Generation, cut: int | None = None) -> web.StreamResponse:
    """Send an answer over this request's connection until the answer or the connection ends."""
    stream = EventStream(request, _headers(request.app[BACKEND].settings), cut)
    try:
        await generation.play(stream)
        await stream.close()
    except ConnectionError:
        generation.leave(stream)
    except asyncio.CancelledError:
        generation.leave(stream)
        raise
    return stream.response


def _headers(settings: DemoSettings) -> dict[str, str]:
    return {
        "content-type": "text/event-stream; charset=utf-8",
        "x-ds-sse-heartbeat-timeout-secs": f"{settings.heartbeat_timeout:g}",
        "x-ds-trace-id": secrets.token_hex(16),
        "x-content-type-options": "nosniff",
    }
