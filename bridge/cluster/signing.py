"""Nodes know each other by a common key: each call is signed over its time, a number used once, path and body.

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
TIME, NONCE = "X-Bridge-Time", "X-Bridge-Nonce"
DIGEST, SIGNATURE = "X-Bridge-Digest", "X-Bridge-Signature"
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
        moment, nonce, digest = f"{self._now():.3f}", secrets.token_hex(16), sha256(body).hexdigest()
        signature = self._signature(moment, nonce, method, path, digest)
        return {TIME: moment, NONCE: nonce, DIGEST: digest, SIGNATURE: signature}

    def check(self, headers: Mapping[str, str], method: str, path: str) -> None:
        """Raise `PermissionDenied` unless a call was signed with the common key, and comes for the first time.

        Its body need not be there yet: nobody else can make this node read one. `check_body` is for that.
        """
        moment, nonce, digest = (headers.get(name, "") for name in (TIME, NONCE, DIGEST))
        signature = self._signature(moment, nonce, method, path, digest)
        if not hmac.compare_digest(signature.encode(), headers.get(SIGNATURE, "").encode(errors="replace")):
            raise PermissionDenied("The call is not signed with the cluster.key of this node.")
        try:
            age = abs(self._now() - float(moment))
        except ValueError as error:
            raise PermissionDenied("The call has no time.") from error
        if not age <= WINDOW:
            raise PermissionDenied("The call is too old, or the clocks of the nodes differ by more than 30 seconds.")
        self._forget_old()
        if nonce in self._seen:
            raise PermissionDenied("The call was made before.")
        self._seen[nonce] = self._now()

    @staticmethod
    def check_body(headers: Mapping[str, str], body: bytes) -> None:
        """Raise `PermissionDenied` unless a body is the one that was signed."""
        if sha256(body).hexdigest() != headers.get(DIGEST):
            raise PermissionDenied("The body of the call is another one than was signed.")

    def _forget_old(self) -> None:
        while self._seen and (len(self._seen) >= MOST or next(iter(self._seen.values())) < self._now() - 2 * WINDOW):
            self._seen.popitem(last=False)

    def _signature(self, moment: str, nonce: str, method: str, path: str, digest: str) -> str:
        head = "\n".join((moment, nonce, method, path, digest))
        return hmac.new(self._key, head.encode(errors="replace"), sha256).hexdigest()
