"""What a key may ask for, by its limits as they are at this moment: on which models, how much, how soon."""

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
"""The header by which a client says in how many seconds its chat must have an account."""
LONGEST_DEADLINE = 86_400.0

Find = Callable[[str], Model]
"""Returns the model of a name; raises `UnknownModel`."""


class KeyPolicy:
    """Decides by the keys of `access`; without them nothing is limited."""

    def __init__(self, access: Credentials | None = None, limiter: RateLimiter | None = None) -> None:
        self._access = access
        self.limiter = limiter or RateLimiter(self._named)

    def caller_of(self, request: web.Request) -> Caller:
        """Return whose chat a request is: its key's, its session's, or that of who brings a login along."""
        if tokens := request.get(TOKENS):
            return Caller("token " + sha256("\n".join(tokens).encode()).hexdigest()[:12], "a userToken")
        key, session = request.get(KEY), request.get(SESSION)
        id_ = key.id if key is not None else session.key if session is not None else ""
        if (known := self._named(id_)) is None:
            return ANYBODY
        limits = known.limits
        return Caller(known.id, known.name, limits.share, limits.parallel, tuple(limits.accounts))

    def may_use(self, caller: Caller, model: Model, find: Find) -> bool:
        """Tell whether the key may use a model; one that is allowed allows what it switches on."""
        known = self._named(caller.id)
        if known is None or not known.limits.models:
            return True
        for name in known.limits.models:
            with suppress(BridgeError):  # no account serves it any more
                if includes(find(name), model):
                    return True
        return False

    def check(self, caller: Caller, model: Model, chats: int, find: Find) -> None:
        """Raise `PermissionDenied` for a model that is not allowed, and `KeyLimitReached` where a limit is reached."""
        if not self.may_use(caller, model, find):
            allowed = ", ".join(self._limits_models(caller))
            raise PermissionDenied(
                f"The model '{model.id[:80]}', with what the request switches on, is not allowed to {caller};"
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
    """Return in how many seconds the chat must have an account; None where the client does not say it."""
    given = request.headers.get(DEADLINE)
    if given is None:
        return None
    try:
        seconds = float(given[:30])
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_DEADLINE:
        raise RequestError(
            f"The header {DEADLINE} must be the seconds in which the chat must have an account:"
            f" above 0, and at most {LONGEST_DEADLINE:g}.",
            param=DEADLINE,
        )
    return seconds
