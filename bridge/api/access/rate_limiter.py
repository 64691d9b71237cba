"""Holds each key to its limits on requests and tokens, which may change at any time, and records what chats used.

A chat counts from the moment it is let in. The tokens of its prompt are reserved before it is sent, those of its answer
are added at its end, so an answer may exceed the limit, and later chats wait for that. A chat that sent nothing gives
its tokens back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from bridge.api.access.usage_windows import KeyUsage
from bridge.chat.caller import Caller
from bridge.chat.rate_limits import RateLimit, RateLimits
from bridge.chat.types import ChatRequest
from bridge.durations import MINUTE, rounded_up
from bridge.errors import KeyLimitReached
from bridge.storage.api_keys import Key
from bridge.storage.key_limits import NO_LIMITS
from bridge.storage.usage_file import ChatUsage
from bridge.telemetry import ChatEnded, Fact
from bridge.tokens.usage import Usage

REQUESTS = ("requests_per_minute", "requests_per_day")
TOKENS = ("tokens_per_minute", "tokens_per_day")
AGAIN = "-again"
"""What the id of a chat ends in by which the bridge itself asks once more; it belongs to the chat before."""


class CountedChat:
    """What one chat has cost so far, all attempts at its answer together."""

    def __init__(self, limiter: RateLimiter, request: ChatRequest, at: float) -> None:
        self._limiter, self._request, self.at = limiter, request, at
        self.prompt = self.completion = 0
        self.is_complete = False
        """Whether the answer was counted to its end; until then `completion` is an estimate."""
        self.account = ""
        self._attempts = self._sends = 0

    @property
    def is_sent(self) -> bool:
        """Tell whether a prompt may have reached the site."""
        return self._sends > 0 or self._attempts == 0

    def reserve(self, prompt: int) -> None:
        """Count the tokens of the prompt; raise `KeyLimitReached` where the key has not as many left."""
        self._limiter.check_tokens(self._request.caller, prompt)
        self.prompt = prompt
        self._limiter.add_tokens(self._request.caller.id, self.at, prompt)

    def answered(self, usage: Usage) -> None:
        """Take the count of a complete answer."""
        self.completion, self.is_complete = usage.completion, True

    def ended(self, fact: ChatEnded) -> None:
        """Take how an attempt has ended."""
        self.account = fact.account or self.account
        self._attempts += 1
        self._sends += "sent" in fact.marks
        if not self.is_complete:
            self.completion += fact.tokens


class RateLimiter:
    """The usage of all keys; a sink of facts, which tell on which account a chat was, and how it ended."""

    def __init__(
        self,
        key_of: Callable[[str], Key | None] = lambda _: None,
        record: Callable[[ChatUsage], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key_of, self._record, self._clock = key_of, record, clock
        self._keys: dict[str, KeyUsage] = {}
        self._open: dict[str, CountedChat] = {}

    def __call__(self, fact: Fact) -> None:
        """Take a fact."""
        if isinstance(fact, ChatEnded) and (chat := self._open.get(fact.chat.partition(AGAIN)[0])) is not None:
            chat.ended(fact)

    def restore(self, minutes: Iterable[tuple[int, str, int, int]]) -> None:
        """Take what was used before the start: in each minute, by the id of a key, its chats and tokens."""
        now = self._clock()
        for minute, key, chats, tokens in minutes:
            at = min(minute + MINUTE - 1, now)  # the last moment at which it may have been
            self._usage(key).add_requests(at, chats)
            self._usage(key).add_tokens(at, tokens)

    def check(self, caller: Caller, chats: int = 1) -> None:
        """Raise `KeyLimitReached` where a key may not begin that many chats now."""
        for name in REQUESTS:
            self._check(caller, name, chats)
        self.check_tokens(caller, 1)

    def check_tokens(self, caller: Caller, tokens: int) -> None:
        """Raise `KeyLimitReached` where a key has not as many tokens left."""
        for name in TOKENS:
            self._check(caller, name, tokens)

    def add_tokens(self, key: str, at: float, tokens: int) -> None:
        """Count tokens of the key of that id, or take them back."""
        self._usage(key).add_tokens(at, tokens)

    @contextmanager
    def counted(self, request: ChatRequest) -> Iterator[CountedChat]:
        """Count a chat while this is entered; raise `KeyLimitReached` where its key may not begin one now."""
        self.check(request.caller)
        at = self._clock()
        self._usage(request.caller.id).add_requests(at, 1)
        chat = self._open[request.id] = CountedChat(self, request, at)
        try:
            yield chat
        finally:
            del self._open[request.id]
            self._settle(request, chat)

    def left(self, caller: Caller) -> RateLimits:
        """Return what is left for a key, of each kind by the limit of which least is left."""
        return RateLimits(self._least(caller.id, REQUESTS), self._least(caller.id, TOKENS))

    def used(self, key: str) -> dict[str, int]:
        """Return how much the key of that id has used, by the names of the limits."""
        usage, now = self._usage(key), self._clock()
        return {name: usage.window(name).used(now) for name in (*REQUESTS, *TOKENS)}

    def _settle(self, request: ChatRequest, chat: CountedChat) -> None:
        """Count the tokens of an answer, or take those of a prompt back that was not sent, and record the chat."""
        caller = request.caller
        if chat.is_sent:
            self.add_tokens(caller.id, self._clock(), chat.completion)
        else:
            self.add_tokens(caller.id, chat.at, -chat.prompt)
            chat.prompt = chat.completion = 0
        model, failed = request.model.variant, not chat.is_complete
        used = ChatUsage(
            chat.at, caller.id, caller.name, model, chat.account, chat.prompt, chat.completion, is_failed=failed
        )
        self._record(used)

    def _check(self, caller: Caller, name: str, amount: int) -> None:
        limit = self._limit(caller.id, name)
        if limit is None:
            return
        window, now = self._usage(caller.id).window(name), self._clock()
        wait = window.fits_in(amount, limit, now)
        if amount > limit:
            raise KeyLimitReached(f"{_allowed(caller, name, limit)}; this request alone needs {amount}.")
        if wait > 0:
            used = f"{window.used(now)} are used; there is room again in {rounded_up(wait)}"
            raise KeyLimitReached(f"{_allowed(caller, name, limit)}, of which {used}.", retry_after=wait)

    def _least(self, key: str, names: Sequence[str]) -> RateLimit | None:
        limits = [(name, limit) for name in names if (limit := self._limit(key, name)) is not None]
        usage, now = self._usage(key), self._clock()
        return min(
            (usage.window(name).left(limit, now) for name, limit in limits), key=lambda one: one.remaining, default=None
        )

    def _limit(self, key: str, name: str) -> int | None:
        known = self._key_of(key)
        limit: int | None = getattr(NO_LIMITS if known is None else known.limits, name)
        return limit

    def _usage(self, key: str) -> KeyUsage:
        """Return what a key has used; nothing is remembered of keys that cannot have a limit."""
        if (found := self._keys.get(key)) is not None:
            return found
        if self._key_of(key) is None:
            return KeyUsage()
        self._keys = {id: usage for id, usage in self._keys.items() if self._key_of(id) is not None}  # noqa: A001
        return self._keys.setdefault(key, KeyUsage())


def _allowed(caller: Caller, name: str, limit: int) -> str:
    kind, _, span = name.partition("_per_")
    what = "begin" if kind == "requests" else "use"
    return f"The limit {name} lets {caller} {what} {limit} {kind.replace('requests', 'chats')} a {span}"
