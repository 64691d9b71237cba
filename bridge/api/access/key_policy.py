"""What a key may request under its current limits: which models, how much, and by when."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

from aiohttp import web

from bridge.api.access.credentials import Credentials
from bridge.api.access.guard import KEY, SESSION, TOKENS
from bridge.api.access.rate_limiter import RateLimiter
from bridge.chat.caller import ANYBODY, Caller
from bridge.chat.model_names import includes
from bridge.chat.types import Model
from bridge.errors import BridgeError, PermissionDenied, RequestError
from bridge.storage.api_keys import Key

DEADLINE = "x-bridge-deadline"
"""The header with the seconds within which a chat must have an account."""
LONGEST_DEADLINE = 86_400.0

Find = Callable[[str], Model]
"""Returns the model with a name; raises `UnknownModel`."""


class KeyPolicy:
    """Applies the limits of the keys in `access`; without it nothing is limited."""

    def __init__(self, access: Credentials | None = None, limiter: RateLimiter | None = None) -> None:
        self._access = access
        self.limiter = limiter or RateLimiter(self._named)

    def caller_of(self, request: web.Request) -> Caller:
        """Return the caller of a request: its key, the key of its session, or the client of its userTokens."""
        if tokens := request.get(TOKENS):
            return Caller("token " + sha256("\n".join(tokens).encode()).hexdigest()[:12], "a userToken")
        key, session = request.get(KEY), request.get(SESSION)
        id_ = key.id if key is not None else session.key if session is not None else ""
        if (known := self._named(id_)) is None:
            return ANYBODY
        limits = known.limits
        return Caller(known.id, known.name, limits.share, limits.parallel, tuple(limits.accounts))

    def may_use(self, caller: Caller, model: Model, find: Find) -> bool:
        """Tell whether the key may use a model; an allowed model includes the switches that it turns on."""
        known = self._named(caller.id)
        if known is None or not known.limits.models:
            return True
        for name in known.limits.models:
            with suppress(BridgeError):  # no account serves this model any more
                if includes(find(name), model):
                    return True
        return False

    def check(self, caller: Caller, model: Model, chats: int, find: Find) -> None:
        """Raise `PermissionDenied` for a model that is not allowed, and `KeyLimitReached` at a limit."""
        if not self.may_use(caller, model, find):
            allowed = ", ".join(self._limits_models(caller))
            raise PermissionDenied(
                f"The model '{model.id[:80]}' with the request's switches is not allowed for {caller};"
                f" allowed: {allowed}.",
                param="model",
            )
        self.limiter.check(caller, chats)

    def _limits_models(self, caller: Caller) -> tuple[str, ...]:
        known = self._named(caller.id)
        return () if known is None else known.limits.models

    def _named(self, id: str) -> Key | None:  # noqa: A002
        return None if self._access is None else self._access.named(id)


def deadline_of(request: web.Request) -> float | None:
    """Return the seconds within which the chat must have an account; None if the client sets none."""
    given = request.headers.get(DEADLINE)
    if given is None:
        return None
    try:
        seconds = float(given[:30])
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_DEADLINE:
        raise RequestError(
            f"The header {DEADLINE} must be the seconds within which the chat must have an account:"
            f" above 0, and at most {LONGEST_DEADLINE:g}.",
            param=DEADLINE,
        )
    return seconds
