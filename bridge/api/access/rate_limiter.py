"""Enforces the limits of keys on requests and tokens, which may change at any time, and records the usage of chats.

A chat counts from its admission. The tokens of its prompt are reserved before it is sent, those of its answer are added
at its end, so an answer may exceed the limit, and later chats wait for that. A chat that sent nothing gives its tokens
back.

If several nodes count together (`shared`), their common count decides; the node's own count decides while the common
one is unavailable or lost.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from bridge.api.access.usage_windows import KeyUsage
from bridge.chat.caller import Caller
from bridge.chat.rate_limits import REQUESTS, TOKENS, WINDOWS, Late, RateLimit, RateLimits, Refused, SharedUsage
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import ChatRequest
from bridge.durations import MINUTE, rounded_up
from bridge.errors import KeyLimitReached
from bridge.storage.api_keys import Key
from bridge.storage.key_limits import NO_LIMITS
from bridge.storage.usage_file import ChatUsage
from bridge.telemetry import ChatEnded, Fact

AGAIN = "-again"
"""Suffix of the id of a chat in which the bridge itself asks the model again; it belongs to the first chat."""


class CountedChat:
    """The tokens of one chat so far, over all attempts at its answer."""

    def __init__(self, limiter: RateLimiter, request: ChatRequest, at: float) -> None:
        self._limiter, self._request, self.at = limiter, request, at
        self.shared_at: float | None = None
        """When the common count included the tokens of the prompt; None if it did not."""
        self.prompt = self.completion = 0
        self.is_complete = False
        """Whether the answer was counted to its end; until then `completion` is an estimate."""
        self.account = ""
        self._attempts = self._sends = 0

    @property
    def is_sent(self) -> bool:
        """Tell whether a prompt may have reached the site."""
        return self._sends > 0 or self._attempts == 0

    async def reserve(self, prompt: int) -> None:
        """Count the tokens of the prompt; raise `KeyLimitReached` if the key has not as many left."""
        self.shared_at = await self._limiter.admit(self._request.caller, 0, prompt, needed=prompt)
        self.prompt = prompt
        self._limiter.add_tokens(self._request.caller.id, self.at, prompt)

    def answered(self, usage: Usage) -> None:
        """Note the usage of a complete answer."""
        self.completion, self.is_complete = usage.completion, True

    def ended(self, fact: ChatEnded) -> None:
        """Note the end of an attempt."""
        self.account = fact.account or self.account
        self._attempts += 1
        self._sends += "sent" in fact.marks
        if not self.is_complete:
            self.completion += fact.tokens


class RateLimiter:
    """The usage of all keys; a telemetry sink that learns from facts the account of a chat and how it ended."""

    def __init__(
        self,
        key_of: Callable[[str], Key | None] = lambda _: None,
        record: Callable[[ChatUsage], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key_of, self._record, self._clock = key_of, record, clock
        self.shared: SharedUsage | None = None
        """The common count of several nodes."""
        self._keys: dict[str, KeyUsage] = {}
        self._open: dict[str, CountedChat] = {}

    def __call__(self, fact: Fact) -> None:
        """Note the end of an attempt from its fact."""
        if isinstance(fact, ChatEnded) and (chat := self._open.get(fact.chat.partition(AGAIN)[0])) is not None:
            chat.ended(fact)

    def restore(self, minutes: Iterable[tuple[int, str, int, int]]) -> None:
        """Add the usage before the start: tuples of minute, key id, chats and tokens."""
        now = self._clock()
        for minute, key, chats, tokens in minutes:
            at = min(minute + MINUTE - 1, now)  # the latest possible moment
            self._usage(key).add_requests(at, chats)
            self._usage(key).add_tokens(at, tokens)

    def check(self, caller: Caller, chats: int = 1) -> None:
        """Raise `KeyLimitReached` if a key may not begin that many chats now."""
        self._check_all(caller, chats, 1)

    async def admit(self, caller: Caller, requests: int, tokens: int, *, needed: int) -> float | None:
        """Add to the common count; raise `KeyLimitReached` if the requests and the `needed` tokens do not fit.

        Returns when the common count included the tokens. The caller adds to the own count, with no await in between.
        """
        self._check_all(caller, requests, needed)
        limits = self._limits(caller.id)
        if self.shared is None or limits is None:
            return None
        if not any(limits.values()):  # without limits there is no need to wait for the nodes
            self.shared.add(caller.id, requests, tokens)
            return None
        taken = await self.shared.take(caller.id, limits, requests, tokens, needed)
        if isinstance(taken, Refused):
            raise _reached(caller, taken.name, limits[taken.name] or 0, taken.used, taken.wait)
        if isinstance(taken, Late):
            self._check_all(caller, requests, needed)  # other chats may have been counted in the meantime
            self.shared.add(caller.id, requests, tokens, late=taken)
            return None
        return taken

    def add_tokens(self, key: str, at: float, tokens: int) -> None:
        """Count tokens of the key with that id; a negative number takes tokens back."""
        self._usage(key).add_tokens(at, tokens)

    @asynccontextmanager
    async def counted(self, request: ChatRequest) -> AsyncIterator[CountedChat]:
        """Count a chat within the context; raise `KeyLimitReached` if its key may not begin one now."""
        await self.admit(request.caller, 1, 0, needed=1)
        at = self._clock()
        self._usage(request.caller.id).add_requests(at, 1)
        chat = self._open[request.id] = CountedChat(self, request, at)
        try:
            yield chat
        finally:
            del self._open[request.id]
            self._settle(request, chat)

    def left(self, caller: Caller) -> RateLimits:
        """Return what is left for a key, for each kind by the limit with the least left."""
        return RateLimits(self._least(caller.id, REQUESTS), self._least(caller.id, TOKENS))

    def used(self, key: str) -> dict[str, int]:
        """Return the usage of the key with that id, by the names of the limits."""
        usage, now = self._usage(key), self._clock()
        shared = (self.shared.used(key) if self.shared is not None else None) or {}
        own = {name: usage.window(name).used(now) for name in WINDOWS}
        return {name: max(amount, shared[name].amount) if shared else amount for name, amount in own.items()}

    def _settle(self, request: ChatRequest, chat: CountedChat) -> None:
        """Count the tokens of the answer, or take back those of a prompt that was not sent, and record the chat."""
        caller = request.caller
        if chat.is_sent:
            self.add_tokens(caller.id, self._clock(), chat.completion)
            self._share(caller.id, chat.completion)
        else:
            self.add_tokens(caller.id, chat.at, -chat.prompt)
            self._share(caller.id, -chat.prompt, chat.shared_at)
            chat.prompt = chat.completion = 0
        model, failed = request.model.variant, not chat.is_complete
        used = ChatUsage(
            chat.at, caller.id, caller.name, model, chat.account, chat.prompt, chat.completion, is_failed=failed
        )
        self._record(used)

    def _share(self, key: str, tokens: int, at: float | None = None) -> None:
        if self.shared is not None and self._key_of(key) is not None:
            self.shared.add(key, 0, tokens, at)

    def _check_all(self, caller: Caller, requests: int, tokens: int) -> None:
        for name in WINDOWS:
            self._check(caller, name, requests if name in REQUESTS else tokens)

    def _check(self, caller: Caller, name: str, amount: int) -> None:
        limit = self._limit(caller.id, name)
        if limit is None:
            return
        window, now = self._usage(caller.id).window(name), self._clock()
        wait = window.fits_in(amount, limit, now)
        if amount > limit:
            raise KeyLimitReached(f"{_allowed(caller, name, limit)}; this request alone needs {amount}.")
        if wait > 0:
            raise _reached(caller, name, limit, window.used(now), wait)

    def _least(self, key: str, names: Sequence[str]) -> RateLimit | None:
        limits = [(name, limit) for name in names if (limit := self._limit(key, name)) is not None]
        return min((self._left(key, name, limit) for name, limit in limits), key=_remaining, default=None)

    def _left(self, key: str, name: str, limit: int) -> RateLimit:
        own = self._usage(key).window(name).left(limit, self._clock())
        shared = self.shared.used(key) if self.shared is not None else None
        if not shared:
            return own
        return min(own, RateLimit(limit, max(limit - shared[name].amount, 0), shared[name].reset), key=_remaining)

    def _limits(self, key: str) -> Mapping[str, int | None] | None:
        """Return the limits of a key by their names; None for a caller without a key."""
        if self._key_of(key) is None:
            return None
        return {name: self._limit(key, name) for name in WINDOWS}

    def _limit(self, key: str, name: str) -> int | None:
        known = self._key_of(key)
        limit: int | None = getattr(NO_LIMITS if known is None else known.limits, name)
        return limit

    def _usage(self, key: str) -> KeyUsage:
        """Return the usage of a key; that of callers without a key is not kept."""
        if (found := self._keys.get(key)) is not None:
            return found
        if self._key_of(key) is None:
            return KeyUsage()
        self._keys = {id: usage for id, usage in self._keys.items() if self._key_of(id) is not None}  # noqa: A001
        return self._keys.setdefault(key, KeyUsage())


def _remaining(limit: RateLimit) -> int:
    return limit.remaining


def _reached(caller: Caller, name: str, limit: int, used: int, wait: float) -> KeyLimitReached:
    """Return the error for a limit that is exhausted for `wait` seconds."""
    rest = f"{used} are used; try again in {rounded_up(wait)}"
    return KeyLimitReached(f"{_allowed(caller, name, limit)}, of which {rest}.", retry_after=wait)


def _allowed(caller: Caller, name: str, limit: int) -> str:
    kind, _, span = name.partition("_per_")
    what = "begin" if kind == "requests" else "use"
    return f"The limit {name} allows {caller} to {what} {limit} {kind.replace('requests', 'chats')} per {span}"
