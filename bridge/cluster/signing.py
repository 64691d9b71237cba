"""Nodes know each other by a common key: each call is signed over its time, a number used once, its path and its body.

A call whose time is more than `WINDOW` seconds away, or whose number was seen in that time, is refused: what somebody
has listened to cannot be played again. Nothing is encrypted; the nodes' network must be private, or TLS before it.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from bridge.errors import PermissionDenied

WINDOW = 30.0
"""Seconds that the clocks of two nodes may differ, and a call may take to arrive."""
TIME, NONCE, SIGNATURE = "X-Bridge-Time", "X-Bridge-Nonce", "X-Bridge-Signature"
MOST = 200_000
"""Numbers that are remembered."""


class Signing:
    """Signs calls, and checks the signatures of those that come."""

    def __init__(self, key: str, now: Callable[[], float] = time.time) -> None:
        self._key = key.encode()
        self._now = now
        self._seen: OrderedDict[str, float] = OrderedDict()

    def headers(self, method: str, path: str, body: bytes) -> Mapping[str, str]:
        """Return the headers that sign a call."""
        moment, nonce = f"{self._now():.3f}", secrets.token_hex(16)
        return {TIME: moment, NONCE: nonce, SIGNATURE: self._signature(moment, nonce, method, path, body)}

    def precheck(self, headers: Mapping[str, str]) -> None:
        """Raise `PermissionDenied` where a call cannot be valid whatever its body is."""
        moment, nonce = headers.get(TIME, ""), headers.get(NONCE, "")
        if not (headers.get(SIGNATURE) and 16 <= len(nonce) <= 64):
            raise PermissionDenied("The call is not signed.")
        try:
            age = abs(self._now() - float(moment))
        except ValueError as error:
            raise PermissionDenied("The call is not signed.") from error
        if not age <= WINDOW:
            raise PermissionDenied("The call is too old, or the clocks of the nodes differ by more than 30 seconds.")

    def check(self, headers: Mapping[str, str], method: str, path: str, body: bytes) -> None:
        """Raise `PermissionDenied` unless the call was signed with the common key, and comes for the first time."""
        self.precheck(headers)
        moment, nonce = headers[TIME], headers[NONCE]
        signature = self._signature(moment, nonce, method, path, body)
        if not hmac.compare_digest(signature.encode(), headers[SIGNATURE].encode(errors="replace")):
            raise PermissionDenied("The call is signed with another key than cluster.key of this node.")
        self._forget_old()
        if nonce in self._seen:
            raise PermissionDenied("The call was made before.")
        self._seen[nonce] = self._now()

    def _forget_old(self) -> None:
        while self._seen and (len(self._seen) >= MOST or next(iter(self._seen.values())) < self._now() - 2 * WINDOW):
            self._seen.popitem(last=False)

    def _signature(self, moment: str, nonce: str, method: str, path: str, body: bytes) -> str:
        head = "\n".join((moment, nonce, method, path, sha256(body).hexdigest()))
        return hmac.new(self._key, head.encode(), sha256).hexdigest()
